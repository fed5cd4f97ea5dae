"""How this package's Warp kernels meet torch: precisions, views without copies, launches on the tensor's own device."""

import os
from collections.abc import Sequence
from functools import lru_cache

import torch
import warp as wp
from torch import Tensor

wp.config.log_level = wp.LOG_ERROR  # no banner, and no warning where there is no GPU
_REALS = {torch.float32: wp.float32, torch.float64: wp.float64}


def real_of(tensor: Tensor) -> type:
    """Warp's scalar type for a tensor of real numbers."""
    return _REALS[tensor.dtype]


def launch(kernel: wp.Kernel, threads: Sequence[int], arguments: Sequence[Tensor | int | float]) -> None:
    """Run a kernel over a grid of threads; tensors are passed as views and must be contiguous."""
    start()
    device = next(str(a.device) for a in arguments if isinstance(a, Tensor))
    views = [_view(a, expected.type) for a, expected in zip(arguments, kernel.adj.args, strict=True)]
    wp.launch(kernel, dim=tuple(threads), inputs=views, device=device)


def _view(value: Tensor | int | float, kind: object) -> object:
    if not isinstance(value, Tensor):
        return value
    return wp.from_torch(value, dtype=kind.dtype, requires_grad=False, return_ctype=True)


@lru_cache
def start() -> None:
    """Once a process: no banner, and compiled kernels kept where `WARP_CACHE_PATH` says, or in Warp's own cache."""
    if folder := os.environ.get("WARP_CACHE_PATH"):
        wp.config.kernel_cache_dir = folder
    wp.init()
