"""Images per hour and their quality against the authors' recipe, in one run on one machine.

    python -m benchmarks.rendering --out out/rendering            full size, references of 4,096 samples: hours on 2 cores
    python -m benchmarks.rendering --out out/quick --quick        reduced size and references: minutes
    python -m benchmarks.rendering --out out/gpu --device OPTIX   the same on a GPU, with the cost of a million images

References are kept in --out, so a run that was stopped goes on. Every scene has another pose, environment and skin. Quality
is measured where the labels see a hand. `benchmarks.render_baseline.recipe` says what the authors' recipe is here.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.render_baseline.quality import scores
from benchmarks.render_baseline.recipe import SAMPLES, render_as_released
from benchmarks.render_baseline.runs import Bench, Recipe, sample_counts
from benchmarks.render_baseline.scenes import Scene, Scenes
from rendering.stages import RENDER, STAGES, SYNC

GRID = (8, 16, 24, 32, 64)
DENOISERS = (
    ("", ""),
    ("FAST", "FAST"),
    ("BALANCED", "ACCURATE"),
    ("HIGH", "NONE"),
    ("HIGH", "FAST"),
    ("HIGH", "ACCURATE"),
)
BASELINES = {"baseline": 0.0, "baseline, adaptive 0.01": 0.01}
"""The authors' recipe without and with Blender's adaptive sampling, whose state the release does not tell."""
Table = dict[str, list[dict[str, float]]]


def measure(scene: Scene, bench: Bench, scenes: Scenes, options: argparse.Namespace, table: Table) -> None:
    """Add one scene's rows to the table: the baseline's and one for each recipe."""
    reference = bench.reference(scene, options.reference_samples, options.out)
    print(f"  reference of {options.reference_samples} samples is there", flush=True)
    faces = scenes.models[next(iter(scenes.models))].arrays.faces
    for name, adaptive in BASELINES.items():
        given = (scene, scenes.arrays(), faces, options.device, options.baseline_samples, adaptive)
        pixels, seconds = render_as_released(*given)
        table.setdefault(name, []).append({"seconds": seconds, **scores(pixels, reference, scene.hands)})
        _tell(name, table[name][-1])
    bench.draw(scene, Recipe(1))  # what a run's first image of an environment pays, every image of the group shares
    for recipe in recipes(options):
        image, seconds = bench.draw(scene, recipe)
        row = {"seconds": seconds, **scores(image.pixels, reference, scene.hands), **image.stages}
        table.setdefault(str(recipe), []).append(row)
        _tell(str(recipe), row)


def recipes(options: argparse.Namespace) -> list[Recipe]:
    """The grid that is measured."""
    return [Recipe(samples, *denoiser) for denoiser in DENOISERS for samples in options.grid]


def _tell(name: str, row: dict[str, float]) -> None:
    print(
        f"  {name:<48}{row['seconds']:8.2f} s {row['psnr']:7.2f} dB  SSIM {row['ssim']:.4f}  FLIP {row['flip']:.4f}",
        flush=True,
    )


def print_curve(table: Table) -> None:
    """Means over the scenes, the baseline first."""
    mean = {name: {key: float(np.mean([row[key] for row in rows])) for key in rows[0]} for name, rows in table.items()}
    base = mean["baseline"]
    print(f"\n{'recipe':<48} s/image    ratio     PSNR    SSIM    FLIP   no worse than the baseline in")
    for name, row in mean.items():
        better = [key for key, wins in _wins(row, base).items() if wins]
        print(
            f"{name:<48}{row['seconds']:8.2f} {base['seconds'] / row['seconds']:8.1f} {row['psnr']:8.2f}{row['ssim']:8.4f}"
            f"{row['flip']:8.4f}   {', '.join(better) or '-'}"
        )


def _wins(row: dict[str, float], base: dict[str, float]) -> dict[str, bool]:
    return {
        "PSNR": row["psnr"] >= base["psnr"],
        "SSIM": row["ssim"] >= base["ssim"],
        "FLIP": row["flip"] <= base["flip"],
    }


def print_stages(rows: list[dict[str, float]], name: str) -> None:
    """Seconds of each stage of one recipe, mean over scenes, and the share outside Cycles' own rendering."""
    mean = {stage: float(np.mean([row.get(stage, 0.0) for row in rows])) for stage in STAGES}
    total = float(np.mean([row["seconds"] for row in rows]))
    print(f"\nstages of {name}")
    for stage, seconds in (mean | {"file": total - sum(mean.values())}).items():
        print(f"  {stage:<16}{seconds:8.3f} s {100 * seconds / total:6.1f} %")
    outside, with_sync = 1 - mean[RENDER] / total, 1 - (mean[RENDER] + mean[SYNC]) / total
    print(f"outside Cycles' tracing and denoising {100 * outside:.1f} % (target: at most 10)")
    print(f"outside Cycles altogether {100 * with_sync:.1f} %")


def print_adaptivity(bench: Bench, scenes: list[Scene], samples: int) -> None:
    """Samples that pixels of hands and of background got."""
    hands, around = [], []
    for scene in scenes:
        counts = sample_counts(bench, scene, samples)
        hands.append(counts[scene.hands].mean())
        around.append(counts[~scene.hands].mean())
    print(
        f"\nof {samples} samples a pixel of a hand gets {np.mean(hands):.1f}, one of the background {np.mean(around):.1f}"
    )


def print_cost(seconds: float, device: str) -> None:
    """What a million images cost at this rate."""
    million = f"a million take {seconds * 1e6 / 3600:.0f} device-hours"
    print(f"\n{device}: {seconds:.3f} s an image, {3600 / seconds:.0f} an hour; {million}")


def estimate(options: argparse.Namespace, scenes: int) -> float:
    """Rough minutes on 2 cores: 0.09 s a sample at 512 × 334."""
    pixels = options.size[0] * options.size[1] / (512 * 334)
    own = sum(recipe.samples * 0.09 + (1.5 if recipe.quality else 0.1) for recipe in recipes(options))
    return scenes * pixels * (0.09 * (options.reference_samples + options.baseline_samples) + own) / 60


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options; --quick changes what was not given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for references, pictures and the table as JSON")
    parser.add_argument("--scenes", type=int, default=None)
    parser.add_argument("--size", type=int, nargs=2, default=None, metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--reference-samples", type=int, default=None)
    parser.add_argument("--baseline-samples", type=int, default=SAMPLES)
    parser.add_argument("--grid", type=int, nargs="+", default=None, help="samples a pixel to try")
    parser.add_argument("--device", default="CPU")
    parser.add_argument("--quick", action="store_true", help="2 scenes of 256 × 167, references of 1,024 samples")
    options = parser.parse_args(arguments)
    usual = (2, [256, 167], 1024, [8, 16, 32]) if options.quick else (3, [512, 334], 4096, list(GRID))
    for name, value in zip(("scenes", "size", "reference_samples", "grid"), usual, strict=True):
        setattr(options, name, getattr(options, name) or value)
    return options


def run(options: argparse.Namespace, default_samples: int = 24) -> Table:
    """Measure and print everything; the table of rows, recipe by recipe."""
    scenes, table, started = Scenes(), {}, time.perf_counter()
    minutes = estimate(options, options.scenes)
    print(f"{options.scenes} scenes, {len(recipes(options))} recipes; on 2 cores about {minutes:.0f} min")
    chosen = [scenes.scene(number, *options.size) for number in range(options.scenes)]
    bench = Bench(scenes, options.device)
    default = Recipe(default_samples if default_samples in options.grid else options.grid[0], *bench.default())
    for number, scene in enumerate(chosen, start=1):
        print(
            f"scene {number} of {len(chosen)}: {scene.name} ({(time.perf_counter() - started) / 60:.1f} min)",
            flush=True,
        )
        measure(scene, bench, scenes, options, table)
        (options.out / "table.json").write_text(json.dumps(table, indent=1))
    print_curve(table)
    print_stages(table[str(default)], f"the default recipe ({str(default).strip()})")
    bench.cycles.denoising_quality, bench.cycles.denoising_prefilter = default.quality, default.prefilter
    print_adaptivity(bench, chosen, default.samples)
    print_cost(float(np.mean([row["seconds"] for row in table[str(default)]])), str(bench.scene.device))
    return table


def main(leave: Callable[[int], None] = os._exit) -> None:
    """Parse, run, print. Blender's own clean-up at exit is left out: it can take long and says nothing."""
    options = parse()
    _keep_blender_quiet()
    run(options)
    sys.stdout.flush()
    leave(0)


def _keep_blender_quiet() -> None:
    """Blender prints to descriptor 1: ours moves to another one."""
    sys.stdout = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    main()
