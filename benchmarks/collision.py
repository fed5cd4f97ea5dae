"""The collision search of IHDiff against the same rules written with Embree: identical decisions, time a pair.

python -m benchmarks.collision --batch 32 [--device cuda]

Embree answers on the CPU, pair by pair, from NumPy; "Embree alone" leaves NumPy's time out, and the time to prepare rays.
Both use one thread. Each round times both, one after the other; times are medians of rounds, ratios medians of their ratios.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import torch
import warp as wp
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from jaxtyping import Bool, Float, Int

from benchmarks.candidates import candidates
from benchmarks.quality import print_table
from dataset.assets.hand_files import load_hands
from hands.joints import Side
from hands.kernels import device_fault, launch
from hands.model import HandModel
from hands.ray_collision import RayCollision, colliding, collision_loss

START, STEP, SCALE = 1e-5, 1e-6, 100.0
"""Where rays begin, how far past a face they go on (metres), and Embree's units a metre."""


class Hits(NamedTuple):
    """What n rays meet first."""

    face: Int[np.ndarray, "n"]
    """-1: nothing."""
    distance: Float[np.ndarray, "n"]
    exit: Bool[np.ndarray, "n"]
    """Whether the ray leaves through it: the face looks along the ray."""


class Surface:
    """Closed triangles in Embree; no ray meets a face around the vertex that it comes from."""

    def __init__(self, vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> None:
        self.faces, self.triangles = faces, vertices[faces]
        x, y, z = self.triangles.transpose(1, 0, 2)
        self.normals = np.cross(y - x, z - x)
        started = time.perf_counter()
        self.scene = EmbreeScene()
        self.mesh = TriangleMesh(self.scene, (vertices * SCALE).astype(np.float32), faces.astype(np.int32))
        self.busy = time.perf_counter() - started
        """Seconds that Embree itself has worked; it builds its tree when first asked."""

    def first(
        self, vertex: Int[np.ndarray, "n"], origins: Float[np.ndarray, "n 3"], along: Float[np.ndarray, "n 3"]
    ) -> Hits:
        """The nearest face in front of each origin, distances from there in metres."""
        face, travelled, live = np.full(len(vertex), -1), np.full(len(vertex), np.inf), np.arange(len(vertex))
        gone = np.zeros(len(vertex))
        while len(live):
            at = origins[live] + gone[live, None] * along[live]
            rays = (at * SCALE).astype(np.float32), along[live].astype(np.float32)
            started = time.perf_counter()
            met = self.scene.run(*rays)
            self.busy += time.perf_counter() - started
            live, met, at = live[met >= 0], met[met >= 0], at[met >= 0]
            distance = self._distance(met, at, along[live]) + gone[live]
            own = (self.faces[met] == vertex[live, None]).any(1)
            face[live[~own]], travelled[live[~own]] = met[~own], distance[~own]
            gone[live] = distance + STEP
            live = live[own]
        return Hits(face, travelled, (self.normals[face] * along).sum(1) > 0)

    def odd(
        self, vertex: Int[np.ndarray, "n"], origins: Float[np.ndarray, "n 3"], along: Float[np.ndarray, "n 3"]
    ) -> Bool[np.ndarray, "n"]:
        """Whether each ray crosses the surface an odd number of times."""
        count, origins, live = np.zeros(len(vertex), dtype=int), origins.copy(), np.arange(len(vertex))
        while len(live):
            hits = self.first(vertex[live], origins[live], along[live])
            live, hits = live[hits.face >= 0], Hits(*(value[hits.face >= 0] for value in hits))
            count[live] += 1
            origins[live] += (hits.distance + STEP)[:, None] * along[live]
        return count % 2 == 1

    def _distance(
        self, face: Int[np.ndarray, "n"], origins: Float[np.ndarray, "n 3"], along: Float[np.ndarray, "n 3"]
    ) -> Float[np.ndarray, "n"]:
        normal = self.normals[face]
        return ((self.triangles[face, 0] - origins) * normal).sum(1) / (along * normal).sum(1)


class EmbreeCollision:
    """Both rules of `hands.ray_collision` for one pair, each condition as the paper words it; float64 but for Embree."""

    def __init__(self, faces: Int[np.ndarray, "f 3"], width: int, literal: bool) -> None:
        self.faces, self.literal, self.half = faces, literal, width // 2
        self.asked = np.setdiff1d(np.arange(width), [self.half - 1, width - 1])
        vertex = faces.ravel()
        order = np.argsort(vertex, kind="stable")
        self.around, self.begins = order // 3, np.searchsorted(vertex[order], np.arange(width))
        self.busy = 0.0
        """Seconds that Embree itself has worked."""

    def __call__(self, closed: Float[np.ndarray, "w 3"]) -> Int[np.ndarray, "w"]:
        """The face on which each vertex's target lies, or -1."""
        x, y, z = closed[self.faces].transpose(1, 0, 2)
        self.closed, self.normals = closed, np.cross(y - x, z - x)
        total = np.add.reduceat(self.normals[self.around], self.begins)
        self.along = total / np.linalg.norm(total, axis=1, keepdims=True)
        face = np.full(len(closed), -1)
        if self.literal:
            whole = Surface(closed, self.faces)
            self._leave(face, self.asked[self._odd(whole, self.asked)], whole, looks_away=False, folds=True)
            self.busy += whole.busy
            return face
        first = int((self.faces < self.half).all(1).sum())
        hands = [Surface(closed, self.faces[:first]), Surface(closed, self.faces[first:])]
        for h, shifts in ((0, (0, first)), (1, (first, 0))):
            asked = self.asked[self.asked // self.half == h]
            inside = self._odd(hands[1 - h], asked)
            in_other, in_own = np.full_like(face, -1), np.full_like(face, -1)
            self._leave(in_other, asked[inside], hands[1 - h], looks_away=True, folds=False)
            asked = asked[~inside]
            self._leave(in_own, asked[self._odd(hands[h], asked)], hands[h], looks_away=True, folds=True)
            face = np.where(in_own >= 0, in_own + shifts[0], np.where(in_other >= 0, in_other + shifts[1], face))
        self.busy += sum(hand.busy for hand in hands)
        return face

    def _odd(self, surface: Surface, asked: Int[np.ndarray, "n"]) -> Bool[np.ndarray, "n"]:
        along = self.along[asked]
        return surface.odd(asked, self.closed[asked] + START * along, along)

    def _leave(
        self, face: Int[np.ndarray, "w"], asked: Int[np.ndarray, "n"], surface: Surface, looks_away: bool, folds: bool
    ) -> None:
        """Steps 2 to 5. `looks_away`: the face before must look along the ray; `folds`: the second conditions are asked."""
        for sign, away in ((-1, True), (1, looks_away)):
            along = sign * self.along[asked]
            hits = surface.first(asked, self.closed[asked] + START * along, along)
            good = (hits.face >= 0) & (hits.exit == away)
            if folds:
                heights = (
                    self.normals[self.around] * np.repeat(self._spread(asked, along), self._counts(), axis=0)
                ).sum(1)
                good &= np.minimum.reduceat(sign * heights, self.begins)[asked] > 0
            face[asked[good]] = hits.face[good]
            asked = asked[~good]

    def _spread(self, asked: Int[np.ndarray, "n"], along: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "w 3"]:
        spread = np.zeros_like(self.closed)
        spread[asked] = along
        return spread

    def _counts(self) -> Int[np.ndarray, "w"]:
        return np.diff(self.begins, append=len(self.around))


def posed_pairs(hands: dict[Side, HandModel], count: int, bend: float) -> list[torch.Tensor]:
    """Right and left surfaces of that many pairs, gestures of different people with joints moved by up to `bend` degrees."""
    given = candidates(hands, -(-count // 49), bend, bend / 3).poses
    rows = torch.linspace(0, len(given) - 1, count).long()
    sides = [(hands[side], given.side(side)) for side in Side]
    return [m(p.global_orient, p.hand_pose, p.betas, p.transl).vertices[rows].contiguous() for m, p in sides]


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Wall time of one call, the device's work included."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    started = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - started


def stages(search: RayCollision, pair: list[torch.Tensor], rounds: int) -> dict[str, float]:
    """Median milliseconds a pair of each kernel and of fitting the tree."""
    device, spent = search.points.device, {}
    noted = lambda name, work: spent.setdefault(name, []).append(seconds(work, device))  # noqa: E731

    def timed(kernel: wp.Kernel, threads: tuple[int, ...], arguments: list) -> None:
        name = kernel.func.__name__
        noted(name if name in ("sort", "cross") else "rays", lambda: launch(kernel, threads, arguments))

    with mock.patch("hands.ray_collision.launch", timed):
        for _ in range(rounds):
            search.find(*pair)
            noted("refit", search.mesh.refit)
    return {f"  {name}, ms a pair": 1e3 * statistics.median(times) / len(pair[0]) for name, times in spent.items()}


def figures(hands: dict[Side, HandModel], literal: bool, options: argparse.Namespace) -> dict[str, float]:
    """Everything about one rule."""
    count, device = options.batch, torch.device(options.device)
    pair = posed_pairs(hands, count, options.bend)
    search = RayCollision.build(hands, count, device, literal)
    there = [hand.to(device) for hand in pair]
    closed = search.close(*there).double().cpu().numpy()
    reference = EmbreeCollision(search.faces.cpu().numpy(), closed.shape[1], literal)
    found = search.find(*there).face.cpu().numpy()  # compiles as well
    expected = np.stack([reference(vertices) for vertices in closed])
    leaves = [hand.clone().requires_grad_() for hand in there]
    ours, theirs, alone, slopes = [], [], [], []
    for _ in range(options.rounds):
        busy = reference.busy
        theirs.append(seconds(lambda: [reference(vertices) for vertices in closed], torch.device("cpu")))
        alone.append(reference.busy - busy)
        ours.append(seconds(lambda: search.find(*there), device))
        slopes.append(seconds(lambda: collision_loss(search.offsets(*leaves)).sum().backward(), device))
    asked = np.setdiff1d(np.arange(closed.shape[1]), [closed.shape[1] // 2 - 1, closed.shape[1] - 1])
    milliseconds = lambda times: 1e3 * statistics.median(times) / count  # noqa: E731
    ratio = lambda times: statistics.median(a / b for a, b in zip(times, ours, strict=True))  # noqa: E731
    return {
        "vertices asked": int(found[:, asked].size),
        "vertices with a target": int((expected >= 0).sum()),
        "collisions deeper than 3 mm, %": 100 * float(colliding(search.offsets(*there)).float().mean()),
        "  answered otherwise by ours": int((found != expected).sum()),
        "identical decisions, %": 100 * float((found == expected)[:, asked].mean()),
        "identical where there is a target, %": 100 * float((found == expected)[expected >= 0].mean()),
        "Embree from NumPy, ms a pair": milliseconds(theirs),
        "Embree alone, ms a pair": milliseconds(alone),
        "ours, ms a pair": milliseconds(ours),
        "ours, loss and slopes, ms a pair": milliseconds(slopes),
        "times faster than Embree from NumPy": ratio(theirs),
        "times faster than Embree alone": ratio(alone),
        **stages(search, there, options.rounds),
    }


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32, help="pairs of hands")
    parser.add_argument("--bend", type=float, default=40.0, help="largest bend offset of the gestures, degrees")
    parser.add_argument("--rounds", type=int, default=9, help="how often each is timed")
    parser.add_argument("--device", default="cpu", help="where ours runs; Embree runs on the CPU")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args()
    if fault := device_fault(options.device):
        parser.error(fault)
    torch.set_num_threads(1)
    hands = load_hands()
    columns = {name: figures(hands, name == "literal", options) for name in ("repaired", "literal")}
    print_table(columns)
    if options.json:
        options.json.write_text(json.dumps(columns, indent=2) + "\n")


if __name__ == "__main__":
    main()
