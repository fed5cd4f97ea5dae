"""The lines of a hand as strokes: creases of palm and back, veins, tendons, folds of a finger joint.

Palm and back: (distal, radial) metres on the canonical palm of `rendering.skin.patterns`, wrist at the origin. A finger
joint: metres (along, around), its crease at zero. Half widths are metres, depths 0–1.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from hands.random_streams import stream

Stroke = tuple[Float[np.ndarray, "k 2"], Float[np.ndarray, ""] | float | Float[np.ndarray, "k"], float]
"""Points, half width, depth."""
KNUCKLES = np.array([[0.099, 0.035], [0.1006, 0.0098], [0.0967, -0.0098], [0.0892, -0.0287]])
"""Of index to little finger."""
MAIN_LINES = (
    # heart, head and life line; half width in millimetres, depth, then points in millimetres
    (0.62, 0.95, ((71, -44), (75, -30), (76, -14), (80, 0), (88, 12), (96, 21))),
    (0.58, 0.90, ((45, -34), (56, -18), (64, -2), (70, 14), (75, 30), (77, 45))),
    (0.68, 1.00, ((5, 7), (22, 3), (40, 5), (55, 13), (66, 26), (74, 44))),
)
MINOR_LINES = (
    # fate line, thenar lines, lines below the fingers, bracelets of the wrist
    (0.30, 0.45, ((20, -2), (40, -1), (58, 3), (84, 9))),
    (0.28, 0.40, ((30, 14), (44, 22), (52, 36))),
    (0.28, 0.35, ((18, 14), (32, 24), (40, 40))),
    (0.30, 0.40, ((72, -38), (82, -34))),
    (0.30, 0.45, ((89, -2), (90, 0), (89, 3))),
    (0.45, 0.75, ((-2, -26), (-4, -10), (-4, 8), (-1, 26))),
    (0.40, 0.60, ((-9, -26), (-11, -8), (-11, 8), (-8, 26))),
)
VEINS = (
    # half width in millimetres, strength, points in millimetres: from between the knuckles to the wrist
    (1.15, 1.00, ((93, 22), (80, 19), (66, 21), (50, 14), (34, 16), (16, 20), (-8, 22), (-40, 24))),
    (1.20, 1.00, ((92, 0), (78, -2), (63, 3), (50, 14))),
    (1.10, 0.95, ((88, -20), (74, -17), (58, -20), (42, -15), (24, -20), (2, -22), (-24, -18), (-44, -22))),
    (0.85, 0.80, ((63, 3), (52, -6), (42, -15))),
    (0.80, 0.70, ((72, -33), (56, -31), (38, -27), (24, -20))),
    (0.80, 0.75, ((34, 16), (20, 6), (4, 2), (-18, 4), (-44, -2))),
    (0.75, 0.65, ((70, 39), (54, 33), (40, 27), (16, 20))),
    (0.60, 0.55, ((24, -20), (12, -8), (4, 2))),
)


def palm_lines() -> list[Stroke]:
    """Creases of the palm: the three long lines, lesser ones, and a web of fine ones."""
    generator = stream(0, "skin", "palm lines")
    strokes = [_curve(line, generator, 0.0006) for line in (*MAIN_LINES, *MINOR_LINES)]
    for width, depth, points in MAIN_LINES:  # each long line has companions that leave it
        for _ in range(7):
            start = _smooth(np.array(points) / 1000)[generator.integers(10, 110)]
            strokes.append(_short(generator, start, generator.uniform(0.006, 0.016), 0.2, 0.0003 * width, 0.45 * depth))
    strokes += list(_scattered(generator, 150, (0.0, 0.096), (-0.044, 0.046), (0.004, 0.014), 0.9, 0.00016, 0.30))
    return strokes + list(_scattered(generator, 90, (0.005, 0.06), (0.004, 0.05), (0.004, 0.012), -0.5, 0.00016, 0.28))


def back_lines() -> list[Stroke]:
    """Folds of the back: around the knuckles, across the wrist, and fine crossing lines everywhere."""
    generator, strokes = stream(0, "skin", "back lines"), []
    for distal, radial in KNUCKLES:
        for shift in np.linspace(-0.006, 0.007, 8):
            half = 0.0062 * np.sqrt(max(0.1, 1 - (shift / 0.008) ** 2)) * generator.uniform(0.7, 1.1)
            across = np.linspace(-half, half, 9)
            points = np.stack([distal - 0.004 + shift * (1 - (across / 0.012) ** 2), radial + across], axis=1)
            strokes.append((_shaken(points, generator, 0.0004), 0.00026, generator.uniform(0.35, 0.75)))
    for distal in np.linspace(-0.016, 0.012, 9):
        across = np.linspace(generator.uniform(-0.028, -0.012), generator.uniform(0.012, 0.028), 12)
        points = np.stack([np.full(12, distal) + 0.15 * across, across], axis=1)
        strokes.append((_shaken(points, generator, 0.0007), 0.00022, generator.uniform(0.2, 0.5)))
    for direction in (0.9, -0.9, 1.57):
        size = ((-0.03, 0.1), (-0.045, 0.045), (0.004, 0.013))
        strokes += list(_scattered(generator, 260, *size, direction, 0.00015, 0.30))
    return strokes


def veins() -> list[Stroke]:
    """The network on the back of the hand."""
    generator = stream(0, "skin", "vein lines")
    return [_curve((1.5 * width, depth, path), generator, 0.0012) for width, depth, path in VEINS]


def tendons() -> list[Stroke]:
    """From the knuckles to the middle of the wrist; they sink towards it."""
    strokes = []
    for knuckle in KNUCKLES:
        points = np.linspace(knuckle - [0.004, 0], [0.012, 0.25 * knuckle[1] - 0.002], 60)
        width = 0.0021 - 0.0006 * np.linspace(0, 1, 60)
        for piece in range(0, 60, 4):  # in pieces, since a stroke has one depth
            part = slice(piece, piece + 5)
            strokes.append((points[part], width[part], float(1 - 0.9 * (piece / 60) ** 1.5)))
    return strokes


def knuckle_folds() -> list[Stroke]:
    """The back of a finger's middle joint: arches that part around its middle, with fine lines between and across."""
    generator, strokes = stream(0, "skin", "knuckle folds"), []
    for shift in (-0.0070, -0.0054, -0.0040, -0.0027, -0.0013, 0.0001, 0.0016, 0.0031, 0.0046, 0.0064):
        strength = float(np.exp(-((shift / 0.0055) ** 2)))
        for _ in range(2):
            centre, half = generator.normal(0, 0.0012), generator.uniform(0.0035, 0.0072)
            around = centre + np.linspace(-half, half, 15)
            along = shift * (1.1 - 0.45 * (around / 0.009) ** 2) + generator.normal(0, 0.0003)
            width = (0.00013 + 0.00014 * strength) * (1 - 0.6 * np.linspace(-1, 1, 15) ** 2)
            points = _shaken(np.stack([along, around], axis=1), generator, 0.00022)
            strokes.append((points, width, strength * generator.uniform(0.45, 1.0)))
    spread = ((-0.008, 0.008), (-0.009, 0.009), (0.0012, 0.0045))
    strokes += list(_scattered(generator, 70, *spread, 1.57, 0.00010, 0.40))
    return strokes + list(_scattered(generator, 60, *spread, 0.4, 0.00008, 0.25))


def finger_creases() -> list[Stroke]:
    """The palm side of a finger joint: a deep crease, a lesser one beside it, fine ones around."""
    generator, around = stream(0, "skin", "finger creases"), np.linspace(-0.0155, 0.0155, 40)
    strokes = []
    for shift, width, depth in ((0.0, 0.00042, 1.0), (0.0021, 0.00030, 0.6), (-0.0019, 0.0002, 0.35)):
        along = shift + 0.0006 * np.cos(around / 0.0042)
        strokes.append((_shaken(np.stack([along, around], axis=1), generator, 0.00028), width, depth))
    spread = ((-0.006, 0.006), (-0.0155, 0.0155), (0.0015, 0.0045))
    return strokes + list(_scattered(generator, 70, *spread, 1.57, 0.00011, 0.35))


def _curve(line: tuple[float, float, tuple], generator: np.random.Generator, shake: float) -> Stroke:
    width, depth, points = line
    path = _shaken(_smooth(np.array(points, dtype=float) / 1000), generator, shake)
    ends = np.minimum(1, 6 * np.linspace(0, 1, len(path)) * np.linspace(1, 0, len(path)) + 0.35)
    return path, width / 1000 * ends, depth


def _smooth(points: Float[np.ndarray, "k 2"]) -> Float[np.ndarray, "120 2"]:
    """A curve through points (Catmull–Rom)."""
    ends = np.concatenate([[2 * points[0] - points[1]], points, [2 * points[-1] - points[-2]]])
    at = np.linspace(0, len(points) - 1 - 1e-9, 120)
    index, t = at.astype(int), (at % 1)[:, None]
    a, b, c, d = (ends[index + k] for k in range(4))
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)


def _shaken(points: Float[np.ndarray, "k 2"], generator: np.random.Generator, size: float) -> Float[np.ndarray, "k 2"]:
    """The path with smooth deviations of about `size` metres."""
    t = np.linspace(0, 1, len(points))[:, None]
    waves = [np.sin(2 * np.pi * (k * t + generator.uniform(0, 1, 2))) / np.sqrt(k) for k in (1.1, 2.3, 4.1)]
    return points + 0.8 * size * sum(waves)


def _short(generator, start, length, direction, width, depth) -> Stroke:
    angle = generator.normal(direction, 0.35) + generator.integers(0, 2) * np.pi
    turn = angle + generator.normal(0, 0.5) * np.linspace(0, 1, 14)
    steps = length / 14 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return start + np.cumsum(steps, axis=0), width * (1 - 0.7 * np.linspace(-1, 1, 14) ** 2), depth


def _scattered(generator, count, first, second, lengths, direction, width, depth) -> Iterator[Stroke]:
    """Short lines anywhere in a rectangle, in about one direction (radians from the first axis)."""
    for _ in range(count):
        start = np.array([generator.uniform(*first), generator.uniform(*second)])
        length, share = generator.uniform(*lengths), generator.uniform(0.3, 1.0)
        yield _short(generator, start, length, direction, width, depth * share)
