"""The forearm that continues a hand to the elbow and closes its surface: MANO's hand ends open at the wrist.

The forearm is no part of the hand model: it hangs on the wrist's rim, and the wrist may be bent. Positive flexion brings
the forearm towards the palm's side, positive deviation towards the little finger's side, as a real wrist's flexion and
ulnar deviation do. Dimensions follow an adult's proportions and scale with the hand's own wrist.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from hands.anatomy import palm_frame
from hands.joints import Side
from hands.mesh import wrist_loop
from hands.model import HandArrays, HandModel

FOREARM = 16
"""Part number of the forearm; 0–15 are the hand's."""
BENDING = 0.045
"""The wrist's bend is spread over this length, metres."""
WRIST_ENDS = 0.055
"""Metres beyond the rim at which the forearm's own shape has replaced the rim's."""
RIM = 0.026
"""Half the width in metres of the wrist that the lengths here are meant for: the free hand's."""
RINGS = np.array(
    # metres along the forearm from the rim, width and thickness relative to the rim's
    [
        (0.007, 0.98, 1.02),
        (0.015, 0.96, 1.04),
        (0.024, 0.95, 1.07),
        (0.034, 0.96, 1.10),
        (0.046, 0.98, 1.14),
        (0.062, 1.02, 1.21),
        (0.085, 1.10, 1.33),
        (0.112, 1.21, 1.48),
        (0.142, 1.32, 1.62),
        (0.172, 1.39, 1.70),
        (0.202, 1.40, 1.70),
        (0.228, 1.34, 1.62),
        (0.246, 1.18, 1.43),
        (0.258, 0.90, 1.08),
        (0.265, 0.52, 0.62),
    ]
)
POLE = 0.268
FOREARM_END = 3
"""The last rings (and the pole) that no view may show."""
FLEXION = (math.radians(-8), math.radians(16), math.radians(50))
"""Mean, standard deviation and largest size of drawn flexions: hands at work are slightly extended."""
DEVIATION = (math.radians(4), math.radians(7), math.radians(20))
"""The same of deviations."""
ATTEMPTS = 64
"""Pairs of bends tried; the spread grows with each, so that early ones are the most natural."""


class WristBend(NamedTuple):
    """How the forearm stands on the hand, radians."""

    flexion: float = 0.0
    """Positive: towards the palm's side."""
    deviation: float = 0.0
    """Positive: towards the little finger's side."""


STRAIGHT = WristBend()


@dataclass(frozen=True, eq=False)
class Forearm:
    """One hand's surface closed by a forearm (v hand vertices, w vertices with the forearm's)."""

    rim: Int[np.ndarray, "r"]
    axes: Float[np.ndarray, "3 v"]
    """Combinations of wrist-bound vertices that give the directions to elbow, palm and thumb in any pose."""
    faces: Int[np.ndarray, "f 3"]
    """The hand's faces, then the forearm's from the wrist to the elbow."""
    hand_size: int
    """Vertices of the hand, which come first."""
    hand_faces: Int[np.ndarray, "h 3"]

    @classmethod
    def build(cls, arrays: HandArrays) -> "Forearm":
        """The forearm of any hand in MANO's layout."""
        palm = palm_frame(HandModel(arrays))
        directions = np.stack([-palm.distal.numpy(), palm.palmar.numpy(), palm.radial.numpy()]).astype(float)
        rim = wrist_loop(arrays.faces)
        faces = np.concatenate([arrays.faces, _sleeve_faces(rim, len(arrays.v_template))])
        return cls(rim, _direction_weights(arrays, directions), faces, len(arrays.v_template), arrays.faces)

    def surface(self, hand: Float[np.ndarray, "v 3"], bend: WristBend = STRAIGHT) -> Float[np.ndarray, "w 3"]:
        """Vertices of the closed surface: the posed hand's own, unchanged, then the forearm's."""
        frame, centre, scale = self._wrist(hand)
        rim = (hand[self.rim] - centre) @ frame.T
        rings = _rings(rim, scale, bend).reshape(-1, 3)
        pole = _centre_line(np.array([POLE * scale]), bend, scale)
        return np.concatenate([hand, np.concatenate([rings, pole]) @ frame + centre])

    def capsules(
        self, hand: Float[np.ndarray, "v 3"], bend: WristBend = STRAIGHT
    ) -> tuple[Float[np.ndarray, "k 3"], Float[np.ndarray, "k"]]:
        """Centres of balls along the forearm beyond the wrist, and their radii, metres: a simple stand-in for it."""
        frame, centre, scale = self._wrist(hand)
        rim = (hand[self.rim] - centre) @ frame.T
        half = np.ptp(rim[:, 1:], axis=0).mean() / 2
        stations = np.linspace(0.01, 0.25, 17) * scale
        middle = _centre_line(stations, bend, scale)
        width = np.interp(stations / scale, RINGS[:, 0], RINGS[:, 1:].mean(1))
        return middle @ frame + centre, half * width

    def _wrist(self, hand: Float[np.ndarray, "v 3"]) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3"], float]:
        """Rows to elbow, palm and thumb; the rim's centre; the hand's size relative to the usual one."""
        left, _, right = np.linalg.svd(self.axes @ hand)
        centre = hand[self.rim].mean(0)
        across = (hand[self.rim] - centre) @ (left @ right)[2]
        return left @ right, centre, float(np.ptp(across) / 2 / RIM)


def _rings(rim: Float[np.ndarray, "r 3"], scale: float, bend: WristBend) -> Float[np.ndarray, "k r 3"]:
    """All rings in the wrist's frame: the rim's outline near it, ellipses farther on, turned with the bend."""
    stations, width, thickness = (RINGS[:, column, None] for column in range(3))
    share = np.minimum(stations / WRIST_ENDS, 1.0)
    share = share * share * (3 - 2 * share)
    half = np.ptp(rim[:, 1:], axis=0) / 2
    angle = np.arctan2(rim[:, 2] / half[1], rim[:, 1] / half[0])
    ellipse = half * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    outline = (rim[:, 1:] + share[..., None] * (ellipse - rim[:, 1:])) * np.stack([thickness, width], axis=-1)
    slant = rim[:, 0] * (1 - share)
    rings = np.concatenate([slant[..., None], outline], axis=2)
    lengths = stations[:, 0] * scale
    return rings @ _turn(lengths, bend, scale).transpose(0, 2, 1) + _centre_line(lengths, bend, scale)[:, None]


def _turn(lengths: Float[np.ndarray, "*k"], bend: WristBend, scale: float) -> Float[np.ndarray, "*k 3 3"]:
    """Rotations of the forearm's cross-sections at lengths along it (Rodrigues)."""
    whole = np.array([0.0, bend.deviation, bend.flexion])  # about the palm's and the thumb's direction
    total = np.linalg.norm(whole)
    x, y, z = whole / max(total, 1e-9)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = (total * np.minimum(lengths / (BENDING * scale), 1.0))[..., None, None]
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)


def _centre_line(lengths: Float[np.ndarray, "k"], bend: WristBend, scale: float) -> Float[np.ndarray, "k 3"]:
    """Points at lengths along the forearm: an arc while the wrist bends, then straight."""
    bent = np.minimum(lengths, BENDING * scale)
    steps = (np.arange(16) + 0.5) / 16 * bent[:, None]
    arc = bent[:, None] / 16 * _turn(steps, bend, scale)[..., 0].sum(1)
    return arc + (lengths - bent)[:, None] * _turn(lengths, bend, scale)[..., 0]


def _direction_weights(arrays: HandArrays, directions: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 v"]:
    """Smallest weights with sum 0 whose combinations of wrist-bound rest vertices are the three directions."""
    bound = np.flatnonzero(arrays.weights[:, 0] > 0.98)
    system = np.concatenate([arrays.v_template[bound].T, np.ones((1, len(bound)))])
    weights = np.zeros((3, len(arrays.v_template)))
    weights[:, bound] = np.linalg.lstsq(system, np.concatenate([directions.T, np.zeros((1, 3))]), rcond=None)[0].T
    return weights


def _sleeve_faces(rim: Int[np.ndarray, "r"], count: int) -> Int[np.ndarray, "s 3"]:
    size = len(rim)
    rings = np.concatenate([rim[None], count + np.arange(len(RINGS) * size).reshape(-1, size)])
    after = np.roll(rings, -1, axis=1)
    first = np.stack([after[:-1], rings[:-1], rings[1:]], axis=-1)
    second = np.stack([after[:-1], rings[1:], after[1:]], axis=-1)
    bands = np.stack([first, second], axis=1)
    pole = np.full(size, count + len(RINGS) * size)
    cap = np.stack([after[-1], rings[-1], pole], axis=-1)
    return np.concatenate([bands.reshape(-1, 3), cap])


def choose_bends(
    hands: Mapping[Side, Float[np.ndarray, "v 3"]],
    forearms: Mapping[Side, Forearm],
    generator: np.random.Generator,
    tolerance: float = 0.002,
) -> tuple[dict[Side, WristBend], float]:
    """Natural bends of both wrists that keep each forearm out of the other hand and forearm.

    Returns:
        The first pair drawn that goes at most `tolerance` metres deep, or else the shallowest one; and its depth,
        metres (forearms stand in as balls, so a few millimetres are uncertain).
    """
    best: tuple[dict[Side, WristBend], float] | None = None
    for attempt in range(ATTEMPTS):
        bends = {side: _draw_bend(generator, 1 + 2 * attempt / ATTEMPTS) for side in Side}
        depth = collision_depth(hands, forearms, bends)
        if best is None or depth < best[1]:
            best = bends, depth
        if depth <= tolerance:
            break
    return best


def collision_depth(
    hands: Mapping[Side, Float[np.ndarray, "v 3"]],
    forearms: Mapping[Side, Forearm],
    bends: Mapping[Side, WristBend],
) -> float:
    """How deep forearms lie in the other hand or forearm, metres; 0 when they are clear of each other."""
    balls = {side: forearms[side].capsules(hands[side], bends[side]) for side in Side}
    (right, right_radius), (left, left_radius) = balls[Side.RIGHT], balls[Side.LEFT]
    depths = [right_radius[:, None] + left_radius - _distances(right, left)]
    for side, (centres, radius) in balls.items():
        depths.append(radius[:, None] - _distances(centres, hands[side.other]))
    return max(float(depth.max()) for depth in (*depths, np.zeros(1)))


def _draw_bend(generator: np.random.Generator, spread: float) -> WristBend:
    return WristBend(
        *(
            float(np.clip(mean + spread * deviation * generator.standard_normal(), -most, most))
            for mean, deviation, most in (FLEXION, DEVIATION)
        )
    )


def _distances(a: Float[np.ndarray, "n 3"], b: Float[np.ndarray, "m 3"]) -> Float[np.ndarray, "n m"]:
    return np.linalg.norm(a[:, None] - b, axis=2)
