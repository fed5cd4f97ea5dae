"""The plan: one row per image, every random choice made before the first pixel.

Each choice comes from a stream named by (run seed, pose, view, purpose), so a row is the same in any order, shard or
machine, and an image can be rendered again from its row alone.
"""

import math
from dataclasses import dataclass
from typing import Any

from dataset.assets.environments import Environment
from dataset.rows import camera_cell
from hands.random_streams import stream
from rendering.views.cameras import CameraConfig, draw_view
from rendering.views.framing import Arms, Fault


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
    drawn = draw_view(arms, view, cameras, seed, pose_id)
    row = {
        "sample_id": f"{pose_id}-v{view:02d}",
        "pose_id": pose_id,
        "view": view,
        "split": split,
        "width": cameras.width,
        "height": cameras.height,
        "camera": camera_cell(drawn.camera),
        "viewpoint": drawn.viewpoint,
        "redrawn": "; ".join(map(str, drawn.redrawn)),
        **draw_look(environments, skins, look, seed, pose_id, view),
    }
    return row, drawn.fault


def draw_look(
    environments: list[Environment], skins: list[str], look: LookConfig, seed: int, pose_id: str, view: int
) -> dict[str, Any]:
    """Environment, skins and sampling of one view."""
    draw = stream(seed, pose_id, view, "look")
    environment = environments[draw.integers(len(environments))]
    skin = skins[draw.integers(len(skins))]
    other = skin if look.same_skin else skins[draw.integers(len(skins))]
    strength = draw.uniform(*look.strength)
    return {
        "hdri": environment.id,
        "hdri_rotation": draw.uniform(0, 2 * math.pi),
        "hdri_strength": strength,
        "exposure": look.exposure * draw.standard_normal(),
        "skin_right": skin,
        "skin_left": other,
        "skin_variation": draw.uniform(0, 1),
        "samples": look.samples,
        "denoiser": look.denoiser,
        "seed": int(draw.integers(2**31)),
    }
