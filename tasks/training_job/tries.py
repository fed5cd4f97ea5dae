"""What the next attempt does otherwise than the one that failed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dataset.errors import InputError
from tasks.training_job.devices import fewer_devices
from tasks.training_job.failures import Failed, TrainingError, TrainingFailure


@dataclass(frozen=True)
class Try:
    """What one start of the trainer differs in from another."""

    devices: tuple[str, ...]
    """One for each training process."""
    batch_scale: float = 1.0
    """Share of the usual batch that lies on a device at once."""


def next_try(tried: Try, failures: Sequence[Failed], retries: int) -> Try:
    """The attempt after those that failed so, the last of which was `tried`.

    Raises:
        InputError: the trainer refused its input; no attempt would change that.
        TrainingError: there is no reason to hope, or no retry left.
    """
    failure, detail = failures[-1]
    if failure is TrainingFailure.BAD_INPUT:
        raise InputError(detail)
    earlier = failures[:-1]
    if failure is TrainingFailure.OUT_OF_MEMORY:
        following = replace(tried, batch_scale=tried.batch_scale / 2)
    elif failure is TrainingFailure.LOST_DEVICE:
        lost_before = any(known.failure is failure for known in earlier)
        following = replace(tried, devices=fewer_devices(tried.devices)) if lost_before else tried
    elif failures[-1] in earlier:
        raise TrainingError(f"{failure}, the same twice: {detail}")
    else:
        following = tried
    if len(earlier) >= retries:
        attempts = "attempt" if len(failures) == 1 else "attempts"
        raise TrainingError(f"given up after {len(failures)} {attempts}: {failure}: {detail}")
    return following
