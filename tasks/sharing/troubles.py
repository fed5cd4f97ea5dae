"""What went wrong with a shard, by class: the class decides what is tried next; docs/operations.md lists them."""

from enum import StrEnum

import torch

from dataset.errors import InputError, StorageError
from rendering.failures import Failure, RenderError


class Trouble(StrEnum):
    """Classes of trouble with a whole shard. Of a single image or pose, the step itself sets it aside."""

    MEMORY = "out of memory"
    """Tried again at once with half the batch, in a new Blender process."""
    DEVICE = "device lost"
    """Given back; this worker ends, and the shard goes to another device."""
    STORAGE = "storage"
    """Given back if possible; tried again after a pause, which grows."""
    INPUT = "bad input"
    """The same for every worker: the run ends with the sentence."""
    OTHER = "failed"
    """Given back with the fault noted; set aside when it has failed three times."""


_NO_MEMORY = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "Failed to allocate")
_LOST = ("CUDA error", "no CUDA-capable device", "device-side assert", "driver shutting down", "Warp CUDA error")


def trouble_of(error: Exception) -> Trouble:
    """The class of an error that ended the work on a shard."""
    if isinstance(error, StorageError):
        return Trouble.STORAGE
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return Trouble.MEMORY
    if isinstance(error, RenderError):
        return Trouble.MEMORY if error.failure is Failure.OUT_OF_MEMORY else Trouble.OTHER
    if isinstance(error, InputError):
        return Trouble.INPUT
    if isinstance(error, RuntimeError):
        text = str(error)
        if any(words in text for words in _NO_MEMORY):
            return Trouble.MEMORY
        if any(words in text for words in _LOST):
            return Trouble.DEVICE
    return Trouble.OTHER
