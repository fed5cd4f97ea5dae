"""What a camera would show of two hands, measured on the coarse surfaces before anything is drawn."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from hands.camera import Camera
from hands.forearm import FOREARM_END, Forearm, WristBend
from hands.joints import Side
from rendering.labelling.raycast import Sight

GRID = 64
"""Width in pixels of the small view that is looked at."""
CLEARANCE = 0.05
"""Nothing may be nearer to the camera than this, metres."""


@dataclass(frozen=True, eq=False)
class Arms:
    """Both hands with their forearms: coarse closed surfaces in the world, metres."""

    vertices: dict[Side, Float[np.ndarray, "w 3"]]
    forearms: dict[Side, Forearm]

    @classmethod
    def place(
        cls, hands: dict[Side, Float[np.ndarray, "v 3"]], forearms: dict[Side, Forearm], bends: dict[Side, WristBend]
    ) -> "Arms":
        """Surfaces of posed model vertices."""
        return cls({side: forearms[side].surface(hands[side], bends[side]) for side in Side}, forearms)

    @cached_property
    def points(self) -> Float[np.ndarray, "n 3"]:
        """Vertices of both surfaces."""
        return np.concatenate([self.vertices[side] for side in Side])

    @cached_property
    def both(self) -> Sight:
        """Both surfaces in one."""
        right, left = (self.forearms[side].faces for side in Side)
        return Sight(self.points, np.concatenate([right, left + len(self.vertices[Side.RIGHT])]))

    @cached_property
    def alone(self) -> dict[Side, Sight]:
        """Each hand without a forearm."""
        return {side: Sight(self.vertices[side], self.forearms[side].hand_faces) for side in Side}

    def hand(self, side: Side) -> Float[np.ndarray, "v 3"]:
        """The hand's own vertices."""
        return self.vertices[side][: self.forearms[side].hand_size]

    def hand_points(self) -> Float[np.ndarray, "n 3"]:
        """Vertices of both hands, without forearms."""
        return np.concatenate([self.hand(side) for side in Side])

    def elbows(self) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
        """The far ends of the right and the left forearm."""
        return self.vertices[Side.RIGHT][-1], self.vertices[Side.LEFT][-1]

    @cached_property
    def ends(self) -> Float[np.ndarray, "e 3"]:
        """Points around the far ends of both forearms."""
        return np.concatenate([self.vertices[side][-len(self.forearms[side].rim) * FOREARM_END :] for side in Side])

    @cached_property
    def kinds(self) -> Int[np.ndarray, "f"]:
        """What each face of `both` is: 1 right hand, 2 left hand, 0 a forearm."""
        return np.concatenate([_kinds(self.forearms[side], number) for number, side in enumerate(Side, start=1)])


@dataclass(frozen=True)
class Fault:
    """A rule that a view breaks."""

    reason: str
    value: float
    """What was measured."""
    limit: float
    """The least that the rule allows."""

    def __str__(self) -> str:
        return f"{self.reason} ({self.value:.3g} of {self.limit:.3g})"


def view_fault(arms: Arms, camera: Camera, min_inside: float, min_visible: float, min_area: float) -> Fault | None:
    """The first rule that a view breaks; None for a good one."""
    nearest = float(np.linalg.norm(arms.points - camera.position, axis=1).min())
    if nearest < CLEARANCE:
        return Fault("an arm too near the camera", nearest, CLEARANCE)
    for side in Side:
        if (share := inside_share(arms.hand(side), camera)) < min_inside:
            return Fault(f"too little of the {side} hand inside the image", share, min_inside)
    return _seen_fault(arms, small(camera), min_visible, min_area)


def _seen_fault(arms: Arms, camera: Camera, min_visible: float, min_area: float) -> Fault | None:
    rays = camera.pixel_rays()
    seen = arms.both.first_faces(camera.position, rays)
    kinds = np.where(seen >= 0, arms.kinds[seen], 0).reshape(camera.height, camera.width)
    if (ends := _ends_seen(arms, kinds, camera)) > 0:
        return Fault("the end of a forearm is seen", ends, 0.0)
    if (area := float((kinds > 0).mean())) < min_area:
        return Fault("hands too small in the image", area, min_area)
    for number, side in enumerate(Side, start=1):
        shown = (kinds == number).ravel()
        maybe = _surroundings(arms.hand(side), camera) & ~shown
        behind = (arms.alone[side].first_faces(camera.position, rays[maybe]) >= 0).sum()
        if (visible := shown.sum() / max(shown.sum() + behind, 1)) < min_visible:
            return Fault(f"too little of the {side} hand visible", float(visible), min_visible)
    return None


def _surroundings(points: Float[np.ndarray, "n 3"], camera: Camera) -> Bool[np.ndarray, "p"]:
    """The pixels in the bounding box of some world points; all of them when a point is not before the camera."""
    seen = camera.to_camera(points)
    if seen[:, 2].min() <= 0:
        return np.ones(camera.height * camera.width, dtype=bool)
    pixels = camera.project(seen)
    (left, top), (right, bottom) = np.floor(pixels.min(0)), np.ceil(pixels.max(0))
    x, y = np.arange(camera.width), np.arange(camera.height)
    return (((y >= top) & (y <= bottom))[:, None] & ((x >= left) & (x <= right))).ravel()


def inside_share(points: Float[np.ndarray, "n 3"], camera: Camera) -> float:
    """Share of world points that fall inside the image."""
    return float(_in_image(points, camera)[0].mean())


def _in_image(
    points: Float[np.ndarray, "n 3"], camera: Camera
) -> tuple[Bool[np.ndarray, "n"], Float[np.ndarray, "n 2"]]:
    seen = camera.to_camera(points)
    pixels = camera.project(seen)
    inside = (pixels >= 0).all(1) & (pixels < (camera.width, camera.height)).all(1)
    return inside & (seen[:, 2] > 0), pixels


def small(camera: Camera) -> Camera:
    """The same view with `GRID` pixels across."""
    scale = GRID / camera.width
    K = np.diag([scale, scale, 1.0]) @ camera.K
    return Camera(K, camera.R, camera.t, GRID, max(round(camera.height * scale), 1))


def _ends_seen(arms: Arms, kinds: Int[np.ndarray, "h w"], camera: Camera) -> float:
    """Share of the points around forearms' ends that are in the image with no hand before them.

    Also those behind their own forearm count: its outline would show where it stops.
    """
    inside, pixels = _in_image(arms.ends, camera)
    column, row = np.floor(pixels[inside]).astype(int).T
    return float((kinds[row, column] == 0).sum() / len(arms.ends))


def _kinds(forearm: Forearm, number: int) -> Int[np.ndarray, "f"]:
    kinds = np.zeros(len(forearm.faces), dtype=int)
    kinds[: len(forearm.hand_faces)] = number
    return kinds
