"""How this package's Warp kernels meet torch: precisions, views without copies, launches on the tensor's own device."""

import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import torch
import warp as wp
from torch import Tensor

wp.config.log_level = wp.LOG_ERROR  # no banner, no line a compiled kernel
_REALS = {torch.float32: wp.float32, torch.float64: wp.float64}
_NO_GPU = b"could not find or load the nvidia cuda driver"


def real_of(tensor: Tensor) -> type:
    """Warp's scalar type for a tensor of real numbers."""
    return _REALS[tensor.dtype]


def launch(kernel: wp.Kernel, threads: Sequence[int], arguments: Sequence[Tensor | int | float]) -> None:
    """Run a kernel over a grid of threads; tensors are passed as views and must be contiguous."""
    start()
    device = next(a.device for a in arguments if isinstance(a, Tensor))
    views = [_view(a, expected.type) for a, expected in zip(arguments, kernel.adj.args, strict=True)]
    with in_turn(device):
        wp.launch(kernel, dim=tuple(threads), inputs=views, device=str(device))


def in_turn(device: torch.device) -> AbstractContextManager:
    """Warp's work inside comes after torch's before it and before torch's after it: on a GPU both use torch's stream."""
    return wp.ScopedStream(wp.stream_from_torch(device)) if device.type == "cuda" else nullcontext()


def _view(value: Tensor | int | float, kind: object) -> object:
    if not isinstance(value, Tensor):
        return value
    return wp.from_torch(value, dtype=kind.dtype, requires_grad=False, return_ctype=True)


@lru_cache
def start() -> None:
    """Once a process. Compiled kernels are kept where `WARP_CACHE_PATH` says, or in Warp's own cache.

    Warp's library writes straight to the process's error stream that there is no GPU; that one line is kept back.
    """
    if folder := os.environ.get("WARP_CACHE_PATH"):
        wp.config.kernel_cache_dir = folder
    with tempfile.TemporaryFile() as caught:
        sys.stderr.flush()
        stream = os.dup(2)
        os.dup2(caught.fileno(), 2)
        try:
            wp.init()
        finally:
            os.dup2(stream, 2)
            os.close(stream)
        caught.seek(0)
        for line in caught:
            if _NO_GPU not in line.lower():
                os.write(2, line)


def device_fault(device: str) -> str | None:
    """Why poses cannot be worked on there, as a sentence; None when they can."""
    try:
        where = torch.device(device)
    except RuntimeError:
        return f"'{device}' is no device; write cpu, cuda or cuda:1"
    if where.type == "cpu":
        return None
    if where.type != "cuda" or not torch.cuda.is_available():
        return f"torch sees no device '{device}' here; write cpu, or install torch for your GPU"
    start()
    if not wp.is_cuda_available():
        return "Warp cannot use the GPU that torch sees: its wheel on PyPI needs NVIDIA driver 580 or newer; write cpu"
    return None
