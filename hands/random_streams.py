"""Random streams that depend on names alone: the same in any order, shard or machine."""

import hashlib
import json

import numpy as np


def stream(run_seed: int, *names: str | int) -> np.random.Generator:
    """A generator for one purpose, for example `stream(seed, pose_id, view, "camera")`."""
    key = json.dumps([str(part) for part in (run_seed, *names)]).encode()  # unlike a join, keeps the parts apart
    return np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(key).digest()[:16], "little")))
