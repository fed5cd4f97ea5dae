"""The plan: one row per image, every random choice made before the first pixel.

Each choice comes from numbers that (run seed, pose, view, purpose) decide, so a row is the same in any order, batch or shard,
and an image can be rendered again from its row alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int, UInt64

from dataset.assets.environments import Environment
from dataset.schema import PLAN
from rendering.views.cameras import VIEWPOINTS, CameraConfig, draw_views
from rendering.views.draws import between, choices, normals, pose_keys, uniforms
from rendering.views.framing import Arms, Fault
from rendering.views.posing import PosedArms


@dataclass(frozen=True)
class LookConfig:
    """Light, skin and sampling."""

    strength: tuple[float, float] = (0.8, 1.25)
    """Range of the environment's brightness, relative to what a light meter would set for that map."""
    exposure: float = 0.25
    """Standard deviation of the camera's exposure, stops."""
    same_skin: bool = True
    """Whether both hands are one person's."""
    samples: int = 24
    """Light paths a pixel."""
    denoiser: str = "OPENIMAGEDENOISE"
    """OPENIMAGEDENOISE or NONE."""

    __pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}  # noqa: RUF012

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"look.samples is {self.samples}, must be 1 or more")
        if self.denoiser not in ("OPENIMAGEDENOISE", "NONE"):
            raise ValueError(f"look.denoiser is '{self.denoiser}', must be OPENIMAGEDENOISE or NONE")


@dataclass(frozen=True)
class Shown:
    """What the poses of a split are shown with."""

    environments: list[Environment]
    skins: list[str]


def plan_views(
    pose_ids: Sequence[str],
    split: str,
    pose: Int[np.ndarray, "n"],
    view: Int[np.ndarray, "n"],
    arms: PosedArms,
    cameras: CameraConfig,
    look: LookConfig,
    shown: Shown,
    seed: int,
) -> tuple[pa.Table, dict[int, Fault]]:
    """Rows of `plan` for views (pose and number) of poses of one split, and why some must not be rendered, by row."""
    keys = pose_keys(seed, pose_ids)
    drawn = draw_views(arms, pose, view, cameras, keys)
    names = [pose_ids[number] for number in pose.tolist()]
    columns = {
        "sample_id": [f"{name}-v{number:02d}" for name, number in zip(names, view.tolist(), strict=True)],
        "pose_id": names,
        "view": view,
        "split": [split] * len(view),
        "width": np.full(len(view), cameras.width),
        "height": np.full(len(view), cameras.height),
        "camera": {"K": drawn.cameras.K, "R": drawn.cameras.R, "t": drawn.cameras.t},
        "viewpoint": np.array(VIEWPOINTS)[drawn.egocentric.astype(int)],
        "redrawn": ["; ".join(map(str, drawn.redrawn.get(number, ()))) for number in range(len(view))],
        **draw_looks(shown, look, keys[pose], view),
    }
    return pa.table([_column(field, columns[field.name]) for field in PLAN], schema=PLAN), drawn.faults


def plan_view(
    pose_id: str,
    split: str,
    view: int,
    arms: Arms,
    cameras: CameraConfig,
    look: LookConfig,
    environments: list[Environment],
    skins: list[str],
    seed: int,
) -> tuple[dict[str, Any], Fault | None]:
    """The plan row of one view of a pose, and why it must not be rendered (None: it is good)."""
    one, shown = (np.zeros(1, int), np.array([view])), Shown(environments, skins)
    rows, faults = plan_views([pose_id], split, *one, arms.posed(), cameras, look, shown, seed)
    return rows.to_pylist()[0], faults.get(0)


def draw_looks(
    shown: Shown, look: LookConfig, keys: UInt64[np.ndarray, "n 2"], view: Int[np.ndarray, "n"]
) -> dict[str, np.ndarray]:
    """Environment, skins and sampling of views."""
    draw = uniforms(keys, "look", view, 0, 8).T
    environments, skins = np.array([each.id for each in shown.environments]), np.array(shown.skins)
    skin = choices(draw[1], len(skins))
    other = skin if look.same_skin else choices(draw[2], len(skins))
    return {
        "hdri": environments[choices(draw[0], len(environments))],
        "hdri_rotation": between(draw[3], (0, 2 * math.pi)),
        "hdri_strength": between(draw[4], look.strength),
        "exposure": look.exposure * normals(draw[5]),
        "skin_right": skins[skin],
        "skin_left": skins[other],
        "skin_variation": draw[6],
        "samples": np.full(len(view), look.samples),
        "denoiser": np.full(len(view), look.denoiser),
        "seed": choices(draw[7], 2**31),
    }


def _column(field: pa.Field, values: Any) -> pa.Array:
    """Values of every row as a column; groups by name, vectors in one array."""
    if pa.types.is_struct(field.type):
        parts = [_column(part, values[part.name]) for part in field.type]
        return pa.StructArray.from_arrays(parts, fields=list(field.type))
    if pa.types.is_fixed_size_list(field.type):
        return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel(), field.type.value_type), type=field.type)
    return pa.array(values, field.type)
