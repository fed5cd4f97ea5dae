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

ATTEMPTS = 12
"""Directions tried for one view."""

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
    end_on: float = 45.0
    """A view nearer than this to looking up a forearm's end is drawn again, degrees; 0 keeps every view."""

    __pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}  # noqa: RUF012

    def __post_init__(self) -> None:
        if not 0 <= self.end_on < 90:
            raise ValueError(f"camera.end_on is {self.end_on} degrees, must be at least 0 and below 90")
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
    """Range of the environment's brightness, relative to what a light meter would set for that map."""
    exposure: float = 0.25
    """Standard deviation of the camera's exposure, stops."""
    same_skin: bool = True
    """Whether both hands are one person's."""
    samples: int = 16
    """Light paths a pixel."""
    denoiser: str = "OPENIMAGEDENOISE"
    """OPENIMAGEDENOISE or NONE."""

    __pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}  # noqa: RUF012

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"look.samples is {self.samples}, must be 1 or more")
        if self.denoiser not in ("OPENIMAGEDENOISE", "NONE"):
            raise ValueError(f"look.denoiser is '{self.denoiser}', must be OPENIMAGEDENOISE or NONE")


def plan_pose(
    pose_id: str,
    split: str,
    vertices: Float[np.ndarray, "n 3"],
    forearms: Float[np.ndarray, "2 3"],
    cameras: CameraConfig,
    look: LookConfig,
    environments: list[Environment],
    skins: list[str],
    seed: int,
) -> list[dict[str, Any]]:
    """The plan rows of all views of one pose.

    `vertices` are both hands' surface points in the world, metres; `forearms` the unit directions from wrist to elbow.
    """
    return [
        {
            "sample_id": f"{pose_id}-v{view:02d}",
            "pose_id": pose_id,
            "view": view,
            "split": split,
            "width": cameras.width,
            "height": cameras.height,
            "camera": camera_cell(draw_camera(vertices, forearms, view, cameras, seed, pose_id)),
            **draw_look(environments, skins, look, seed, pose_id, view),
        }
        for view in range(cameras.views)
    ]


def draw_camera(
    vertices: Float[np.ndarray, "n 3"],
    forearms: Float[np.ndarray, "2 3"],
    view: int,
    config: CameraConfig,
    seed: int,
    pose_id: str,
) -> Camera:
    """The camera of one view, aimed at the hands from a direction on the tracks and as far as the framing asks."""
    centre = (vertices.min(0) + vertices.max(0)) / 2
    draw = stream(seed, pose_id, view, "camera")
    fov, fill = math.radians(draw.uniform(*config.vertical_fov)), draw.uniform(*config.fill)
    roll, aim = math.radians(config.roll) * draw.standard_normal(), config.offset * draw.standard_normal(3)
    direction = draw_direction(forearms, view, config, seed, pose_id)
    target = centre + aim * np.linalg.norm(np.ptp(vertices, axis=0)) / 2
    place = lambda distance: look_at(  # noqa: E731
        target + distance * direction, target, np.array([0.0, 0.0, 1.0]), roll, fov, config.width, config.height
    )
    return place(fitting_distance(place(1.0), vertices - target, fill))


def draw_direction(
    forearms: Float[np.ndarray, "2 3"], view: int, config: CameraConfig, seed: int, pose_id: str
) -> Float[np.ndarray, "3"]:
    """Unit direction from the hands to the camera: on a track, an equal share of the circle on from view to view.

    A direction that looks up the end of a forearm is drawn again; after `ATTEMPTS` the best one stands.
    """
    shared = stream(seed, pose_id, "track")
    first_track, first_azimuth = shared.integers(len(TRACKS)), shared.uniform(0, 2 * math.pi)
    draw, tried = stream(seed, pose_id, view, "direction"), []
    for attempt in range(ATTEMPTS):
        track = TRACKS[(first_track + view + attempt) % len(TRACKS)]
        elevation = math.radians(track + draw.uniform(-1, 1) * config.elevation_jitter)
        turn = 2 * math.pi / config.views * (view + draw.uniform(-0.3, 0.3)) + draw.uniform(-1, 1) * attempt * 0.4
        azimuth = first_azimuth + turn
        flat = math.cos(elevation)
        direction = np.array([flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation)])
        tried.append((float((forearms @ direction).max()), direction))
        if tried[-1][0] < math.cos(math.radians(config.end_on)):
            break
    return min(tried, key=lambda pair: pair[0])[1] if len(tried) == ATTEMPTS else tried[-1][1]


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
