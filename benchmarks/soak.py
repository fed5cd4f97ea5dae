"""A thousand small images in one Blender process: does its memory grow, does it slow down?

    python -m benchmarks.soak --images 1000

Poses, environments and skins change from image to image as in a run whose rows are grouped by environment. The slope of
the resident memory is a straight line's through all images after the warm-up; the slowdown compares the median seconds of
the last quarter with the first after it.
"""

import argparse
import sys
import time
from dataclasses import replace

import numpy as np

from benchmarks.render_baseline.scenes import Scenes
from rendering.supervisor import Renderer

SLOPE_TARGET = 1.0
"""MiB per 100 images."""
SLOWDOWN_TARGET = 0.05
MIB = 1 << 20


def draw(scenes: Scenes, renderer: Renderer, count: int, group: int, size: tuple[int, int], samples: int) -> np.ndarray:
    """Seconds and resident MiB of each image (count, 2); `group` images share an environment."""
    pool = [scenes.job(number, *size, samples)[0] for number in range(64)]
    measured = []
    for number in range(count):
        image = renderer.render(
            replace(pool[number * 13 % len(pool)], hdri=scenes.maps[number // group % len(scenes.maps)])
        )
        measured.append((image.seconds, renderer.process.resident_bytes() / MIB))
        if number % 100 == 99:
            print(f"  {number + 1:5d} images, {measured[-1][1]:7.1f} MiB, {image.seconds:.3f} s", flush=True)
    return np.array(measured)


def verdict(measured: np.ndarray, warm_up: int) -> tuple[float, float]:
    """MiB per 100 images after the warm-up, and by what share the last quarter is slower than the first."""
    seconds, memory = measured[warm_up:].T
    slope = 100 * float(np.polyfit(np.arange(len(memory)), memory, 1)[0])
    quarter = max(len(seconds) // 4, 1)
    return slope, float(np.median(seconds[-quarter:]) / np.median(seconds[:quarter]) - 1)


def main() -> None:
    """Parse, render, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument(
        "--warm-up", type=int, default=200, help="images before measuring: every map was loaded by then"
    )
    parser.add_argument("--group", type=int, default=12, help="images that share an environment")
    parser.add_argument("--size", type=int, nargs=2, default=(96, 64), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--samples", type=int, default=2)
    parser.add_argument("--device", default="CPU")
    options = parser.parse_args()
    started, scenes = time.perf_counter(), Scenes()
    with Renderer(scenes.surfaces, device=options.device, memory_limit=1 << 40) as renderer:
        measured = draw(scenes, renderer, options.images, options.group, tuple(options.size), options.samples)
    slope, slowdown = verdict(measured, min(options.warm_up, options.images // 2))
    print(f"{options.images} images in {time.perf_counter() - started:.0f} s, {options.size[0]} × {options.size[1]}")
    print(f"memory slope   {slope:+7.2f} MiB per 100 images   (target: at most {SLOPE_TARGET:g})")
    print(f"slowdown       {100 * slowdown:+7.1f} %                     (target: at most {100 * SLOWDOWN_TARGET:g})")
    print(f"memory         {measured[-1, 1]:7.1f} MiB at the end, {measured[:, 1].max():.1f} at most")
    sys.exit(0 if slope <= SLOPE_TARGET and slowdown <= SLOWDOWN_TARGET else 1)


if __name__ == "__main__":
    main()
