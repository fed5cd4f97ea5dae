"""The fast search for depths against the exact hierarchy: errors, missed and false vertices, slopes, cost.

python -m benchmarks.penetration --bend 90
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.candidates import add_arguments, candidates, default_engine
from benchmarks.quality import print_table
from benchmarks.released.search import VoxelSearch
from hands.joints import Side
from hands.model import HandModel
from hands.objective import Objective
from hands.parts import subdivide
from hands.penetration import Depth, Penetration, Search
from hands.skinning import PosedSurfaces
from hands.surface_bvh import BvhSearch

Engine = Callable[[PosedSurfaces], Penetration]


def compare(search: Engine, referee: Engine, surfaces: PosedSurfaces) -> dict[str, float]:
    """Figures of one engine over all vertices of a batch."""
    found, exact = search(surfaces), referee(surfaces)
    inside, called = exact.depth > 0, found.depth > 0
    error = 1e3 * (found.depth - exact.depth)
    seen = error[inside | called].abs()
    return {
        "vertices inside": int(inside.sum()),
        "depth error, mean mm": float(seen.mean()),
        "depth error, p95 mm": float(seen.quantile(0.95)),
        "bias, mm": float(error[inside | called].mean()),
        "missed, share of inside": float((inside & ~called).sum() / inside.sum()),
        "missed though > 2 mm deep": float(((exact.depth > 0.002) & ~called).sum() / inside.sum()),
        "false, share of outside": float((called & ~inside).sum() / (~inside).sum()),
        "false by > 2 mm": float(((found.depth > 0.002) & ~inside).sum() / (~inside).sum()),
    }


def slopes(search: Engine, surfaces: PosedSurfaces) -> torch.Tensor:
    """Slope of each pose's loss on all vertices, flat."""
    vertices = surfaces.vertices.clone().requires_grad_()
    loss = search(surfaces._replace(vertices=vertices)).loss
    return torch.autograd.grad(loss.sum(), vertices)[0].flatten(1)


def finite_differences(search: Engine, referee: Engine, surfaces: PosedSurfaces) -> tuple[float, float]:
    """Slopes along random moves of one hand against differences of the referee's loss: correlation, median relative error."""
    generator, step = torch.Generator().manual_seed(0), 1e-5
    slope = slopes(search, surfaces).view_as(surfaces.vertices)[:, 0].sum(1)
    move = torch.nn.functional.normalize(torch.randn(len(slope), 3, generator=generator, dtype=slope.dtype), dim=-1)
    losses = []
    for sign in (1, -1):
        vertices = surfaces.vertices.clone()
        vertices[:, 0] += sign * step * move[:, None]
        losses.append(referee(surfaces._replace(vertices=vertices)).loss)
    ours, theirs = (slope * move).sum(-1), (losses[0] - losses[1]).to(slope) / (2 * step)
    relative = (ours - theirs).abs() / theirs.abs().clamp_min(1)
    return float(torch.corrcoef(torch.stack([ours, theirs]))[0, 1]), float(relative.median())


def milliseconds(search: Engine, surfaces: PosedSurfaces, repeats: int = 5) -> float:
    """Median time of depth and slopes, one pose, one thread."""
    durations = []
    for _ in range(repeats):
        started = time.perf_counter()
        slopes(search, surfaces)
        durations.append(time.perf_counter() - started)
    return 1e3 * statistics.median(durations) / len(surfaces.vertices)


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, copies=2)
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    engine = default_engine()
    given = candidates(engine.hands, options.copies, options.bend, options.splay)
    problem = Objective.build(given.poses, engine.hands, engine.anchors)
    surfaces = problem.surfaces(problem.start)
    models = {side: HandModel(engine.hands[side].arrays, torch.float64) for side in Side}
    parts = {side: subdivide(models[side].arrays) for side in Side}
    referee = BvhSearch.build(models, parts, surfaces.vertices)
    exact = slopes(referee, surfaces)
    touching = exact.norm(dim=1) > 0
    engines = {
        "search of the hand": Search.build(models, parts, surfaces.vertices),
        "sum of parts": Search.build(models, parts, surfaces.vertices, Depth.PARTS),
        "release's grid": VoxelSearch.build(models, parts, surfaces.vertices),
        "hierarchy (referee)": referee,
    }
    columns: dict[str, dict[str, float]] = {}
    for name, search in engines.items():
        alike = torch.cosine_similarity(slopes(search, surfaces), exact, dim=1)[touching]
        correlation, relative = finite_differences(search, referee, surfaces)
        columns[name] = compare(search, referee, surfaces) | {
            "cosine of slopes to exact, median": float(alike.median()),
            "cosine of slopes to exact, p10": float(alike.quantile(0.1)),
            "differences of exact loss, correlation": correlation,
            "differences of exact loss, median rel. error": relative,
            "ms a pair, loss and slopes, one thread": milliseconds(search, surfaces),
        }
    print_table(columns)
    if options.json:
        options.json.write_text(json.dumps(columns, indent=2) + "\n")


if __name__ == "__main__":
    main()
