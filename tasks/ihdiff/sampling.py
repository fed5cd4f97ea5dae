"""Hands drawn from IHDiff (paper §4.1), or drawn around a hand that is given (§4.2), as poses of this project's world,
and the folder that `render-ih sample` makes of them.

The network sees hands from the right wrist and knows no vertical. Free samples are stood up so that both forearms come from a
person who looks along y: fingers point forwards, upwards and inwards, the right wrist lies to the right of the left one, as in
the gestures (`hands.gestures`). Samples around a given hand lie where that hand lies.
"""

import copy
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dataset.assets.hand_files import hand_checksum, load_hands
from dataset.errors import InputError
from dataset.readers import parquet
from dataset.readers.frame import Fault
from dataset.readers.source import assemble
from dataset.rows import PARAMETERS, pose_cell
from dataset.shards import file_sha256
from hands.anatomy import palm_frame
from hands.joints import Side
from hands.kernels import device_fault
from hands.model import HandModel
from hands.pose import HandPose, TwoHandPose
from hands.random_streams import stream
from models.ihdiff.checkpoint import IHDiff
from models.ihdiff.diffusion import STEPS, Condition, Schedule, sample
from models.ihdiff.representation import (
    COLUMNS,
    JOINTS,
    ROWS,
    PackedHands,
    Placement,
    constant_entries,
    constant_values,
    pack,
    six_to_matrix,
    unpack,
)
from tasks.ihdiff.checkpoints import checkpoint_file, load_ihdiff
from tasks.ihdiff.sheets import MOST, open_folder, write_meshes, write_poses, write_sheet
from tasks.progress import bar, say

Hands = dict[Side, HandModel]
_INSTALL = "sampling from IHDiff needs diffusers, which is not installed; pip install 'render-ih[train]'"
_FINGERS = (-0.5, 0.5, 0.5)
"""Where the right hand's fingers point when a person holds it before the chest; the left hand's in the mirror."""
_CONDITION = "ihdiff-condition"


@dataclass(frozen=True)
class Draws:
    """How many hand pairs are drawn, and how."""

    count: int
    steps: int = 100
    """N of Alg. 1."""
    seed: int = 0
    batch: int = 64
    """Pairs drawn at once; changes speed and the last digits, no more."""
    device: str = "cpu"
    """Torch device of the network."""

    def __post_init__(self) -> None:
        if self.count < 1 or self.batch < 1:
            raise InputError(f"{self.count} hand pairs in batches of {self.batch}: must be 1 or more of each")
        if not 1 <= self.steps <= STEPS:
            raise InputError(f"{self.steps} sampling steps: must be between 1 and {STEPS}; 100 are usually enough")
        if fault := device_fault(self.device):
            raise InputError(f"device: {fault}")

    @property
    def names(self) -> list[str]:
        """Of the samples."""
        return [f"ihdiff-{number:06d}" for number in range(self.count)]


@dataclass(frozen=True, eq=False)
class Given:
    """A hand that every sample keeps."""

    side: Side
    pose: TwoHandPose
    """A batch of one in the world. Of the other hand only the wrist counts, when the left hand is kept (appendix A.2)."""


def draw(model: IHDiff, hands: Hands, draws: Draws, given: Given | None = None) -> TwoHandPose:
    """Hand pairs in the world (z up, metres), float32, one for each of `draws.names`; a name and a seed decide a pair.

    Free samples are stood up and centred: the mean of both hands' joints is at the origin. With a hand given they lie where
    its pose lies, and its parameters are the same in all of them, to the last bit.

    Raises:
        InputError: diffusers is not installed.
    """
    x, betas = _restored(model, draws, draws.names, given and _condition(model, hands, given))
    return _around(x, betas, hands, given) if given else _stood_up(x, betas, hands)


def draw_given(model: IHDiff, hands: Hands, draws: Draws, side: Side) -> Given:
    """A hand to condition on, itself drawn freely (paper §5.3).

    Raises:
        InputError: diffusers is not installed, or the pair drawn is no pair of hands.
    """
    pose = _stood_up(*_restored(model, draws, [_CONDITION], None), hands)
    if not sound(pose).all():
        raise InputError("the hand drawn as the condition has values that are no numbers; give another seed or --from")
    return Given(side, pose)


def sound(poses: TwoHandPose) -> Bool[Tensor, "n"]:
    """Which pairs consist of finite numbers."""
    parts = [values for side in Side for values in vars(poses.side(side)).values()]
    return torch.cat(parts, dim=1).isfinite().all(1)


def standing(x: Float[Tensor, "b 42 9"], hands: Hands) -> Float[Tensor, "b 3 3"]:
    """The right wrist's rotation in the world that makes a pair look held by a person who looks along y.

    The rotation that takes three directions (the fingers of both flat hands, and from left to right wrist) nearest to those of
    hands before the chest, in the least squares (Kabsch 1976).
    """
    left = six_to_matrix(x[:, JOINTS, 3:])
    flat = {side: palm_frame(hands[side]).distal for side in Side}
    across = torch.nn.functional.normalize(-x[:, JOINTS, :3], dim=-1)
    seen = torch.stack([flat[Side.RIGHT].expand(len(x), 3), left @ flat[Side.LEFT], across], dim=1).double()
    wanted = seen.new_tensor([_FINGERS, (-_FINGERS[0], *_FINGERS[1:]), (1.0, 0.0, 0.0)])
    wanted = torch.nn.functional.normalize(wanted, dim=-1)
    product = torch.einsum("vi,bvj->bij", wanted, torch.where(seen.isfinite(), seen, 0.0))
    u, _, v = torch.linalg.svd(product)
    signs = torch.ones(len(x), 3, dtype=product.dtype)
    signs[:, 2] = torch.linalg.det(u @ v).sign()
    return (u * signs[:, None] @ v).to(x.dtype)


def _restored(
    model: IHDiff, draws: Draws, names: list[str], condition: Condition | None
) -> tuple[Float[Tensor, "n 42 9"], Float[Tensor, "n 20"]]:
    """Matrices in metres and rotations, and shapes, of the samples of these names."""
    schedule = _schedule(draws.steps)
    network = copy.deepcopy(model.network).to(draws.device)
    blocks = [names[first : first + draws.batch] for first in range(0, len(names), draws.batch)]
    drawn = []
    with bar("drawing hands", len(blocks) * draws.steps, "steps") as advance:
        for block in blocks:
            noise = torch.stack([_noise(draws.seed, name) for name in block]).to(draws.device)
            drawn.append(sample(network, schedule, noise, _repeated(condition, len(block), draws.device), advance))
    x = torch.cat([model.standard.restore(samples.scaled.cpu()) for samples in drawn])
    x = torch.where(constant_entries(), constant_values(), x)  # of which the network says whatever it likes
    return x, torch.cat([samples.betas.cpu() for samples in drawn])


def _schedule(steps: int) -> Schedule:
    try:
        return Schedule(steps)
    except ModuleNotFoundError as error:
        raise InputError(_INSTALL) from error


def _noise(seed: int, name: str) -> Float[Tensor, "42 9"]:
    return torch.from_numpy(stream(seed, name, "noise").standard_normal((ROWS, COLUMNS), dtype=np.float32))


def _repeated(condition: Condition | None, count: int, device: str) -> Condition | None:
    repeat = lambda one: one.expand(count, ROWS, COLUMNS).to(device)  # noqa: E731
    return condition and Condition(repeat(condition.known), repeat(condition.scaled))


def _condition(model: IHDiff, hands: Hands, given: Given) -> Condition:
    scaled = model.standard.scale(pack(given.pose, hands).x)
    return Condition.right(scaled) if given.side is Side.RIGHT else Condition.left(scaled)


def _stood_up(x: Float[Tensor, "n 42 9"], betas: Float[Tensor, "n 20"], hands: Hands) -> TwoHandPose:
    poses = unpack(PackedHands(x, betas, Placement(standing(x, hands), x.new_zeros(len(x), 3))), hands)
    joints = [hands[side].joints_21(poses.side(side).pose(hands[side])) for side in Side]
    return poses.moved(-torch.cat(joints, dim=1).mean(1))


def _around(x: Float[Tensor, "n 42 9"], betas: Float[Tensor, "n 20"], hands: Hands, given: Given) -> TwoHandPose:
    orient, wrist = pack(given.pose, hands).placement
    placement = Placement(orient.expand(len(x), 3, 3), wrist.expand(len(x), 3))
    poses = unpack(PackedHands(x, betas, placement), hands)
    kept = HandPose(*(values.expand(len(x), -1) for values in vars(given.pose.side(given.side)).values()))
    return TwoHandPose(kept, poses.left) if given.side is Side.RIGHT else TwoHandPose(poses.right, kept)


@dataclass(frozen=True)
class SamplingOrder:
    """What `render-ih sample` is asked for."""

    checkpoint: Path
    out: Path
    draws: Draws
    condition: Side | None = None
    """The hand that all samples keep."""
    origin: str = ""
    """POSES.parquet[:ROW] that the hand is taken from; empty: it is drawn too."""
    mano: Path | None = None
    sheet: bool = True
    meshes: bool = False

    def __post_init__(self) -> None:
        if self.origin and not self.condition:
            raise InputError("a pose is given, but not which of its hands is kept; add --condition right or left")


@dataclass(frozen=True)
class SampleFolder:
    """What was made."""

    poses: Path
    pictures: tuple[Path, ...]
    pairs: int
    touching: int
    """Pairs with a vertex within 3 mm of the other hand."""
    penetration_mm: float
    """Depth of the deepest vertex inside the other hand, median over the pairs."""


def make_samples(order: SamplingOrder) -> SampleFolder:
    """Draw hands and write `poses.parquet`, and pictures and meshes of them where they are asked for.

    Raises:
        InputError: the checkpoint, the given pose or the hand files cannot be used, or the folder holds something else.
    """
    hands = load_hands(order.mano)
    model = load_ihdiff(order.checkpoint, hands)
    given = read_given(order.origin, order.condition, hands) if order.origin else None
    open_folder(order.out, _record(order, hands, given))
    if order.condition and not given:
        given = draw_given(model, hands, order.draws, order.condition)
    poses = draw(model, hands, order.draws, given)
    whole = sound(poses).nonzero()[:, 0].tolist()
    if lost := len(poses) - len(whole):
        say(f"{lost} of {len(poses)} samples left out: they have values that are no numbers")
    if not whole:
        raise InputError(f"{order.checkpoint}: no sample has finite values; give another checkpoint")
    names, poses = [order.draws.names[row] for row in whole], poses[whole]
    judged = write_poses(order.out / "poses.parquet", names, poses, hands)
    if order.meshes:
        write_meshes(order.out / "meshes", names, poses, hands)
    pictures = write_sheet(order.out / "sheet", names[:MOST], poses[slice(MOST)], hands) if order.sheet else ()
    touching = sum(found.contact_vertices > 0 for found in judged)
    depth = float(np.median([found.max_penetration_mm for found in judged]))
    return SampleFolder(order.out / "poses.parquet", pictures, len(names), touching, depth)


def read_given(origin: str, side: Side, hands: Hands) -> Given:
    """One hand of a row of two-hand poses, `POSES.parquet` (its first row) or `POSES.parquet:ROW`, counted from 0.

    Raises:
        InputError: there is no such file or row, or its hands cannot be used.
    """
    path, _, tail = origin.rpartition(":")
    place, row = (path, int(tail)) if path and tail.isdecimal() else (origin, 0)
    number = -1
    for number, item in enumerate(parquet.read(Path(place), "", hands)):
        if isinstance(item, Fault) and (number == row or not item.key):
            raise InputError(f"{place}: {item.place}: {item.reason}; name another row with {place}:ROW")
        if number == row:
            return Given(side, assemble([item], hands))
    raise InputError(f"{place}: has {number + 1} poses, so there is no row {row}; rows are counted from 0")


def _record(order: SamplingOrder, hands: Hands, given: Given | None) -> dict[str, Any]:
    """What decides the samples."""
    return {
        "checkpoint": file_sha256(checkpoint_file(order.checkpoint)),
        "hands": hand_checksum(hands),
        **{name: getattr(order.draws, name) for name in ("count", "steps", "seed")},
        "condition": str(order.condition or "none"),
        "given": _pose_sha256(given.pose) if given else "none",
    }


def _pose_sha256(pose: TwoHandPose) -> str:
    cells = [pose_cell(pose.side(side)) for side in Side]
    return hashlib.sha256(b"".join(cell[name].tobytes() for cell in cells for name in PARAMETERS)).hexdigest()
