"""What a camera would show of two hands, measured on the coarse surfaces before anything is drawn.

The rules are looked at in a fixed order, for many views at once; `rendering.views.kernels` measures.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int

from hands.camera import Camera
from hands.forearm import Forearm, WristBend
from hands.joints import Side
from hands.kernels import launch
from rendering.views.kernels import kernels, scratch_size
from rendering.views.posing import Layout, PosedArms

GRID = 64
"""Width in pixels of the small view that is looked at."""
CLEARANCE = 0.05
"""Nothing may be nearer to the camera than this, metres."""


@dataclass(frozen=True, eq=False)
class Arms:
    """Both hands with their forearms in one pose: coarse closed surfaces in the world, metres."""

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

    def hand(self, side: Side) -> Float[np.ndarray, "v 3"]:
        """The hand's own vertices."""
        return self.vertices[side][: self.forearms[side].hand_size]

    def hand_points(self) -> Float[np.ndarray, "n 3"]:
        """Vertices of both hands, without forearms."""
        return np.concatenate([self.hand(side) for side in Side])

    def elbows(self) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
        """The far ends of the right and the left forearm."""
        return self.vertices[Side.RIGHT][-1], self.vertices[Side.LEFT][-1]

    def posed(self) -> PosedArms:
        """This pose as a batch of one."""
        layout = Layout.build(self.forearms)
        return PosedArms(layout, np.ascontiguousarray(self.points[layout.order].T[None]))


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


@dataclass(frozen=True)
class Rules:
    """What a view must show; in the order in which it is looked at."""

    min_inside: float
    """Least share of each hand's vertices inside the image."""
    min_visible: float
    """Least visible share of each hand's outline."""
    min_area: float
    """Least share of the image that the hands cover."""

    @property
    def limits(self) -> tuple[tuple[str, float], ...]:
        """Every reason and its limit, by the number that the kernel gives: 0 is a good view."""
        return (
            ("", 0.0),
            ("an arm too near the camera", CLEARANCE),
            *((f"too little of the {side} hand inside the image", self.min_inside) for side in Side),
            ("the end of a forearm is seen", 0.0),
            ("hands too small in the image", self.min_area),
            *((f"too little of the {side} hand visible", self.min_visible) for side in Side),
        )


@dataclass(frozen=True, eq=False)
class Cameras:
    """Cameras of one size, each looking at one of many poses (n cameras)."""

    pose: Int[np.ndarray, "n"]
    """Which pose."""
    focal: Float[np.ndarray, "n"]
    """Focal length, pixels; the principal point is the image's centre."""
    R: Float[np.ndarray, "n 3 3"]
    """World to camera rotation."""
    t: Float[np.ndarray, "n 3"]
    """World to camera translation, metres."""
    width: int
    height: int

    @property
    def K(self) -> Float[np.ndarray, "n 3 3"]:
        """Intrinsic matrices, pixels."""
        matrices = np.zeros((len(self.focal), 3, 3))
        matrices[:, 0, 0] = matrices[:, 1, 1] = self.focal
        matrices[:, 0, 2], matrices[:, 1, 2], matrices[:, 2, 2] = self.width / 2, self.height / 2, 1.0
        return matrices


def judge(arms: PosedArms, cameras: Cameras, rules: Rules) -> dict[int, Fault]:
    """The first rule that each bad view breaks."""
    layout, size = arms.layout, len(cameras.pose)
    columns = GRID
    rows = max(round(cameras.height * GRID / cameras.width), 1)
    reasons, values = np.zeros(size, dtype=np.int32), np.zeros(size)
    scratch = np.empty((1, scratch_size(len(layout.order), len(layout.faces), columns, rows)), dtype=np.float32)
    arrays = lambda *many: [torch.from_numpy(np.ascontiguousarray(one)) for one in many]  # noqa: E731
    launch(
        kernels()["judge"],
        (1,),
        [
            *arrays(cameras.pose.astype(np.int32), cameras.R, cameras.t, cameras.focal),
            *(cameras.width, cameras.height, columns, rows),
            *arrays(arms.points, layout.owner),
            *layout.sizes,
            *layout.ends,
            *arrays(layout.faces, layout.kinds),
            *(CLEARANCE, rules.min_inside, rules.min_visible, rules.min_area),
            *arrays(scratch, reasons, values),
        ],
    )
    limits = rules.limits
    bad = np.flatnonzero(reasons)
    found = zip(bad.tolist(), reasons[bad].tolist(), values[bad].tolist(), strict=True)
    return {number: Fault(limits[reason][0], value, limits[reason][1]) for number, reason, value in found}


def view_fault(arms: Arms, camera: Camera, min_inside: float, min_visible: float, min_area: float) -> Fault | None:
    """The first rule that one view breaks; None for a good one."""
    one = Cameras(np.zeros(1, int), camera.K[:1, 0], camera.R[None], camera.t[None], camera.width, camera.height)
    return judge(arms.posed(), one, Rules(min_inside, min_visible, min_area)).get(0)
