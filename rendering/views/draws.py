"""Random numbers of many views at once, each a function of what it is for.

The generator is Philox 4×64 with ten rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a
block of four numbers is a hash of a counter under a key. The key is (run seed, pose), the counter (block, attempt, view,
purpose), so a number needs no numbers before it and is the same in any order, batch, process or machine.
"""

import hashlib
import json
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, UInt64
from scipy.special import ndtri

_MULTIPLIERS = (np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157))
_STEPS = np.array([0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B], dtype=np.uint64)
_ROUNDS = 10
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def pose_keys(seed: int, pose_ids: Sequence[str]) -> UInt64[np.ndarray, "p 2"]:
    """The keys of poses in a run."""
    words = b"".join(_digest([str(seed), pose_id], 16) for pose_id in pose_ids)
    return np.frombuffer(words, dtype="<u8").astype(np.uint64).reshape(-1, 2)


def uniforms(
    keys: UInt64[np.ndarray, "n 2"], purpose: str, view: Int[np.ndarray, "n"], attempt: int, count: int
) -> Float[np.ndarray, "n count"]:
    """Numbers strictly between 0 and 1 for one purpose of each view, for example "camera"."""
    blocks = -(-count // 4)
    counter = np.zeros((len(keys), blocks, 4), dtype=np.uint64)
    counter[..., 0] = np.arange(blocks)
    counter[..., 1] = attempt
    counter[..., 2] = view[:, None]
    counter[..., 3] = int.from_bytes(_digest([purpose], 8), "little")
    drawn = philox(counter, keys[:, None]).reshape(len(keys), -1)[:, :count]
    return ((drawn >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def normals(uniform: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Standard normal numbers, each from one uniform number."""
    return ndtri(uniform)


def between(uniform: Float[np.ndarray, "*n"], ends: tuple[float, float]) -> Float[np.ndarray, "*n"]:
    """Numbers spread evenly between two ends."""
    return ends[0] + (ends[1] - ends[0]) * uniform


def choices(uniform: Float[np.ndarray, "*n"], count: int) -> Int[np.ndarray, "*n"]:
    """One of 0 … count - 1 for each number."""
    return (uniform * count).astype(np.int64)


def philox(counter: UInt64[np.ndarray, "*n 4"], key: UInt64[np.ndarray, "*m 2"]) -> UInt64[np.ndarray, "*n 4"]:
    """Philox 4×64-10: the block of each counter under its key (shapes broadcast)."""
    a, b, c, d = np.moveaxis(counter, -1, 0)
    key = key.copy()
    for _ in range(_ROUNDS):
        (high_a, low_a), (high_c, low_c) = _product(_MULTIPLIERS[0], a), _product(_MULTIPLIERS[1], c)
        a, b, c, d = high_c ^ b ^ key[..., 0], low_c, high_a ^ d ^ key[..., 1], low_a
        key += _STEPS
    return np.stack([a, b, c, d], axis=-1)


def _product(
    factor: np.uint64, values: UInt64[np.ndarray, "*n"]
) -> tuple[UInt64[np.ndarray, "*n"], UInt64[np.ndarray, "*n"]]:
    """Upper and lower 64 bits of the 128-bit product, from halves."""
    (f1, f0), (v1, v0) = (factor >> _HALF, factor & _LOW), (values >> _HALF, values & _LOW)
    middle = f1 * v0 + ((f0 * v0) >> _HALF)
    rest = f0 * v1 + (middle & _LOW)
    return f1 * v1 + (middle >> _HALF) + (rest >> _HALF), factor * values


def _digest(names: list[str], size: int) -> bytes:
    return hashlib.sha256(json.dumps(names).encode()).digest()[:size]  # unlike a join, keeps the parts apart
