"""What is known of hands that are to be found: joints in space, joints in an image, surfaces, a regressor's answer (§4.3)."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hands.joints import Side
from hands.model import HandModel
from models.ihdiff.representation import COLUMNS, ROWS, PackedHands

LEAST_IN_SPACE, LEAST_IN_IMAGE = 3, 4
"""Seen joints that say how a hand pair is turned, where nothing else does."""
_SIZES = {
    "joints_3d": (ROWS, 3),
    "joints_3d_seen": (ROWS,),
    "joints_2d": (ROWS, 2),
    "joints_2d_seen": (ROWS,),
    "camera": (3, 3),
}


@dataclass(frozen=True, eq=False)
class Observations:
    """What is known of b hand pairs, in any combination; None: not observed. What is not seen may have any value, NaN too."""

    joints_3d: Float[Tensor, "b 42 3"] | None = None
    """Metres; the right hand's 21 in the dataset's order, then the left one's."""
    joints_3d_seen: Bool[Tensor, "b 42"] | None = None
    """Which of them are known; None: all."""
    joints_2d: Float[Tensor, "b 42 2"] | None = None
    """Pixels; needs `placed`."""
    joints_2d_seen: Bool[Tensor, "b 42"] | None = None
    """Which of them are known; None: all."""
    camera: Float[Tensor, "b 3 3"] | None = None
    """Intrinsics that made `joints_2d`: the world is the camera's frame (OpenCV axes). None: a scaled orthographic camera along
    the world's z is fitted too (appendix B.2)."""
    vertices: Float[Tensor, "b u 3"] | None = None
    """Metres; the right hand's surface, then the left one's."""
    regressed: PackedHands | None = None
    """A regressor's answer: where the fit starts, and a term on rotations; its surfaces count only as `vertices`."""
    placed: bool = False
    """False: all is seen from the right wrist. True: all is in the world, and the right wrist's place and rotation there are
    fitted too."""

    @property
    def given(self) -> dict[str, Tensor]:
        """What is observed, by name; the regressor's matrix stands for its answer."""
        names = ("joints_3d", "joints_2d", "vertices")
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        return given if self.regressed is None else given | {"regressed": self.regressed.x}

    def __len__(self) -> int:
        return max((len(value) for value in self.given.values()), default=0)

    def seen(self, name: str) -> Bool[Tensor, "b n"]:
        """Which joints or vertices of `name` are known."""
        mask, points = getattr(self, f"{name}_seen", None), self.given[name]
        return torch.ones_like(points[..., 0], dtype=torch.bool) if mask is None else mask

    def known(self, name: str) -> Float[Tensor, "b n c"]:
        """Their values, zero where not known."""
        return torch.where(self.seen(name)[..., None], self.given[name], 0.0)


def check(observations: Observations, hands: dict[Side, HandModel]) -> int:
    """How many hand pairs are observed.

    Raises:
        ValueError: nothing is observed, of some pairs nothing, sizes do not fit, a number is none, or an observation makes no
            sense without another.
    """
    if not len(observations):
        raise ValueError("nothing is observed: give joints_3d, joints_2d, vertices or regressed")
    _check_sizes(observations, sum(len(hand.v_template) for hand in hands.values()))
    _check_company(observations)
    for name in observations.given:
        _check_numbers(f"observed {name}", observations.known(name))
    if observations.regressed:
        places = zip(("orient", "wrist"), observations.regressed.placement, strict=True)
        for name, value in (("betas", observations.regressed.betas), *places):
            _check_numbers(f"regressed {name}", value)
    if observations.camera is not None:
        _check_camera(observations.camera)
    counts = [observations.seen(name).sum(-1) for name in observations.given]
    if rows := _rows(sum(counts) == 0):
        raise ValueError(f"of hand pairs {rows} nothing is seen: leave them out, or see a joint of each")
    if observations.placed and pose_giver(observations) is None:
        raise ValueError(
            f"the world's hands need a regressor's answer, vertices, {LEAST_IN_SPACE} seen joints in space or "
            f"{LEAST_IN_IMAGE} in the image of every pair, or nothing says how they are turned: give one of these"
        )
    return len(observations)


def pose_giver(observations: Observations) -> str | None:
    """The name of the observation that says of every pair how it is turned and where it is, the most exact one first."""
    given = observations.given
    least = {"regressed": 0, "vertices": 0, "joints_3d": LEAST_IN_SPACE, "joints_2d": LEAST_IN_IMAGE}
    enough = lambda name: bool((observations.seen(name).sum(-1) >= least[name]).all())  # noqa: E731
    return next((name for name in least if name in given and enough(name)), None)


def _check_sizes(observations: Observations, vertices: int) -> None:
    count = len(observations)
    sizes = _SIZES | {"vertices": (vertices, 3)}
    values = {name: getattr(observations, name) for name in sizes}
    if packed := observations.regressed:
        values |= {"regressed.x": packed.x, "regressed.betas": packed.betas}
        values |= {"regressed.orient": packed.placement.orient, "regressed.wrist": packed.placement.wrist}
    sizes |= {"regressed.x": (ROWS, COLUMNS), "regressed.betas": (20,)}
    sizes |= {"regressed.orient": (3, 3), "regressed.wrist": (3,)}
    for name, value in values.items():
        if value is not None and tuple(value.shape) != (count, *sizes[name]):
            raise ValueError(f"observed {name} is {_size(value.shape)}, must be {_size((count, *sizes[name]))}")


def _check_company(observations: Observations) -> None:
    if observations.joints_2d is not None and not observations.placed:
        raise ValueError("joints_2d are observed, but hands seen from the right wrist have no camera: set placed")
    for name, needed in (("joints_3d_seen", "joints_3d"), ("joints_2d_seen", "joints_2d"), ("camera", "joints_2d")):
        if getattr(observations, name) is not None and getattr(observations, needed) is None:
            raise ValueError(f"{name} is given without {needed}: give both or none")


def _check_numbers(what: str, value: Tensor) -> None:
    if rows := _rows(~value.flatten(1).isfinite().all(-1)):
        raise ValueError(f"{what} of hand pairs {rows} have values that are no finite numbers: mark them as not seen")


def _check_camera(camera: Float[Tensor, "b 3 3"]) -> None:
    last = camera.new_tensor([0.0, 0.0, 1.0])
    good = camera.flatten(1).isfinite().all(-1) & (camera[:, 2] == last).all(-1) & (camera[:, 1, 0] == 0)
    if rows := _rows(~(good & (camera[:, 0, 0] > 0) & (camera[:, 1, 1] > 0))):
        raise ValueError(f"cameras {rows} are no intrinsics [[fx, s, cx], [0, fy, cy], [0, 0, 1]] with fx, fy > 0")


def _rows(mask: Bool[Tensor, "b"]) -> str:
    """The first few rows that are true, for a sentence."""
    rows = mask.nonzero()[:, 0].tolist()
    return ", ".join(map(str, rows[:5])) + (f" and {len(rows) - 5} more" if len(rows) > 5 else "")


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
