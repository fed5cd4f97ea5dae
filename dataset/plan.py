"""The plan: one row per image, every random choice made before the first pixel.

Each choice comes from a stream named by (run seed, pose, view, purpose), so a row is the same in any order, shard or
machine, and an image can be rendered again from its row alone.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from dataset.environments import Environment
from dataset.rows import camera_cell
from hands.camera import Camera, look_at
from hands.random_streams import stream

TRACKS = (-20.0, 10.0, 35.0, 60.0)
"""Elevation in degrees of the four circles around the hands' centre on which cameras stand (RenderIH §3.3)."""

_CLOSEST = 0.12


@dataclass(frozen=True)
class CameraConfig:
    """Where cameras stand and what they see."""

    views: int = 10
    """Images of each pose, spread around the tracks."""
    width: int = 512
    """Pixels."""
    height: int = 334
    """Pixels."""
    vertical_fov: tuple[float, float] = (18.0, 38.0)
    """Range of the vertical field of view, degrees."""
    fill: tuple[float, float] = (0.78, 1.05)
    """Range of the share of the image height that the hands' extent takes; above 1 the margin is cut."""
    elevation_jitter: float = 10.0
    """Largest departure from the track, degrees."""
    roll: float = 12.0
    """Standard deviation of the camera's roll, degrees."""
    offset: float = 0.04
    """Standard deviation of the aim's offset, as a share of the hands' extent."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    def __post_init__(self) -> None:
        for name in ("views", "width", "height"):
            if getattr(self, name) < 1:
                raise ValueError(f"camera.{name} is {getattr(self, name)}, must be 1 or more")
        low, high = self.vertical_fov
        if not 1 <= low <= high <= 120:
            raise ValueError(f"camera.vertical_fov is {low} to {high} degrees, must rise within 1 to 120")
        if not 0.05 <= self.fill[0] <= self.fill[1] <= 5:
            raise ValueError(f"camera.fill is {self.fill[0]} to {self.fill[1]}, must rise within 0.05 to 5")


@dataclass(frozen=True)
class LookConfig:
    """Light, skin and sampling."""

    strength: tuple[float, float] = (0.8, 1.25)
    """Range of the environment's brightness factor."""
    exposure_jitter: float = 0.25
    """Standard deviation of the exposure around the one that suits the environment, stops."""
    same_skin: bool = True
    """Whether both hands are one person's."""
    samples: int = 16
    """Light paths a pixel."""
    denoiser: str = "OPENIMAGEDENOISE"
    """OPENIMAGEDENOISE or NONE."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"look.samples is {self.samples}, must be 1 or more")
        if self.denoiser not in ("OPENIMAGEDENOISE", "NONE"):
            raise ValueError(f"look.denoiser is '{self.denoiser}', must be OPENIMAGEDENOISE or NONE")


def plan_pose(
    pose_id: str,
    split: str,
    vertices: Float[np.ndarray, "n 3"],
    cameras: CameraConfig,
    look: LookConfig,
    environments: list[Environment],
    skins: list[str],
    seed: int,
) -> list[dict[str, Any]]:
    """The plan rows of all views of one pose; `vertices` are both hands' surface points in the world, metres."""
    centre = (vertices.min(0) + vertices.max(0)) / 2
    return [
        {
            "sample_id": f"{pose_id}-v{view:02d}",
            "pose_id": pose_id,
            "view": view,
            "split": split,
            "width": cameras.width,
            "height": cameras.height,
            "camera": camera_cell(draw_camera(vertices, centre, view, cameras, seed, pose_id)),
            **draw_look(environments, skins, look, seed, pose_id, view),
        }
        for view in range(cameras.views)
    ]


def draw_camera(
    vertices: Float[np.ndarray, "n 3"],
    centre: Float[np.ndarray, "3"],
    view: int,
    config: CameraConfig,
    seed: int,
    pose_id: str,
) -> Camera:
    """The camera of one view: on a track, turned by an equal share of the circle from view to view."""
    shared = stream(seed, pose_id, "track")
    first_track, first_azimuth = shared.integers(len(TRACKS)), shared.uniform(0, 2 * math.pi)
    draw = stream(seed, pose_id, view, "camera")
    share = 2 * math.pi / config.views
    azimuth = first_azimuth + share * (view + draw.uniform(-0.3, 0.3))
    elevation = TRACKS[(first_track + view) % len(TRACKS)] + draw.uniform(-1, 1) * config.elevation_jitter
    fov, fill = math.radians(draw.uniform(*config.vertical_fov)), draw.uniform(*config.fill)
    roll, aim = math.radians(config.roll) * draw.standard_normal(), config.offset * draw.standard_normal(3)
    elevation = math.radians(elevation)
    direction = np.array(
        [math.cos(elevation) * math.cos(azimuth), math.cos(elevation) * math.sin(azimuth), math.sin(elevation)]
    )
    extent = np.linalg.norm(np.ptp(vertices, axis=0)) / 2
    target = centre + aim * extent
    probe = look_at(target + direction, target, np.array([0.0, 0.0, 1.0]), roll, fov, config.width, config.height)
    distance = fitting_distance(probe, vertices - target, fill)
    return look_at(target + distance * direction, target, np.array([0.0, 0.0, 1.0]), roll, fov, config.width, config.height)


def fitting_distance(camera: Camera, points: Float[np.ndarray, "n 3"], fill: float) -> float:
    """How far from the target the camera must stand for the points to take `fill` of the tighter image side, metres.

    `points` are relative to the target. A point at offset x and depth z of it is seen at f·x / (distance + z).
    """
    seen = points @ camera.R.T
    focal = camera.K[0, 0]
    across = np.abs(seen[:, 0]) * focal / (fill * camera.width / 2) - seen[:, 2]
    along = np.abs(seen[:, 1]) * focal / (fill * camera.height / 2) - seen[:, 2]
    return float(max(across.max(), along.max(), _CLOSEST - seen[:, 2].min()))


def draw_look(
    environments: list[Environment], skins: list[str], look: LookConfig, seed: int, pose_id: str, view: int
) -> dict[str, Any]:
    """Environment, skins and sampling of one view."""
    draw = stream(seed, pose_id, view, "look")
    environment = environments[draw.integers(len(environments))]
    skin = skins[draw.integers(len(skins))]
    other = skin if look.same_skin else skins[draw.integers(len(skins))]
    strength = draw.uniform(*look.strength)
    suited = math.log2(0.7 / (environment.luminance * strength))
    return {
        "hdri": environment.id,
        "hdri_rotation": draw.uniform(0, 2 * math.pi),
        "hdri_strength": strength,
        "exposure": float(np.clip(0.8 * suited, -1.5, 2.5)) + look.exposure_jitter * draw.standard_normal(),
        "skin_right": skin,
        "skin_left": other,
        "skin_variation": draw.uniform(0, 1),
        "samples": look.samples,
        "denoiser": look.denoiser,
        "seed": int(draw.integers(2**31)),
    }
