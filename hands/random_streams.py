"""Random streams that depend on names alone: the same in any order, shard or machine."""

import hashlib
import json

import numpy as np
import torch


def stream(run_seed: int, *names: str | int) -> np.random.Generator:
    """A generator for one purpose, for example `stream(seed, pose_id, view, "camera")`."""
    key = json.dumps([str(part) for part in (run_seed, *names)]).encode()  # unlike a join, keeps the parts apart
    return np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(key).digest()[:16], "little")))


def torch_stream(run_seed: int, *names: str | int) -> torch.Generator:
    """The same for torch; on the CPU, so that a seed means the same numbers on every device."""
    return torch.Generator().manual_seed(int(stream(run_seed, *names).integers(2**62)))
