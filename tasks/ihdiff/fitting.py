"""Hands found by IHDiff from what is observed of them (IHDiff §4.3, Alg. 2): what `render-ih fit` does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dataset.assets.hand_files import hand_checksum, load_hands
from dataset.errors import InputError
from dataset.readers import parquet
from dataset.readers.checks import MAX_METRES
from dataset.readers.conventions import rotation_to_z
from dataset.readers.frame import UP
from dataset.readers.source import content_sha256
from dataset.shards import file_sha256, iterate_rows, write_table
from hands.camera import Camera
from hands.joints import Side
from hands.kernels import device_fault
from hands.model import HandModel
from models.ihdiff.diffusion import STEPS
from models.ihdiff.direct import DirectConfig
from models.ihdiff.fitting import FitConfig
from models.ihdiff.observations import Observations, check
from models.ihdiff.representation import ROWS, pack, unpack
from tasks.ihdiff.checkpoints import checkpoint_file, load_ihdiff
from tasks.ihdiff.evaluation.judge import schedule
from tasks.ihdiff.evaluation.table2 import fitted_in_batches, fitting
from tasks.ihdiff.evaluation.table3 import STEP, batch_of, read_frames
from tasks.ihdiff.fit_pictures import write_pictures
from tasks.ihdiff.sheets import MOST, SCHEMA, open_folder, write_meshes, write_poses
from tasks.progress import say

Hands = dict[Side, HandModel]
SPAN = (0.05, 0.40)
"""Between these lies the diagonal of a box around a hand, metres."""
FITTED = SCHEMA.append(pa.field("distance_mm", pa.float64(), nullable=False))
"""With what is left of the distance to what was observed."""
OBSERVED = ("joints_3d", "joints_2d", "vertices", *Side)
"""Columns, any of which a file of observations has."""


@dataclass(frozen=True)
class FitOrder:
    """What `render-ih fit` is asked for."""

    checkpoint: Path
    observations: Path
    out: Path
    steps: int = 1000
    step_size: float | None = None
    """None: the paper's, 1, and 10 from a regressor's answer on."""
    start: float = 1.0
    """Share of the noise levels that is gone through."""
    batch: int = 32
    """Pairs at once; decides the noise too."""
    seed: int = 0
    mano: Path | None = None
    sheet: bool = True
    meshes: bool = False
    device: str = "cpu"

    def __post_init__(self) -> None:
        good = 1 <= self.steps <= STEPS and 0 < self.start <= 1 and 0 <= (self.step_size or 0) < torch.inf
        if self.batch < 1 or not good:
            raise InputError(
                f"batch must be 1 or more, steps 1 to {STEPS}, start above 0, at most 1, step size 0 or more"
            )
        if fault := device_fault(self.device):
            raise InputError(f"device: {fault}")


@dataclass(frozen=True)
class FitFolder:
    """What was made; `lost` pairs are not in it, whose fits left all numbers."""

    poses: Path
    pictures: tuple[Path, ...]
    pairs: int
    lost: int
    distance_mm: float
    """Median over the pairs."""


def make_fits(order: FitOrder) -> FitFolder:
    """Fit every row of the observations and write `poses.parquet`, and pictures and meshes where they are asked for.

    Raises:
        InputError: the checkpoint, the observations or the hand files cannot be used, or the folder holds something else.
    """
    hands = load_hands(order.mano)
    model = load_ihdiff(order.checkpoint, hands)
    schedule(1)  # told now if it cannot be had
    names, observed = read_observations(order.observations, hands)
    config = _config(order, observed)
    open_folder(order.out, _record(order, hands, config))
    moved = {side: HandModel(hand.arrays).to(order.device) for side, hand in hands.items()}
    one = fitting(model, observed, config, DirectConfig(), moved, order.device)
    steps = max(1, round(config.start * config.steps))
    found = fitted_in_batches(one, len(names), steps, order.seed, order.batch, "fitting hands")
    kept = found.distance.isfinite().nonzero()[:, 0].tolist()
    if not kept:
        raise InputError(f"{order.observations}: every fit left all numbers; give a smaller --step-size")
    if lost := len(names) - len(kept):
        say(f"{lost} of {len(names)} fits left out: they have values that are no numbers", level="warning")
    poses, names = unpack(found.packed, hands)[kept], [names[row] for row in kept]
    distances = (1e3 * found.distance[kept]).tolist()
    table = order.out / "poses.parquet"
    write_poses(table, names, poses, hands)
    write_table(table, [pq.read_table(table).append_column(FITTED.field("distance_mm"), pa.array(distances))], FITTED)
    if order.meshes:
        write_meshes(order.out / "meshes", names, poses, hands)
    captions = [f"{name}: {distance:.1f} mm" for name, distance in zip(names, distances, strict=True)]
    up = (0.0, -1.0, 0.0) if observed.camera is not None or order.observations.is_dir() else UP
    turn = Camera(np.eye(3), rotation_to_z(up), np.zeros(3), 0, 0)
    stem, seen = order.out / "sheet", kept[:MOST]
    pictures = write_pictures(stem, captions, poses, observed, seen, turn, hands) if order.sheet else ()
    return FitFolder(table, pictures, len(names), lost, float(np.median(distances)))


def read_observations(path: Path, hands: Hands) -> tuple[list[str], Observations]:
    """The rows of a Parquet file, each a hand pair: their names, and what is known of them in the file's own frame.

    Columns, all in one frame: `joints_3d` (42 × 3, metres, the right hand's 21 first; NaN or null where not known) and
    `joints_3d_seen` (42 booleans); `joints_2d` (42 × 2, pixels) and `camera_K` (9); `vertices` (metres, right hand first);
    `right` and `left`, a regressor's answer as in the table `poses`; `pose_id`. Of a dataset's folder: its images' joints.

    Raises:
        InputError: it cannot be read, has none of these columns, or a row of it cannot be used.
    """
    rows = _Rows(path, _joints_of_images(path) if path.is_dir() else _table(path))
    joints, mask = rows.points("joints_3d", ROWS, 3), rows.column("joints_3d_seen", ROWS, bool)
    pixels, cameras = rows.points("joints_2d", ROWS, 2), rows.points("camera_K", 3, 3)
    known = None if joints is None else joints.isfinite().all(-1)
    observed = Observations(
        joints_3d=joints,
        joints_3d_seen=known if mask is None or known is None else known & torch.as_tensor(mask),
        joints_2d=pixels,
        joints_2d_seen=None if pixels is None else pixels.isfinite().all(-1),
        camera=None if pixels is None else cameras,
        vertices=rows.points("vertices", sum(len(hand.v_template) for hand in hands.values()), 3),
        regressed=pack(batch_of(read_frames(path, hands)), hands) if "right" in rows.table.column_names else None,
        placed=True,
    )
    for name in ("joints_3d", "vertices"):
        if name in observed.given:
            rows.refuse_units(name, observed.known(name), observed.seen(name))
    try:
        check(observed, hands)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    return rows.names, observed


@dataclass(frozen=True, eq=False)
class _Rows:
    """A table whose faults are told with their place."""

    path: Path
    table: pa.Table

    @property
    def names(self) -> list[str]:
        given = self.table["pose_id"].to_pylist() if "pose_id" in self.table.column_names else [None] * len(self.table)
        names = [parquet.row_name(name and str(name), f"{self.path.stem}-{row:06d}") for row, name in enumerate(given)]
        if len({*names}) < len(names):
            raise InputError(f"{self.path}: pose_id has a name twice; give every hand pair its own")
        return names

    def points(self, name: str, count: int, each: int) -> Float[Tensor, "n p c"] | None:
        """A column of points; NaN for null."""
        found = self.column(name, count * each, float)
        return None if found is None else torch.as_tensor(found, dtype=torch.float32).unflatten(1, (count, each))

    def column(self, name: str, length: int, kind: type) -> np.ndarray | None:
        """A column of so many values each; NaN or false for null."""
        if name not in self.table.column_names:
            return None
        found = np.full((len(self.table), length), np.nan if kind is float else False, dtype=kind)
        for row, value in enumerate(self.table[name].to_pylist()):
            if value is None:
                continue
            try:
                values = np.asarray(value, dtype=kind).ravel()
            except (TypeError, ValueError) as error:
                raise self._refusal(row, f"{name} is no list of numbers; give {length}") from error
            if len(values) != length:
                raise self._refusal(row, f"{name} has {len(values)} values; give {length}, the right hand's first")
            found[row] = values
        return found

    def refuse_units(self, name: str, points: Float[Tensor, "n p 3"], seen: Bool[Tensor, "n p"]) -> None:
        """Other units than metres show in the size of a hand and in its distance."""
        for hand, mask in zip(points.chunk(2, dim=1), seen.chunk(2, dim=1), strict=True):
            low, high = (torch.where(mask[..., None], hand, end) for end in (torch.inf, -torch.inf))
            span = (high.amax(1) - low.amin(1)).norm(dim=-1) * mask.any(1)
            wrong = (span > SPAN[1]) | (mask.all(1) & (span < SPAN[0])) | (hand.abs().amax((1, 2)) > MAX_METRES)
            for row in wrong.nonzero()[:1, 0].tolist():
                size = f"{name} show a hand {span[row]:.3g} m across and {hand[row].norm(dim=-1).max():.3g} m away"
                raise self._refusal(row, f"{size}; are they in millimetres? give metres")

    def _refusal(self, row: int, sentence: str) -> InputError:
        return InputError(f"{self.path}: row {row} ({self.names[row]}): {sentence}")


def _table(path: Path) -> pa.Table:
    if not path.exists():
        raise InputError(f"{path}: no such file; give a Parquet file of observations, or a dataset with images")
    try:
        with pq.ParquetFile(path) as file:
            there = file.schema_arrow.names
            table = file.read([name for name in (*OBSERVED, "joints_3d_seen", "camera_K", "pose_id") if name in there])
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read as Parquet; give a Parquet file of observations") from error
    if not set(OBSERVED) & set(there):
        raise InputError(f"{path}: observes nothing; give one of the columns {', '.join(OBSERVED)}")
    if len(missing := {*Side} - set(there)) == 1:
        raise InputError(f"{path}: has one hand of a regressor's answer, but no column {missing.pop()}; give both")
    if not len(table):
        raise InputError(f"{path}: has no rows; give one for each hand pair")
    return table


def _files(place: Path) -> list[Path]:
    return sorted((place / "images").glob("*.parquet")) if place.is_dir() else [place]


def _joints_of_images(folder: Path) -> pa.Table:
    """In each image's camera frame."""
    rows = list(iterate_rows(_files(folder), ["sample_id", "right.joints_3d", "left.joints_3d"]))
    if not rows:
        raise InputError(f"{folder}: holds no images (images/*.parquet); give a Parquet file of observations")
    joints = [[*row["right"]["joints_3d"], *row["left"]["joints_3d"]] for row in rows]
    return pa.table({"pose_id": [row["sample_id"] for row in rows], "joints_3d": joints})


def _config(order: FitOrder, observed: Observations) -> FitConfig:
    size = (1.0 if observed.regressed is None else STEP) if order.step_size is None else order.step_size
    if order.start < 1 and observed.regressed is None:
        raise InputError(f"{order.observations}: has no regressor's answer to start at; leave --start at 1")
    return FitConfig(steps=order.steps, step_size=size, start=order.start)


def _record(order: FitOrder, hands: Hands, config: FitConfig) -> dict[str, Any]:
    """What decides the fits."""
    return {
        "checkpoint": file_sha256(checkpoint_file(order.checkpoint)),
        "hands": hand_checksum(hands),
        "observations": content_sha256({file.name: file for file in _files(order.observations)}),
        **{name: getattr(config, name) for name in ("steps", "step_size", "start")},
        **{name: getattr(order, name) for name in ("seed", "batch")},
    }
