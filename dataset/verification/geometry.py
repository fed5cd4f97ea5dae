"""Do the labels follow from the parameters? Everything that needs no picture, a thousand images at a time.

An image's hand parameters are its pose's, seen by its camera; the hand layer turns them into joints; the camera projects
the joints. Each is computed again here and compared with what is stored.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Bool, Float

from dataset.columns import column_array
from dataset.queries import add_table, database
from dataset.rows import PARAMETERS
from dataset.schema import IMAGES, POSES
from dataset.verification.report import Problem
from hands.joints import JointState, Side
from hands.model import HandModel
from hands.rotations import axis_angle_to_matrix

MAX_PROJECTION_PX = 0.01
MAX_JOINT_MM = 0.1
MAX_ANGLE = 1e-4
"""Of a rotation matrix's entries; what float32 and the way through axis-angle cost is a tenth of it."""
_BATCH = 1024

Columns = Mapping[str, np.ndarray]
Hands = Mapping[Side, HandModel]
Wrong = Iterator[tuple[Bool[np.ndarray, "n"], Callable[[int], str]]]
"""Which rows are wrong, and the sentence for one of them."""


def check_geometry(
    images: Iterable[Path],
    poses: Iterable[Path],
    hands: Hands,
    advance: Callable[[int], None],
    only: Iterable[str] = (),
) -> Iterator[Problem]:
    """Every check on the images of some shards, or only on those named; `advance` is told how many images are done."""
    for columns in _batches(list(images), list(poses), list(only)):
        names = columns["sample_id"]
        for wrong, sentence in _findings(columns, hands):
            for row in np.flatnonzero(wrong):
                yield Problem("images", str(names[row]), sentence(int(row)))
        advance(len(names))


def _batches(images: list[Path], poses: list[Path], only: list[str]) -> Iterator[Columns]:
    """Images with the parameters of their poses; images without a pose are found elsewhere."""
    wanted = ["sample_id", "width", "height", *(f"camera.{name}" for name in ("K", "R", "t"))]
    labels = (*PARAMETERS, "joints_3d", "joints_2d", "joint_state")
    wanted += [f"{side}.{name}" for side in Side for name in labels]
    stored = [f'i.{_quoted(name)} AS "{name}"' for name in wanted]
    stored += [f'p.{_quoted(f"{side}.{name}")} AS "pose.{side}.{name}"' for side in Side for name in PARAMETERS]
    with database() as connection:
        add_table(connection, "images", images, IMAGES)
        add_table(connection, "poses", poses, POSES)
        chosen = "SEMI JOIN (SELECT unnest(?) AS sample_id) USING (sample_id)" if only else ""
        query = f"SELECT {', '.join(stored)} FROM images i JOIN poses p USING (pose_id) {chosen}"
        answer = connection.sql(query, params=[only] if only else [])
        for batch in answer.to_arrow_reader(_BATCH):
            if len(batch):
                table = pa.Table.from_batches([batch])
                yield {name: column_array(table[name]) for name in table.column_names}


def _quoted(name: str) -> str:
    return ".".join(f'"{part}"' for part in name.split("."))


def _findings(columns: Columns, hands: Hands) -> Wrong:
    yield from _cameras(columns)
    for side, model in hands.items():
        yield from _joints(columns, side, model)
        yield from _poses(columns, side, model)
        yield from _pixels(columns, side)


def _cameras(columns: Columns) -> Wrong:
    K, R = (columns[f"camera.{name}"].reshape(-1, 3, 3) for name in ("K", "R"))
    turned = np.abs(R @ R.transpose(0, 2, 1) - np.eye(3)).max((1, 2))
    yield ~((turned <= 1e-6) & (np.linalg.det(R) > 0)), lambda row: "camera.R is not a rotation"
    form = (K[:, 0, 0] > 0) & (K[:, 1, 1] > 0) & (K[:, 2] == [0, 0, 1]).all(1) & (K[:, 1, 0] == 0)
    yield ~form, lambda row: "camera.K is not an intrinsic matrix"


def _joints(columns: Columns, side: Side, model: HandModel) -> Wrong:
    """The hand layer gives the stored joints."""
    with torch.no_grad():
        found = model.joints_21_alone(*_parameters(columns, f"{side}", model.v_template.dtype)).double().numpy()
    gap = 1e3 * np.linalg.norm(found - _points(columns, f"{side}.joints_3d", 3), axis=2).max(1)
    yield ~(gap <= MAX_JOINT_MM), lambda row: f"{side}: parameters give joints {gap[row]:.2f} mm from joints_3d"


def _poses(columns: Columns, side: Side, model: HandModel) -> Wrong:
    """The parameters are the pose's: fingers and shape as they are, the wrist turned and moved by the camera.

    A hand turns about its rest wrist J₀, so J₀ + transl is what the camera sees (`dataset.rows.in_camera_frame`).
    """
    here, there = (_parameters(columns, name, torch.float64) for name in (f"{side}", f"pose.{side}"))
    R, t = (torch.tensor(columns[f"camera.{name}"]) for name in ("R", "t"))
    R = R.unflatten(1, (3, 3))
    wrist = model.rest_joints(there[2].to(model.v_template))[:, 0].double()
    seen = torch.einsum("bij,bj->bi", R, wrist + there[3]) + t - wrist
    moved = 1e3 * (seen - here[3]).norm(dim=1).numpy()
    turned = (R @ axis_angle_to_matrix(there[0]) - axis_angle_to_matrix(here[0])).abs().amax((1, 2)).numpy()
    same = [(a - b).abs().amax(1).numpy() for a, b in zip(here[1:3], there[1:3], strict=True)]
    right = (moved <= MAX_JOINT_MM) & (turned <= MAX_ANGLE) & (same[0] <= MAX_ANGLE) & (same[1] <= MAX_ANGLE)
    yield ~right, lambda row: f"{side}: is not its pose seen by this camera (wrist {moved[row]:.2f} mm off)"


def _pixels(columns: Columns, side: Side) -> Wrong:
    """`joints_2d` is the projection, and `joint_state` says outside where it is."""
    points, pixels = _points(columns, f"{side}.joints_3d", 3), _points(columns, f"{side}.joints_2d", 2)
    K = columns["camera.K"].reshape(-1, 3, 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = np.einsum("bij,bnj->bni", K, points)
        gap = np.linalg.norm(pixels - flat[..., :2] / flat[..., 2:], axis=2).max(1)
    yield (
        ~(gap <= MAX_PROJECTION_PX),
        lambda row: f"{side}: joints_2d are {gap[row]:.2f} px from the projection of joints_3d",
    )
    states = columns[f"{side}.joint_state"]
    yield ~np.isin(states, list(JointState)).all(1), lambda row: f"{side}: joint_state has a value outside 0–3"
    size = np.stack([columns["width"], columns["height"]], axis=1)[:, None]
    outside = ((pixels < 0) | (pixels >= size)).any(2) | (points[..., 2] <= 0)
    told = (outside != (states == JointState.OUTSIDE_IMAGE)).any(1)
    yield told, lambda row: f"{side}: joint_state calls a joint inside the image outside, or one outside inside"


def _points(columns: Columns, name: str, length: int) -> Float[np.ndarray, "n 21 k"]:
    return columns[name].astype(np.float64).reshape(-1, 21, length)


def _parameters(columns: Columns, prefix: str, dtype: torch.dtype) -> list[torch.Tensor]:
    """The four vectors in the order of the hand layer."""
    return [torch.tensor(columns[f"{prefix}.{name}"], dtype=dtype) for name in PARAMETERS]
