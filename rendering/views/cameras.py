"""Cameras of a pose: places on four circles around the hands, or the person's own eyes. Every choice is drawn here.

The hands' centre is the world's origin (poses are stored so). Many views of many poses are drawn at once; each choice comes
from numbers that (run seed, pose, view, purpose, attempt) decide: a view is the same in any order, batch or shard.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt64

from hands.camera import Camera
from hands.kernels import launch
from rendering.views.draws import between, choices, normals, pose_keys, uniforms
from rendering.views.framing import Arms, Cameras, Fault, Rules, judge
from rendering.views.kernels import kernels
from rendering.views.posing import PosedArms

TRACKS = (-20.0, 10.0, 35.0, 60.0)
"""Elevation in degrees of the four circles around the hands' centre on which cameras stand (RenderIH §3.2, Fig. 7)."""
ATTEMPTS = 24
"""Draws of one view before it is given up."""
EYES_AHEAD = 0.12
"""How far beyond the hands the person may look, metres."""
UP = np.array([0.0, 0.0, 1.0])
VIEWPOINTS = ("track", "egocentric")
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


@dataclass(frozen=True, eq=False)
class DrawnViews:
    """Many views and how they came about."""

    cameras: Cameras
    egocentric: Bool[np.ndarray, "n"]
    """Whether the person's own eyes see it."""
    redrawn: dict[int, list[Fault]]
    """Why earlier draws were refused, of the views that had any."""
    faults: dict[int, Fault]
    """What is wrong with the last draw, of the views without a good one."""

    def __getitem__(self, number: int) -> DrawnView:
        cameras, viewpoint = self.cameras, VIEWPOINTS[int(self.egocentric[number])]
        camera = Camera(
            cameras.K[number], cameras.R[number], cameras.t[number], width=cameras.width, height=cameras.height
        )
        return DrawnView(camera, viewpoint, tuple(self.redrawn.get(number, ())), self.faults.get(number))


def draw_view(arms: Arms, view: int, config: CameraConfig, seed: int, pose_id: str) -> DrawnView:
    """The first good draw of a view; after `ATTEMPTS` bad ones the last one with its fault."""
    return draw_views(arms.posed(), np.zeros(1, int), np.array([view]), config, pose_keys(seed, [pose_id]))[0]


def draw_views(
    arms: PosedArms,
    pose: Int[np.ndarray, "n"],
    view: Int[np.ndarray, "n"],
    config: CameraConfig,
    keys: UInt64[np.ndarray, "p 2"],
) -> DrawnViews:
    """The same of many views: number `view` of the pose with number `pose`, whose random numbers come from its key."""
    size, rules = len(pose), Rules(config.min_inside, config.min_visible, config.min_area)
    egocentric = np.array([config.is_egocentric(number) for number in view.tolist()], dtype=bool)
    focal, R, t = np.empty(size), np.empty((size, 3, 3)), np.empty((size, 3))
    redrawn: dict[int, list[Fault]] = {}
    faults: dict[int, Fault] = {}
    scene, open_views = _Scene.of(arms), np.arange(size)
    for attempt in range(ATTEMPTS):
        for number, fault in faults.items():
            redrawn.setdefault(number, []).append(fault)
        for kind, place in enumerate((_on_tracks, _egocentric)):
            which = open_views[egocentric[open_views] == bool(kind)]
            if len(which):
                focal[which], R[which], t[which] = place(scene, pose[which], view[which], attempt, config, keys)
        tried = Cameras(pose[open_views], focal[open_views], R[open_views], t[open_views], config.width, config.height)
        faults = {int(open_views[number]): fault for number, fault in judge(arms, tried, rules).items()}
        open_views = np.array(list(faults), dtype=int)
        if not faults:
            break
    return DrawnViews(Cameras(pose, focal, R, t, config.width, config.height), egocentric, redrawn, faults)


Placed = tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n 3 3"], Float[np.ndarray, "n 3"]]
"""Focal lengths in pixels, rotations and translations of cameras."""


@dataclass(frozen=True, eq=False)
class _Scene:
    """What cameras are placed by (p poses)."""

    arms: PosedArms
    centre: Float[np.ndarray, "p 3"]
    """Of both hands' bounds."""
    extent: Float[np.ndarray, "p"]
    """Half the diagonal of both hands' bounds, metres."""
    back: Float[np.ndarray, "p 3"]
    """Towards the person."""

    @classmethod
    def of(cls, arms: PosedArms) -> "_Scene":
        low, high = arms.hands.min(2), arms.hands.max(2)
        return cls(arms, (low + high) / 2, np.linalg.norm(high - low, axis=1) / 2, _backs(*arms.elbows()))


def _on_tracks(
    scene: _Scene,
    pose: Int[np.ndarray, "n"],
    view: Int[np.ndarray, "n"],
    attempt: int,
    config: CameraConfig,
    keys: UInt64[np.ndarray, "p 2"],
) -> Placed:
    """One attempt: the places on their tracks at first, then others around and on the other tracks."""
    draw = uniforms(keys[pose], "camera", view, attempt, 8).T
    direction = _places(view, attempt, config, draw[:2], keys[pose])
    fov, fill = np.radians(between(draw[2], config.vertical_fov)), between(draw[3], config.fill)
    R = _looking(-direction, np.radians(config.roll) * normals(draw[4]))
    focal = config.height / 2 / np.tan(fov / 2)
    target = scene.centre[pose] + config.offset * scene.extent[pose, None] * normals(draw[5:8]).T
    steep = (focal / fill)[:, None] / (np.array([config.width, config.height]) / 2)
    eye = target + _fitting_distance(scene.arms, pose, R, target, steep)[:, None] * direction
    return focal, R, -_turned(R, eye)


def _places(
    view: Int[np.ndarray, "n"],
    attempt: int,
    config: CameraConfig,
    draw: Float[np.ndarray, "2 n"],
    keys: UInt64[np.ndarray, "n 2"],
) -> Float[np.ndarray, "n 3"]:
    """Directions from the hands to cameras: the view's place, moved on by one track and some places each attempt."""
    shared = uniforms(keys, "track", np.zeros_like(view), 0, 2).T
    first_track, first_azimuth = choices(shared[0], len(TRACKS)), 2 * math.pi * shared[1]
    slot = view * config.per_track // config.views + attempt * max(config.per_track // 5, 1)
    track = np.array(TRACKS)[(first_track + view + attempt) % len(TRACKS)]
    jitter = math.radians(config.track_jitter) * between(draw, (-1, 1))
    azimuth = first_azimuth + 2 * math.pi * slot / config.per_track + jitter[0]
    elevation = np.radians(track) + jitter[1]
    flat = np.cos(elevation)
    return np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=1)


def _egocentric(
    scene: _Scene,
    pose: Int[np.ndarray, "n"],
    view: Int[np.ndarray, "n"],
    attempt: int,
    config: CameraConfig,
    keys: UInt64[np.ndarray, "p 2"],
) -> Placed:
    """The person's own eyes: above the elbows' side of the hands, looking down at them."""
    draw, back = uniforms(keys[pose], "eyes", view, attempt, 9).T, scene.back[pose]
    azimuth = np.radians(15 * normals(draw[0]))[:, None]
    elevation = np.radians(between(draw[1], (25, 65)))[:, None]
    flat = np.cos(azimuth) * back + np.sin(azimuth) * np.cross(UP, back)
    eye = between(draw[2], config.egocentric_distance)[:, None] * (np.cos(elevation) * flat + np.sin(elevation) * UP)
    ahead = EYES_AHEAD * draw[3][:, None] * -back  # eyes rest on what lies before the hands, so arms come from below
    target = ahead + config.offset * scene.extent[pose, None] * normals(draw[4:7]).T
    fov, roll = np.radians(between(draw[7], config.egocentric_fov)), math.radians(config.roll / 2) * normals(draw[8])
    R = _looking(target - eye, roll)
    return config.height / 2 / np.tan(fov / 2), R, -_turned(R, eye)


def towards_body(arms: Arms) -> Float[np.ndarray, "3"]:
    """Horizontal unit direction from the hands to the person: right elbow, left elbow and up tell where the front is."""
    right, left = arms.elbows()
    return _backs(right[None], left[None])[0]


def _backs(right: Float[np.ndarray, "p 3"], left: Float[np.ndarray, "p 3"]) -> Float[np.ndarray, "p 3"]:
    flat = np.array([1.0, 1.0, 0.0])
    across, sum_of_both = (left - right) * flat, (right + left) * flat
    above = np.linalg.norm(across, axis=1, keepdims=True) < 0.05  # each other: where the forearms come from
    back = np.cross(UP, np.where(above, np.cross(sum_of_both, UP), across))
    return back / np.maximum(np.linalg.norm(back, axis=1, keepdims=True), 1e-9)


def _looking(ahead: Float[np.ndarray, "n 3"], roll: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n 3 3"]:
    """Rotations of cameras that look into a direction, as `hands.camera.look_at` turns one; roll in radians."""
    forward = ahead / np.linalg.norm(ahead, axis=1, keepdims=True)
    right = np.cross(forward, UP)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    down = np.cross(forward, right)
    cos, sin = np.cos(roll)[:, None], np.sin(roll)[:, None]
    return np.stack([cos * right + sin * down, cos * down - sin * right, forward], axis=1)


def _turned(R: Float[np.ndarray, "n 3 3"], points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """Each point turned by its own rotation."""
    return R[:, :, 0] * points[:, :1] + R[:, :, 1] * points[:, 1:2] + R[:, :, 2] * points[:, 2:]


def _fitting_distance(
    arms: PosedArms,
    pose: Int[np.ndarray, "n"],
    R: Float[np.ndarray, "n 3 3"],
    target: Float[np.ndarray, "n 3"],
    steep: Float[np.ndarray, "n 2"],
) -> Float[np.ndarray, "n"]:
    """How far from their targets cameras must stand for the hands to fill what they are to fill of the image, metres.

    A point at offset x and depth z of the target is seen at f · x / (distance + z); `steep` is f by that share of half the
    image's sides.
    """
    distance = np.empty(len(pose))
    arrays = [torch.from_numpy(np.ascontiguousarray(each)) for each in (pose.astype(np.int32), R, target, steep)]
    surface = [torch.from_numpy(arms.points), torch.from_numpy(arms.layout.owner)]
    launch(kernels()["fit"], (len(pose),), [*arrays, _CLOSEST, *surface, torch.from_numpy(distance)])
    return distance


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        bound = f"at least {low}" if high == math.inf else f"within {low} to {high}"
        raise ValueError(f"camera.{name} is {value}, must be {bound}")


def _rising(name: str, values: tuple[float, float], low: float, high: float) -> None:
    if not low <= values[0] <= values[1] <= high:
        raise ValueError(f"camera.{name} is {values[0]} to {values[1]}, must rise within {low} to {high}")
