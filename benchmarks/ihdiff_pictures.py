"""The pictures of IHDiff's paper, of a network of one's own, drawn by Cycles.

    python -m benchmarks.ihdiff_pictures --checkpoint DIR --poses PLACE --out DIR [--vae DIR]

- samples.jpg: random hand pairs (Fig. 3 and 8), those of `render-ih sample` with the same seed;
- conditional.jpg: a hand alone, and hand pairs that keep it; the right hand in two rows, the left in two (Fig. 6 and 9);
- fits.jpg: of poses of the split `test` the joints that are fitted to (true, noisy, two swapped, four hidden), the true hands,
  and what the networks find, with the vertex error (Fig. 10 and 11).

All pictures of a row are seen by one camera; in a row of fits all right wrists are in one place.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image, ImageDraw, ImageFont

from dataset.assets.environments import bundled_folder
from dataset.assets.hand_files import load_hands
from dataset.atomic import atomic_file
from dataset.errors import InputError
from hands.camera import Camera, look_at
from hands.joints import BONES_21, JOINTS_21, Side
from hands.model import HandModel
from hands.pose import TwoHandPose
from hands.random_streams import torch_stream
from models.ihdiff.checkpoint import IHDiff, TrainedVAE
from models.ihdiff.diffusion import STEPS
from models.ihdiff.direct import DirectConfig
from models.ihdiff.fitting import FitConfig
from models.ihdiff.metrics import align_right_wrist, vertex_error_mm
from models.ihdiff.observations import Observations
from models.ihdiff.representation import JOINTS, PackedHands, Surfaces, surfaces, unpack
from models.ihdiff.targets import KINDS, SpoilConfig, Targets, spoil
from rendering.failures import RenderError
from rendering.job import RenderJob
from rendering.skin.skins import load_skins
from rendering.supervisor import Renderer
from rendering.surface import HandSurface
from tasks.ihdiff.checkpoints import load_ihdiff
from tasks.ihdiff.contacting_poses import read_contacting_poses
from tasks.ihdiff.evaluation.evaluate import load_network
from tasks.ihdiff.evaluation.table2 import fitted_in_batches, fitting, packed_in_blocks
from tasks.ihdiff.sampling import Draws, draw, draw_given
from tasks.ihdiff.training.trainer import spread
from tasks.progress import bar, say

Hands, Network = dict[Side, HandModel], IHDiff | TrainedVAE
SHEETS = ("samples", "conditional", "fits")
SAMPLES, ACROSS = 32, 8
KEPT, AROUND = (Side.RIGHT, Side.RIGHT, Side.LEFT, Side.LEFT), 5
"""The hand that a row of samples keeps, and how many keep it."""
OF_KIND = 2
"""Rows of each kind of targets."""
SIZE, GAP, CAPTION = 240, 6, 20
FIELD, TOWARDS = np.radians(34.0), np.array([0.35, -0.85, 0.5])
"""Of view, and from the hands to the camera: over the person's right shoulder."""
BELOW = np.array([0.0, 0.0, -2.0])
"""Where a hand that is not shown is out of sight, metres."""
INKS = ((190, 92, 40), (40, 92, 190))
"""Of the right hand's joints and the left one's."""
PAPER, INK, EMPTY, MARK = (246, 245, 242), (32, 33, 36), (214, 212, 207), (205, 20, 60)


@dataclass(frozen=True, eq=False)
class Pair:
    """A field of a sheet: hands."""

    caption: str
    vertices: dict[Side, Float[np.ndarray, "v 3"]]
    """In the world, metres."""
    alone: Side | None = None
    """The only hand that is shown."""

    @property
    def points(self) -> Float[np.ndarray, "p 3"]:
        """What must be in the picture."""
        found = np.concatenate([values for side, values in self.vertices.items() if self.alone in (None, side)])
        return found if np.isfinite(found).all() else found[:0]


@dataclass(frozen=True, eq=False)
class Sticks:
    """A field of a sheet: joints and the bones between them."""

    caption: str
    joints: Float[np.ndarray, "42 3"]
    """In the world, metres."""
    seen: Bool[np.ndarray, "42"]
    marked: Bool[np.ndarray, "42"]

    @property
    def points(self) -> Float[np.ndarray, "p 3"]:
        """What must be in the picture."""
        return self.joints[self.seen]


Field = Pair | Sticks
Rows = list[list[Field]]


def main() -> None:
    """Parse, draw hands, fit, render."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="IHDiff, a file or a training's folder")
    parser.add_argument("--vae", type=Path, help="the VAE baseline, for a column of fits.jpg")
    parser.add_argument("--poses", help="a dataset's folder or KIND=PATH, for fits.jpg")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--steps", type=int, default=1000, help="of fits")
    parser.add_argument("--sampling-steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(SHEETS), metavar="SHEET,…", help=f"of {', '.join(SHEETS)}")
    parser.add_argument("--mano", type=Path, help="folder of the MANO files, if the networks learnt from them")
    parser.add_argument("--device", default="cpu", help="torch device of the networks")
    options = parser.parse_args()
    try:
        for path in write_sheets(options):
            print(f"{path}, {path.stat().st_size / 1000:.0f} kB")
    except InputError as error:
        parser.exit(2, f"{error}\n")


def write_sheets(options: argparse.Namespace) -> Iterator[Path]:
    """What is asked for, sheet by sheet; the files written.

    Raises:
        InputError: a network, the poses or an option cannot be used, or Blender cannot start here.
    """
    names = options.only.split(",")
    if wrong := [name for name in names if name not in SHEETS]:
        raise InputError(f"--only: there is no '{wrong[0]}'; give some of {', '.join(SHEETS)}")
    if "fits" in names and not options.poses:
        raise InputError("fits.jpg needs poses that were held back; add --poses PLACE, or leave it out with --only")
    if not 1 <= options.steps <= STEPS:
        raise InputError(f"{options.steps} steps of fits: must be between 1 and {STEPS}")
    draws, hands = Draws(SAMPLES, options.sampling_steps, options.seed, device=options.device), load_hands(options.mano)
    model, make = load_ihdiff(options.checkpoint, hands), {"samples": sample_rows, "conditional": conditional_rows}
    with Renderer({side: HandSurface.build(hands[side].arrays) for side in Side}) as renderer:
        for name in names:
            rows = make[name](model, hands, draws) if name in make else fit_rows(model, hands, options)
            yield write_sheet(options.out / f"{name}.jpg", rows, renderer)


def sample_rows(model: IHDiff, hands: Hands, draws: Draws) -> Rows:
    """Random hand pairs."""
    pairs = pairs_of(draws.names, draw(model, hands, draws), hands)
    return [pairs[first : first + ACROSS] for first in range(0, len(pairs), ACROSS)]


def conditional_rows(model: IHDiff, hands: Hands, draws: Draws) -> Rows:
    """A hand that was itself drawn, and hand pairs around it; each row has a seed of its own."""
    told = {Side.RIGHT: "kept: the right hand", Side.LEFT: "kept: left hand, right wrist"}
    rows: Rows = []
    for number, side in enumerate(KEPT):
        own = Draws(AROUND, draws.steps, draws.seed + number, device=draws.device)
        given = draw_given(model, hands, own, side)
        around = pairs_of([f"sample {row + 1}" for row in range(AROUND)], draw(model, hands, own, given), hands)
        rows.append([*pairs_of([told[side]], given.pose, hands, side), *around])
    return rows


def fit_rows(model: IHDiff, hands: Hands, options: argparse.Namespace) -> Rows:
    """Joints that were fitted to, true hands, and what each network finds, for poses evenly spread over the split `test`.

    Raises:
        InputError: there are no such poses, too few of them, or the VAE cannot be used.
    """
    models = {"VAE": load_network("vae", options.vae, hands)} if options.vae else {}
    held, wanted = read_contacting_poses(options.poses, hands).of("test"), OF_KIND * len(KINDS)
    if len(held) < wanted:
        raise InputError(
            f"{options.poses}: has {len(held)} of {wanted} poses of the split test for fits.jpg; give more"
        )
    shown = held[spread(len(held), wanted)]
    truth = packed_in_blocks(shown.poses, hands, "posing true hands")
    true = surfaces(truth.x, truth.betas, hands)
    aligned = lambda posed: align_right_wrist(posed.both, posed.joints[:, 0])  # noqa: E731
    parts = zip(KINDS, true.joints.split(OF_KIND), strict=True)
    targets = [spoil(kind, joints, torch_stream(options.seed, "targets", kind)) for kind, joints in parts]
    aims = Targets(*map(torch.cat, zip(*targets, strict=True)))
    columns = [sticks_of(aims, true, truth), pairs_of([f"true: {name}" for name in shown.names], shown.poses, hands)]
    for name, network in (models | {"IHDiff": model}).items():
        found = fitted_by(network, aims, options, hands, f"fitting with {name}")
        errors = vertex_error_mm(aligned(surfaces(found.x, found.betas, hands)), aligned(true)).tolist()
        poses = unpack(found._replace(placement=truth.placement), hands)
        columns.append(pairs_of([f"{name}: {error:.1f} mm" for error in errors], poses, hands))
    return [list(row) for row in zip(*columns, strict=True)]


def fitted_by(model: Network, aims: Targets, options: argparse.Namespace, hands: Hands, title: str) -> PackedHands:
    """What a network finds (appendix B.1)."""
    observed = Observations(joints_3d=aims.joints, joints_3d_seen=aims.seen)
    moved = {side: HandModel(hand.arrays).to(options.device) for side, hand in hands.items()}
    configs = FitConfig(steps=options.steps), DirectConfig(steps=options.steps)
    one = fitting(model, observed, *configs, moved, options.device)
    return fitted_in_batches(one, len(observed), options.steps, options.seed, len(observed), title).packed


def sticks_of(aims: Targets, true: Surfaces, truth: PackedHands) -> list[Field]:
    """The targets in the world; joints that changed places are marked."""
    fields: list[Field] = []
    orient, wrist = truth.placement
    for row, kind in enumerate(kind for kind in KINDS for _ in range(OF_KIND)):
        moved = (aims.joints[row] != true.joints[row]).any(-1) & (kind == "swap")
        names = dict.fromkeys(JOINTS_21[joint % JOINTS] for joint in moved.nonzero()[:, 0].tolist())
        captions = {
            "clean": "true joints; right hand orange",
            "jitter": f"noise of {1e3 * SpoilConfig().jitter:.0f} mm",
            "swap": f"{', '.join(names)} of both hands swapped",
            "partial": f"{int((~aims.seen[row]).sum())} joints hidden",
        }
        joints = (aims.joints[row] @ orient[row].mT + wrist[row]).double()
        fields.append(Sticks(captions[kind], joints.numpy(), aims.seen[row].numpy(), moved.numpy()))
    return fields


def pairs_of(captions: list[str], poses: TwoHandPose, hands: Hands, alone: Side | None = None) -> list[Field]:
    """Hands as fields."""
    posed = {side: poses.side(side).pose(hands[side]).vertices.numpy() for side in Side}
    return [Pair(caption, {side: posed[side][row] for side in Side}, alone) for row, caption in enumerate(captions)]


def write_sheet(path: Path, rows: Rows, renderer: Renderer) -> Path:
    """Render a grid of fields, a JPEG file."""
    step = SIZE + GAP, SIZE + CAPTION + GAP
    sheet = Image.new("RGB", (GAP + max(map(len, rows)) * step[0], GAP + len(rows) * step[1]), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    with bar(f"drawing {path.name}", sum(map(len, rows)), "pictures") as advance:
        for line, row in enumerate(rows):
            camera = camera_of([field.points for field in row])
            for column, field in enumerate(row):
                x, y = GAP + column * step[0], GAP + line * step[1]
                flat = isinstance(field, Sticks)
                sheet.paste(drawn_sticks(field, camera) if flat else picture_of(field, camera, renderer), (x, y))
                pen.text((x + 2, y + SIZE + 2), field.caption, fill=INK, font=font)
                advance(1)
    with atomic_file(path) as file:
        sheet.save(file, "JPEG", quality=88)
    return path


def camera_of(points: list[Float[np.ndarray, "p 3"]]) -> Camera:
    """As near as it can be with all points in the picture."""
    every = np.concatenate(points if any(map(len, points)) else [np.zeros((1, 3))]).astype(np.float64)
    centre, towards = (every.max(0) + every.min(0)) / 2, TOWARDS / np.linalg.norm(TOWARDS)
    view = lambda away: look_at(centre + away * towards, centre, np.array([0.0, 0.0, 1.0]), 0.0, FIELD, SIZE, SIZE)  # noqa: E731
    across = view(1.0).to_camera(every) - [0.0, 0.0, 1.0]
    return view(1.05 * max(0.1, (np.abs(across[:, :2]).max(1) / np.tan(FIELD / 2) - across[:, 2]).max()))


def picture_of(pair: Pair, camera: Camera, renderer: Renderer) -> Image.Image:
    """Hands as Cycles draws them; an empty field, told, for those that cannot be drawn."""
    if not len(pair.points):
        say(f"{pair.caption}: has values that are no numbers, and is not drawn", level="warning")
        return Image.new("RGB", (SIZE, SIZE), EMPTY)
    away = {side: BELOW if pair.alone not in (None, side) else np.zeros(3) for side in Side}
    fine = {side: renderer.surfaces[side].vertices(pair.vertices[side]) + away[side] for side in Side}
    job = RenderJob(
        right=fine[Side.RIGHT].astype(np.float32),
        left=fine[Side.LEFT].astype(np.float32),
        camera=camera,
        hdri=bundled_folder() / "city.exr",
        hdri_rotation=0.5,
        hdri_strength=1.0,
        exposure=0.0,
        skin_right=load_skins()["tan"],
        skin_left=load_skins()["fair_ruddy"],
        samples=8,
    )
    try:
        return Image.fromarray(renderer.render(job).pixels)
    except RenderError as error:
        say(f"{pair.caption}: cannot be drawn: {error}", level="warning")
        return Image.new("RGB", (SIZE, SIZE), EMPTY)


def drawn_sticks(field: Sticks, camera: Camera, fine: int = 3) -> Image.Image:
    """Joints and bones that are seen, the farthest first; a ring around marked joints."""
    picture = Image.new("RGB", (fine * SIZE, fine * SIZE), "white")
    pen, placed = ImageDraw.Draw(picture), camera.to_camera(field.joints)
    flat, depth = fine * camera.project(placed), placed[:, 2]
    bones = [(first + one, first + other) for first in (0, JOINTS) for one, other in BONES_21]
    seen = [bone for bone in bones if field.seen[list(bone)].all()]
    for one, other in sorted(seen, key=lambda bone: -depth[list(bone)].mean()):
        pen.line([*flat[one], *flat[other]], fill=INKS[one // JOINTS], width=3 * fine)
    for joint in sorted(np.flatnonzero(field.seen), key=lambda joint: -depth[joint]):
        pen.circle(flat[joint], 3 * fine, fill=INKS[joint // JOINTS])
        if field.marked[joint]:
            pen.circle(flat[joint], 8 * fine, outline=MARK, width=2 * fine)
    return picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
