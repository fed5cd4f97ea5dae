"""Pictures that the skin's shader looks things up in: fine relief and hair that repeat, and the lines of palm, back and joints.

They are drawn here from numbers, the same every time, so there is nothing to license. A look-up costs a fraction of
the noise that it replaces. `rendering.skin.map` says where on the hand each point of them lies.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree

from hands.random_streams import stream
from rendering.skin.lines import Stroke, back_lines, finger_creases, knuckle_folds, palm_lines, tendons, veins

TILE = 0.030
"""Side in metres of the skin that the repeating picture shows."""
TILE_PIXELS = 768
HAIRS = 170
"""Hairs in one tile when all of them grow."""
PALM_FROM, PALM_SIZE = np.array([-0.045, -0.052]), np.array([0.150, 0.104])
"""Lowest corner and size (distal, radial), metres, of the palm on the picture of lines, in `CANONICAL` proportions."""
CANONICAL = np.array([[0.0, 0.0], [0.099, 0.0352], [0.0892, -0.0287]])
"""Wrist, index and little finger's knuckles (distal, radial, metres) of the hand that the lines are drawn for."""
JOINT_SIZE = np.array([0.020, 0.032])
"""Length along the finger and around it, metres, of the finger joint beside the palm."""
PALM_DENSITY, JOINT_DENSITY = 8000, 16000
"""Pixels per metre."""
LINES_SHAPE = (832, 1520)
"""Rows and columns."""


@lru_cache(maxsize=1)
def detail_picture() -> Float[np.ndarray, "p p 4"]:
    """Repeats every `TILE`: rows towards the little finger, columns towards the fingertips.

    Channels: height of the fine relief (0 furrow, 1 plateau); hair (0 none, else the share of hairs above which it
    grows); tone in patches of 1–4 mm; pores and grain of a quarter millimetre (both around 0.5).
    """
    grain, tone = _band(0.00015, 0.0005, "grain"), _band(0.0010, 0.0045, "tone")
    picture = np.stack([_relief(), _hairs(), 0.5 + 0.17 * tone, 0.5 + 0.17 * grain], axis=-1)
    return picture.clip(0, 1).astype(np.float32)


@lru_cache(maxsize=1)
def line_picture() -> Float[np.ndarray, "p p 4"]:
    """Palm and back of the hand (columns distal, rows radial), then one finger joint (along, around).

    Channels: creases of the back; creases of the palm side; veins of the back; tendons of the back (all 0–1).
    """
    canvas = np.zeros((4, *LINES_SHAPE), dtype=np.float32)
    for channel, strokes in enumerate((back_lines(), palm_lines(), veins(), tendons())):
        canvas[channel, :, : _joint_column()] = _drawn(strokes, PALM_FROM, PALM_SIZE, PALM_DENSITY)
    for channel, strokes in enumerate((knuckle_folds(), finger_creases())):
        joint = _drawn(strokes, -JOINT_SIZE / 2, JOINT_SIZE, JOINT_DENSITY)
        canvas[channel, : len(joint), _joint_column() :] = joint
    return np.moveaxis(canvas, 0, -1).clip(0, 1)


def palm_place(position: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """Where on the picture of lines, 0–1, a (distal, radial) position of the canonical palm lies."""
    return (position - PALM_FROM) * PALM_DENSITY / np.array(LINES_SHAPE[::-1])


def joint_place(position: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """Where on it metres (along the finger from the crease, around it from the middle of its back) lie."""
    half = JOINT_SIZE / 2 - 2 / JOINT_DENSITY
    pixels = (position.clip(-half, half) + JOINT_SIZE / 2) * JOINT_DENSITY + np.array([_joint_column(), 0])
    return pixels / np.array(LINES_SHAPE[::-1])


def _joint_column() -> int:
    return int(PALM_SIZE[0] * PALM_DENSITY)


def _band(shortest: float, longest: float, name: str) -> Float[np.ndarray, "p p"]:
    """A periodic random field of mean 0 and variance 1 with wavelengths in metres between the two."""
    white = stream(0, "skin", name).standard_normal((TILE_PIXELS, TILE_PIXELS))
    cycles = np.fft.fftfreq(TILE_PIXELS, TILE / TILE_PIXELS)
    frequency = np.hypot(cycles[:, None], cycles[None, :]).clip(1e-6)
    spectrum = (
        np.fft.fft2(white) * np.exp(-((frequency * shortest) ** 2) - (1 / (frequency * longest)) ** 2) / frequency
    )
    field = np.fft.ifft2(spectrum).real
    return field / field.std()


def _relief() -> Float[np.ndarray, "p p"]:
    """Plateaus of about 0.8 mm between furrows, as on the back of a hand, longer across the hand than along it."""
    generator = stream(0, "skin", "relief")
    position = (np.arange(TILE_PIXELS) + 0.5) * TILE / TILE_PIXELS * 1000
    rows, columns = np.meshgrid(position, position, indexing="ij")
    period, bend = TILE * 1000, 0.10
    rows = rows + bend * _band(0.0006, 0.003, "relief bends")
    seeds = generator.uniform(0, period, (int((period / 0.8) ** 2), 2))
    points = np.stack([rows.ravel() % period, columns.ravel() % period], axis=1).clip(0, period * (1 - 1e-9))
    near, _ = cKDTree(seeds, boxsize=period).query(points, k=2)
    gap = (near[:, 1] - near[:, 0]).reshape(rows.shape)
    return 1 - np.exp(-gap / 0.16)


def _hairs() -> Float[np.ndarray, "p p"]:
    """Thin strokes, distal and towards the little finger; each has a value, and grows when enough hairs do."""
    generator, canvas = stream(0, "skin", "hairs"), np.zeros((TILE_PIXELS, TILE_PIXELS), dtype=np.float32)
    share = np.linspace(0, 1, 60)
    for rank in (np.arange(HAIRS) + 1) / HAIRS:
        length, angle = generator.uniform(0.005, 0.011), generator.normal(0.75, 0.28)
        turn = angle + generator.normal(0, 0.45) * share
        step = length / len(share) * np.stack([np.cos(turn), np.sin(turn)], axis=1)
        points = generator.uniform(0, TILE, 2) + np.cumsum(step, axis=0)
        width = 4.2e-5 * (1.15 - 0.6 * share) * TILE_PIXELS / TILE
        _draw(canvas, points * TILE_PIXELS / TILE, width, rank)
    return canvas


def _drawn(strokes: list[Stroke], corner: np.ndarray, size: np.ndarray, density: int) -> Float[np.ndarray, "h w"]:
    """Strokes on a rectangle of so many pixels per metre."""
    canvas = np.zeros((round(size[1] * density), round(size[0] * density)), dtype=np.float32)
    for points, width, depth in strokes:
        _draw(canvas, (points - corner) * density, width * density, depth)
    return canvas


def _draw(canvas: Float[np.ndarray, "h w"], points: np.ndarray, width: object, value: float) -> None:
    """Stamp soft dots along a path of (column, row) pixels; where dots meet the strongest counts, edges are joined."""
    width = np.broadcast_to(
        np.asarray(width, dtype=float).reshape(-1, 1) if np.ndim(width) else width, (len(points), 1)
    )
    dense, thick = _refined(points, width[:, 0])
    reach = int(np.ceil(2.2 * max(thick.max(), 0.6)))
    offsets = np.stack(np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1)), -1).reshape(-1, 2)
    pixels = np.floor(dense)[:, None] + offsets
    distance = ((pixels + 0.5 - dense[:, None]) ** 2).sum(-1)
    ink = value * np.exp(-distance / np.maximum(thick, 0.6)[:, None] ** 2)
    column, row = pixels[..., 0].astype(int), pixels[..., 1].astype(int)
    height, across = canvas.shape
    keep = ink > 0.02 * value
    place = (row % height * across + column % across)[keep]
    np.maximum.at(canvas.reshape(-1), place, ink[keep].astype(np.float32))


def _refined(points: np.ndarray, width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The path with a point every half pixel, or every third of its width where that is more."""
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    count = max(2, int(length[-1] / max(0.5, 0.33 * float(width.max()))))
    at = np.linspace(0, length[-1], count)
    return np.stack([np.interp(at, length, points[:, k]) for k in (0, 1)], 1), np.interp(at, length, width)
