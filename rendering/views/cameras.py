"""Cameras of a pose: places on four circles around the hands, or the person's own eyes. Every choice is drawn here.

The hands' centre is the world's origin (poses are stored so). Each choice comes from a stream named by (run seed, pose,
view, purpose): a view is the same in any order, shard or machine.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
from jaxtyping import Float

from hands.camera import Camera, look_at
from hands.random_streams import stream
from rendering.views.framing import Arms, Fault, view_fault

TRACKS = (-20.0, 10.0, 35.0, 60.0)
"""Elevation in degrees of the four circles around the hands' centre on which cameras stand (RenderIH §3.2, Fig. 7)."""
ATTEMPTS = 24
"""Draws of one view before it is given up."""
EYES_AHEAD = 0.12
"""How far beyond the hands the person may look, metres."""
UP = np.array([0.0, 0.0, 1.0])
_CLOSEST = 0.12


@dataclass(frozen=True)
class CameraConfig:
    """Where cameras stand and what they see."""

    views: int = 10
    """Images of each pose, spread evenly over the places of the four tracks."""
    per_track: int = 10
    """Places on each of the four 360° tracks: 10 is the paper's sparse sampling, 36 a dense one."""
    egocentric: float = 0.0
    """Share of the views that are seen by the person's own eyes instead."""
    width: int = 512
    """Pixels."""
    height: int = 334
    """Pixels."""
    vertical_fov: tuple[float, float] = (18.0, 38.0)
    """Range of the vertical field of view, degrees: focal length, and with `fill` the distance."""
    fill: tuple[float, float] = (0.78, 1.05)
    """Range of the share of the image height that the hands' extent takes; above 1 the margin is cut."""
    track_jitter: float = 10.0
    """Largest departure from the place on the track in elevation and azimuth, degrees; 0: exactly there."""
    roll: float = 12.0
    """Standard deviation of the camera's roll, degrees."""
    offset: float = 0.04
    """Standard deviation of the aim's offset, as a share of the hands' extent."""
    egocentric_fov: tuple[float, float] = (45.0, 75.0)
    """Range of the vertical field of view of egocentric views, degrees."""
    egocentric_distance: tuple[float, float] = (0.25, 0.5)
    """Range of the distance between eyes and hands, metres."""
    min_inside: float = 0.6
    """Least share of each hand's vertices inside the image; below it the view is drawn again."""
    min_visible: float = 0.1
    """Least visible share of each hand's outline; below it the view is drawn again."""
    min_area: float = 0.03
    """Least share of the image that the hands cover; below it the view is drawn again."""

    __pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}  # noqa: RUF012

    def __post_init__(self) -> None:
        for name in ("views", "per_track", "width", "height"):
            _within(name, getattr(self, name), 1, math.inf)
        for name in ("egocentric", "min_inside", "min_visible", "min_area"):
            _within(name, getattr(self, name), 0, 1)
        _rising("vertical_fov", self.vertical_fov, 1, 120)
        _rising("egocentric_fov", self.egocentric_fov, 1, 120)
        _rising("fill", self.fill, 0.05, 5)
        _rising("egocentric_distance", self.egocentric_distance, _CLOSEST, 2)
        if self.views > len(TRACKS) * self.per_track:
            places = len(TRACKS) * self.per_track
            raise ValueError(
                f"camera.views is {self.views}, but the tracks have {places} places; raise camera.per_track"
            )

    def is_egocentric(self, view: int) -> bool:
        """Whether a view is the person's own: the same share of any run of views."""
        return math.floor((view + 1) * self.egocentric) > math.floor(view * self.egocentric)


@dataclass(frozen=True)
class DrawnView:
    """One view and how it came about."""

    camera: Camera
    viewpoint: str
    """`track` or `egocentric`."""
    redrawn: tuple[Fault, ...]
    """Why earlier draws of this view were refused."""
    fault: Fault | None
    """What is wrong with the last draw; None when it is good."""


def draw_view(arms: Arms, view: int, config: CameraConfig, seed: int, pose_id: str) -> DrawnView:
    """The first good draw of a view; after `ATTEMPTS` bad ones the last one with its fault."""
    viewpoint = "egocentric" if config.is_egocentric(view) else "track"
    cameras = (_egocentric if viewpoint == "egocentric" else _on_tracks)(arms, view, config, seed, pose_id)
    faults: list[Fault] = []
    for camera in cameras:
        fault = view_fault(arms, camera, config.min_inside, config.min_visible, config.min_area)
        if fault is None or len(faults) == ATTEMPTS - 1:
            return DrawnView(camera, viewpoint, tuple(faults), fault)
        faults.append(fault)
    raise AssertionError("cameras never run out")


def _on_tracks(arms: Arms, view: int, config: CameraConfig, seed: int, pose_id: str) -> Iterator[Camera]:
    """Cameras of one view, tried in turn: the place on its track first, then others around and on the other tracks."""
    draw, points = stream(seed, pose_id, view, "camera"), arms.hand_points()
    extent = np.linalg.norm(np.ptp(points, axis=0)) / 2
    centre = (points.min(0) + points.max(0)) / 2
    for attempt in count():
        direction = _place(view, attempt, config, draw, seed, pose_id)
        fov, fill = math.radians(draw.uniform(*config.vertical_fov)), draw.uniform(*config.fill)
        roll = math.radians(config.roll) * draw.standard_normal()
        target = centre + config.offset * extent * draw.standard_normal(3)
        near = look_at(target + direction, target, UP, roll, fov, config.width, config.height)
        distance = fitting_distance(near, points - target, fill)
        yield look_at(target + distance * direction, target, UP, roll, fov, config.width, config.height)


def _place(
    view: int, attempt: int, config: CameraConfig, draw: np.random.Generator, seed: int, pose_id: str
) -> Float[np.ndarray, "3"]:
    """Unit direction from the hands to the camera: the view's place, moved on by one track and some places each attempt."""
    shared = stream(seed, pose_id, "track")
    first_track, first_azimuth = shared.integers(len(TRACKS)), shared.uniform(0, 2 * math.pi)
    slot = view * config.per_track // config.views + attempt * max(config.per_track // 5, 1)
    track = TRACKS[(first_track + view + attempt) % len(TRACKS)]
    jitter = math.radians(config.track_jitter) * draw.uniform(-1, 1, 2)
    azimuth = first_azimuth + 2 * math.pi * slot / config.per_track + jitter[0]
    elevation = math.radians(track) + jitter[1]
    flat = math.cos(elevation)
    return np.array([flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation)])


def _egocentric(arms: Arms, view: int, config: CameraConfig, seed: int, pose_id: str) -> Iterator[Camera]:
    """The person's own eyes: above the elbows' side of the hands, looking down at them."""
    draw, back = stream(seed, pose_id, view, "eyes"), towards_body(arms)
    extent = np.linalg.norm(np.ptp(arms.hand_points(), axis=0)) / 2
    while True:
        azimuth, elevation = math.radians(draw.normal(0, 15)), math.radians(draw.uniform(25, 65))
        flat = math.cos(azimuth) * back + math.sin(azimuth) * np.cross(UP, back)
        direction = math.cos(elevation) * flat + math.sin(elevation) * UP
        eye = draw.uniform(*config.egocentric_distance) * direction
        ahead = draw.uniform(0, EYES_AHEAD) * -back  # eyes rest on what lies before the hands, so arms come from below
        target = ahead + config.offset * extent * draw.standard_normal(3)
        fov, roll = math.radians(draw.uniform(*config.egocentric_fov)), math.radians(config.roll / 2)
        yield look_at(eye, target, UP, roll * draw.standard_normal(), fov, config.width, config.height)


def towards_body(arms: Arms) -> Float[np.ndarray, "3"]:
    """Horizontal unit direction from the hands to the person: right elbow, left elbow and up tell where the front is."""
    right, left = arms.elbows()
    across = (left - right) * (1, 1, 0)
    if np.linalg.norm(across) < 0.05:  # elbows above each other: where the forearms come from
        across = np.cross((right + left) * (1, 1, 0), UP)
    back = np.cross(UP, across)
    return back / max(float(np.linalg.norm(back)), 1e-9)


def fitting_distance(camera: Camera, points: Float[np.ndarray, "n 3"], fill: float) -> float:
    """How far from the target the camera must stand for the points to take `fill` of the tighter image side, metres.

    `points` are relative to the target. A point at offset x and depth z of it is seen at f·x / (distance + z).
    """
    seen = points @ camera.R.T
    focal = camera.K[0, 0]
    across = np.abs(seen[:, 0]) * focal / (fill * camera.width / 2) - seen[:, 2]
    along = np.abs(seen[:, 1]) * focal / (fill * camera.height / 2) - seen[:, 2]
    return float(max(across.max(), along.max(), _CLOSEST - seen[:, 2].min()))


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        bound = f"at least {low}" if high == math.inf else f"within {low} to {high}"
        raise ValueError(f"camera.{name} is {value}, must be {bound}")


def _rising(name: str, values: tuple[float, float], low: float, high: float) -> None:
    if not low <= values[0] <= values[1] <= high:
        raise ValueError(f"camera.{name} is {values[0]} to {values[1]}, must rise within {low} to {high}")
