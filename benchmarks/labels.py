"""Labels against other ways to get them: a z-buffer of our own, and every triangle tried for every line of sight.

    python -m benchmarks.labels --images 200
    python -m benchmarks.labels --images 200 --out out/labels     pictures of the images that differ most
    python -m benchmarks.labels --images 40 --cycles 40           Cycles' coverage too, 16 samples a pixel

Poses are the gestures and variations of them by other people, hands in each other included, a quarter of them optimised, seen
by the plan's cameras. `benchmarks.masks` compares the labels of a dataset with what Cycles draws.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from PIL import Image, ImageDraw
from scipy import ndimage

from benchmarks.candidates import candidates, default_engine
from benchmarks.rasteriser import rasterise
from benchmarks.sightlines import true_states
from dataset.assets.environments import bundled_folder
from dataset.pictures import DEPTH_UNIT
from hands.camera import Camera
from hands.forearm import FOREARM, choose_bends
from hands.joints import JOINTS_21, JointState, Side
from hands.optimise import Engine, OptimisationConfig, optimise
from hands.pose import TwoHandPose
from hands.random_streams import stream
from rendering.job import RenderJob
from rendering.labelling.labels import Labels, make_labels, overlap
from rendering.skin.skins import load_skins
from rendering.supervisor import Renderer
from rendering.surface import HandSurface
from rendering.views.cameras import CameraConfig, draw_view
from rendering.views.framing import Arms

LEAST_PIXELS = 2000
OPTIMISED = 4
"""Every so manieth pose is optimised, by a short schedule."""
STEP = 0.005
"""Pixels whose neighbours differ by less than this in depth (metres) lie inside, away from outlines."""
EDGE = 1e-9
"""A line of sight this near to a triangle's edge (share of the triangle) could fall on either side of it."""
WORST = 6
SIDES = (Side.RIGHT, Side.LEFT)


@dataclass(frozen=True, eq=False)
class Sample:
    """One image to label: fine vertices and joints in the world, metres."""

    name: str
    fine: dict[Side, Float[np.ndarray, "n 3"]]
    joints: dict[Side, Float[np.ndarray, "21 3"]]
    camera: Camera


class Samples:
    """Posed pairs and cameras, decided by the seed and their number."""

    def __init__(self, engine: Engine, count: int, egocentric: float, seed: int) -> None:
        self.hands, self.config, self.seed = engine.hands, CameraConfig(views=10, egocentric=egocentric), seed
        self.surfaces = {side: HandSurface.build(self.hands[side].arrays) for side in Side}
        found = candidates(self.hands, copies=-(-count // 49), bend=40, splay=12)
        order = stream(seed, "label benchmark").permutation(len(found.names))[:count]
        self.names = [found.names[k] for k in order]
        self.poses = found.poses[order.tolist()]
        schedule = OptimisationConfig(iterations=60, settle=45)
        self.optimised = optimise(found.poses[order[::OPTIMISED].tolist()], engine, schedule)

    def __call__(self, number: int) -> Sample:
        """The image of a number below the count."""
        pose, name = self._pose(number), self.names[number]
        posed = {side: pose.side(side).pose(self.hands[side]) for side in Side}
        coarse = {side: hand.vertices[0].double().numpy() for side, hand in posed.items()}
        both = np.concatenate(list(coarse.values()))
        centre = (both.min(0) + both.max(0)) / 2
        coarse = {side: vertices - centre for side, vertices in coarse.items()}
        forearms = {side: surface.forearm for side, surface in self.surfaces.items()}
        bends, _ = choose_bends(coarse, forearms, stream(self.seed, name, "wrists"))
        view = draw_view(Arms.place(coarse, forearms, bends), number % 10, self.config, self.seed, name)
        fine = {side: self.surfaces[side].vertices(coarse[side], bends[side]) for side in Side}
        joints = {side: self.hands[side].joints_21(posed[side])[0].double().numpy() - centre for side in Side}
        return Sample(f"{name}-v{number % 10}", fine, joints, view.camera)

    def _pose(self, number: int) -> TwoHandPose:
        batch, row = (self.optimised, number // OPTIMISED) if number % OPTIMISED == 0 else (self.poses, number)
        return batch[slice(row, row + 1)]


@dataclass(frozen=True, eq=False)
class Seen:
    """What the z-buffer sees of one image."""

    parts: Int[np.ndarray, "h w"]
    """As `mask_parts`."""
    depth: Float[np.ndarray, "h w"]
    """Metres; infinite where nothing is."""
    normals: Float[np.ndarray, "h w 3"]
    amodal: dict[Side, Bool[np.ndarray, "h w"]]

    @classmethod
    def look(cls, surfaces: dict[Side, HandSurface], sample: Sample) -> "Seen":
        """Rasterise both surfaces together, and each hand alone."""
        right, left = (surfaces[side] for side in SIDES)
        vertices = np.concatenate([sample.fine[side] for side in SIDES]).astype(np.float64)
        faces = np.concatenate([right.faces, left.faces + len(sample.fine[Side.RIGHT])])
        face, depth = rasterise(vertices, faces, sample.camera)
        part, second = np.concatenate([right.part, left.part])[face], face >= len(right.faces)
        parts = np.where(face < 0, 0, np.where(part == FOREARM, 33 + second, part + 1 + 16 * second))
        amodal = {
            side: rasterise(sample.fine[side], surface.faces[surface.part < FOREARM], sample.camera)[0] >= 0
            for side, surface in surfaces.items()
        }
        return cls(parts, depth, _normals(vertices, faces, face, sample.camera), amodal)

    @property
    def inside(self) -> Bool[np.ndarray, "h w"]:
        """Pixels away from every outline, that of a finger before its own hand too."""
        far = np.where(np.isfinite(self.depth), self.depth, 1e3)
        return ndimage.maximum_filter(far, 3) - ndimage.minimum_filter(far, 3) < STEP


def _normals(
    vertices: np.ndarray, faces: np.ndarray, face: Int[np.ndarray, "h w"], camera: Camera
) -> Float[np.ndarray, "h w 3"]:
    """Smooth normals in the camera's axes: a pixel's line is solved for the corners' shares of its triangle."""
    seen = face >= 0
    corners = vertices[faces]
    around = np.repeat(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, None], 3, axis=1)
    smooth = np.zeros_like(vertices)
    np.add.at(smooth, faces.ravel(), around.reshape(-1, 3))
    smooth /= np.linalg.norm(smooth, axis=1, keepdims=True)
    rows, columns = np.nonzero(seen)
    lines = np.linalg.inv(camera.K) @ np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))])
    mine = faces[face[seen]]
    shares = np.linalg.solve((vertices[mine] @ camera.R.T + camera.t).transpose(0, 2, 1), lines.T[..., None])
    blended = (shares * smooth[mine]).sum(1) @ camera.R.T
    result = np.zeros((*face.shape, 3))
    result[seen] = blended / np.linalg.norm(blended, axis=1, keepdims=True)
    return result


@dataclass
class Figures:
    """Everything measured so far."""

    values: dict[str, list[np.ndarray]] = field(default_factory=lambda: defaultdict(list))
    disagreements: list[str] = field(default_factory=list)
    """Joints whose states differ, in words."""
    worst: list[tuple[int, int]] = field(default_factory=list)
    """(differing pixels, image number)."""

    def add(self, name: str, values: float | np.ndarray | Iterable[float]) -> None:
        """Keep values of one kind."""
        self.values[name].append(np.atleast_1d(np.asarray(values)))

    def __getitem__(self, name: str) -> np.ndarray:
        return np.concatenate(self.values[name]) if self.values[name] else np.zeros(0)


def compare(samples: Samples, number: int, figures: Figures) -> None:
    """Add one image's figures."""
    sample = samples(number)
    labels = make_labels(samples.surfaces, sample.fine, sample.joints, sample.camera, normals=True)
    seen = Seen.look(samples.surfaces, sample)
    differ = int((labels.mask_parts != seen.parts).sum())
    figures.worst.append((differ, number))
    figures.add("differing", differ)
    figures.add("covered", int((seen.parts > 0).sum()))
    _compare_surface(labels, seen, figures)
    for side in SIDES:
        _compare_hand(labels, seen, side, figures)
        _compare_places(samples.surfaces[side], sample, labels, seen, side, figures)
        _compare_joints(samples.surfaces, sample, labels, side, figures)


def _compare_surface(labels: Labels, seen: Seen, figures: Figures) -> None:
    both = (labels.mask_parts > 0) & np.isfinite(seen.depth)
    inside = both & seen.inside
    depth = np.where(both, seen.depth, 0)
    figures.add("depth", (1e3 * np.abs(labels.depth - depth))[both].astype(np.float32))
    figures.add("depth inside", (1e3 * np.abs(labels.depth - depth))[inside].astype(np.float32))
    stored = np.round(labels.depth / DEPTH_UNIT) * DEPTH_UNIT
    figures.add("depth stored", (1e3 * np.abs(stored - depth))[inside].astype(np.float32))
    sine = np.linalg.norm(np.cross(labels.normals[inside], seen.normals[inside]), axis=1)
    figures.add("normals", np.degrees(np.arcsin(sine.clip(0, 1))).astype(np.float32))


def _compare_hand(labels: Labels, seen: Seen, side: Side, figures: Figures) -> None:
    first = 16 * SIDES.index(side)
    theirs = (seen.parts > first) & (seen.parts <= first + 16)
    _overlap("hands", labels.mask_hands == SIDES.index(side) + 1, theirs, figures)
    _overlap("amodal", labels.hands[side].mask_amodal, seen.amodal[side], figures)
    fraction = theirs.sum() / max(seen.amodal[side].sum(), 1)
    figures.add("visible", abs(labels.hands[side].visible_fraction - fraction))


def _overlap(name: str, ours: np.ndarray, theirs: np.ndarray, figures: Figures) -> None:
    if max(ours.sum(), theirs.sum()) >= LEAST_PIXELS:
        figures.add(name, (ours & theirs).sum() / (ours | theirs).sum())


def _compare_places(
    surface: HandSurface, sample: Sample, labels: Labels, seen: Seen, side: Side, figures: Figures
) -> None:
    """Boxes and projected joints, by the 3 × 4 matrix of the camera; boxes against the z-buffer's mask too.

    Where the border cuts a hand, its box may reach further along the border than the mask: it is the whole outline's, cut.
    """
    camera, found = sample.camera, labels.hands[side]
    matrix = camera.K @ np.column_stack([camera.R, camera.t])
    pixels = _projected(matrix, sample.fine[side][np.unique(surface.faces[surface.part < FOREARM])])
    corners = np.stack([pixels.min(0), pixels.max(0)]).clip(0, (camera.width, camera.height)).ravel()
    box = np.concatenate([found.bbox[:2], found.bbox[:2] + found.bbox[2:]])
    figures.add("box", np.abs(box - corners).max())
    rows, columns = np.nonzero(seen.amodal[side])
    if len(rows):
        around = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        whole = ((pixels >= 0) & (pixels < (camera.width, camera.height))).all()
        figures.add("box of mask" if whole else "cut box", np.abs(box - around).max())
    figures.add("joints_2d", np.abs(found.joints_2d - _projected(matrix, sample.joints[side])).max())


def _projected(matrix: Float[np.ndarray, "3 4"], points: Float[np.ndarray, "k 3"]) -> Float[np.ndarray, "k 2"]:
    across = np.column_stack([points.astype(np.float64), np.ones(len(points))]) @ matrix.T
    return across[:, :2] / across[:, 2:]


def _compare_joints(
    surfaces: dict[Side, HandSurface], sample: Sample, labels: Labels, side: Side, figures: Figures
) -> None:
    states, margins = true_states(side, sample.fine, surfaces, sample.joints[side], sample.camera)
    ours = labels.hands[side].joint_state
    figures.add("joints", ours == states)
    figures.add("states", states)
    figures.add("ties", margins < EDGE)
    for joint in np.flatnonzero(ours != states):
        words = f"{JointState(ours[joint]).name} in the labels, {JointState(states[joint]).name} by every triangle"
        figures.disagreements.append(f"{sample.name} {side} {JOINTS_21[joint]}: {words}, edge at {margins[joint]:.1g}")


def report(figures: Figures) -> None:
    """Print what was found."""
    for name in ("hands", "amodal"):
        found = figures[name]
        if len(found):
            least, median = found.min(), np.median(found)
            print(
                f"{name:<10} IoU of {len(found)} masks over {LEAST_PIXELS} px: least {least:.5f}   median {median:.5f}"
            )
    differing, covered = int(figures["differing"].sum()), int(figures["covered"].sum())
    print(
        f"parts      {differing} of {covered} pixels on hands and forearms differ ({100 * differing / covered:.5f} %)"
    )
    for name, unit in (("depth", "mm"), ("depth inside", "mm"), ("depth stored", "mm"), ("normals", "degrees")):
        _print_errors(name, figures[name], unit)
    apart = int((figures["depth"] > 0.1).sum())
    print(f"           {apart} of {len(figures['depth'])} depths are more than 0.1 mm apart")
    for name, unit in (
        ("box", "px"),
        ("box of mask", "px"),
        ("cut box", "px"),
        ("joints_2d", "px"),
        ("visible", "of 1"),
    ):
        found = figures[name]
        print(f"{name:<12} largest of {len(found)} differences {found.max(initial=0.0):.2g} {unit}")
    _print_joints(figures)


def _print_errors(name: str, errors: np.ndarray, unit: str) -> None:
    median, nearly_all = np.quantile(errors, (0.5, 0.99))
    print(f"{name:<12} error, {unit}: median {median:.2g}   99 % {nearly_all:.2g}   largest {errors.max():.2g}")


def _print_joints(figures: Figures) -> None:
    joints, states = figures["joints"], figures["states"]
    counts = ", ".join(f"{int((states == s).sum())} {s.name.lower()}" for s in JointState)
    print(f"joints       state agrees for {joints.sum()} of {len(joints)} ({counts})")
    print(f"             {int(figures['ties'].sum())} lines of sight within {EDGE:g} of a triangle's edge")
    for sentence in figures.disagreements:
        print(f"             {sentence}")


def write_pictures(samples: Samples, figures: Figures, folder: Path) -> None:
    """The images that differ most: parts in the labels, parts in the z-buffer, and circles where they differ."""
    folder.mkdir(parents=True, exist_ok=True)
    colours = np.concatenate([[[0, 0, 0]], np.random.default_rng(3).integers(60, 256, (34, 3))]).astype(np.uint8)
    for differ, number in sorted(figures.worst, reverse=True)[:WORST]:
        sample = samples(number)
        labels = make_labels(samples.surfaces, sample.fine, sample.joints, sample.camera)
        seen = Seen.look(samples.surfaces, sample)
        circles = Image.fromarray(colours[labels.mask_parts] // 3)
        for row, column in np.argwhere(labels.mask_parts != seen.parts):
            ImageDraw.Draw(circles).ellipse((column - 6, row - 6, column + 6, row + 6), outline="red")
        sheet = np.concatenate([colours[labels.mask_parts], colours[seen.parts], np.asarray(circles)], axis=1)
        Image.fromarray(sheet).save(folder / f"{differ:03d}-{sample.name}.png")


def drawn_overlaps(samples: Samples, numbers: Iterable[int]) -> list[tuple[tuple[float, float], str]]:
    """Overlap with what Cycles covers at 16 samples a pixel: all pixels, outlines left out; and the image's name."""
    found, skin = [], next(iter(load_skins().values()))
    with Renderer(samples.surfaces, device="CPU", job_timeout=600) as renderer:
        for number in numbers:
            sample = samples(number)
            light = (bundled_folder() / "city.exr", 0.5, 1.0, 0.0)
            vertices = (sample.fine[side] for side in SIDES)
            job = RenderJob(*vertices, sample.camera, *light, skin, skin, samples=16, denoise=False)
            drawn = renderer.render(job).hands
            labels = make_labels(samples.surfaces, sample.fine, sample.joints, sample.camera)
            found.append(((overlap(labels, drawn), overlap(labels, drawn, margin=1)), sample.name))
            sys.stderr.write(f"\r{len(found)} drawn by Cycles")
    sys.stderr.write("\n")
    return found


def report_overlaps(found: list[tuple[tuple[float, float], str]]) -> None:
    """Print overlaps with Cycles' coverage: (all pixels, outlines left out) and the image's name of each."""
    for name, values in zip(("all pixels", "outlines left out"), np.array([pair for pair, _ in found]).T, strict=True):
        least, few = values.min(), (values < 0.99).sum()
        print(f"{name:<18} worst {least:.4f}   median {np.median(values):.4f}   below 0.99: {few}")
    print("worst images: " + ", ".join(f"{sample} {pair[0]:.4f}" for pair, sample in sorted(found)[:5]))


def main() -> None:
    """Parse, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the choice of poses, wrists and cameras")
    parser.add_argument("--egocentric", type=float, default=0.2, help="share of egocentric views")
    parser.add_argument("--out", type=Path, help="folder for pictures of the images that differ most")
    parser.add_argument("--cycles", type=int, default=0, help="draw so many of the images with Cycles too")
    options = parser.parse_args()
    samples, figures = Samples(default_engine(), options.images, options.egocentric, options.seed), Figures()
    for number in range(options.images):
        compare(samples, number, figures)
        sys.stderr.write(f"\r{number + 1} of {options.images} images")
    sys.stderr.write("\n")
    report(figures)
    if options.out:
        write_pictures(samples, figures, options.out)
    if options.cycles:
        spread = np.linspace(0, options.images - 1, min(options.cycles, options.images)).round().astype(int)
        report_overlaps(drawn_overlaps(samples, spread.tolist()))


if __name__ == "__main__":
    main()
