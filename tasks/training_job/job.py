"""A training job in its output folder: nobody else writes there meanwhile, and what was done is written down."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dataset.atomic import atomic_write, is_partial, only_one
from dataset.errors import InputError
from dataset.versions import code_version
from tasks.training_job.config import TrainingJobConfig
from tasks.training_job.trainer import Trainer

FILE, METRICS, CHECKPOINTS, HEARTBEAT = "job.json", "metrics.jsonl", "checkpoints", "heartbeat"
_BUSY = "another training job is writing here; wait until it has ended, or give another folder"
_TAIL = 1 << 16
"""Bytes at the end of the metrics in which the last line is looked for."""


@dataclass(frozen=True)
class TrainingDataset:
    """What a job learns from."""

    url: str
    runs: tuple[str, ...]
    """Checksums of the runs that made it: they tell it from any other, wherever it lies and however it has grown."""
    rows: int
    """Of the table that the trainer reads."""


@dataclass(frozen=True)
class TrainingResult:
    """What a job leaves."""

    finished: bool
    """Whether the training is complete; otherwise the same job goes on from the checkpoint."""
    checkpoint: Path | None
    metrics: dict[str, Any]
    """The last line of the metrics."""

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return asdict(self) | {"checkpoint": str(self.checkpoint) if self.checkpoint else None}


@dataclass
class TrainingJob:
    """A job whose folder is locked."""

    trainer: Trainer
    config: TrainingJobConfig
    dataset: TrainingDataset
    place: int
    """Number of this node among those that write to the folder."""
    attempts: list[dict[str, Any]]
    """What every attempt did and how it ended, also those of earlier jobs in this folder."""

    @property
    def out(self) -> Path:
        """The folder."""
        return self.config.out

    @property
    def log(self) -> Path:
        """Everything that this node's training processes write."""
        return self.out / ("training.log" if self.place == 0 else f"training-{self.place}.log")

    def checkpoint(self) -> Path | None:
        """The newest checkpoint: the last by name; None when there is none."""
        files = [path for path in (self.out / CHECKPOINTS).glob("*") if not is_partial(path)]
        return max(files, default=None, key=lambda path: path.name)

    def metrics(self) -> dict[str, Any]:
        """The last whole line of the metrics; empty when there is none."""
        try:
            with (self.out / METRICS).open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - _TAIL))
                lines = file.read().splitlines()
        except FileNotFoundError:
            return {}
        return next(filter(None, map(_object, reversed(lines))), {})

    def note(self, **values: Any) -> None:
        """Write down what was done so far, and `values`."""
        if self.place == 0:
            content = {
                "network": self.trainer.network,
                "dataset": asdict(self.dataset),
                "code_version": code_version(),
                "config": self.config.model_dump(mode="json"),
                "attempts": self.attempts,
            }
            atomic_write(self.out / FILE, json.dumps(content | values, indent=1) + "\n")


@contextmanager
def open_job(trainer: Trainer, config: TrainingJobConfig, dataset: TrainingDataset) -> Iterator[TrainingJob]:
    """A new job in `config.out`, or the one there that goes on.

    Raises:
        InputError: another job is writing there, the folder holds another training, or it cannot be written.
    """
    with _locked(config.out, config.nodes) as place:
        there = _read(config.out / FILE)
        if there:
            _refuse_other(config, there, trainer, dataset)
        job = TrainingJob(trainer, config, dataset, place, there.get("attempts", []))
        job.note()
        yield job


@contextmanager
def _locked(out: Path, nodes: int) -> Iterator[int]:
    """Take a place in the folder: there is one for each node that the job has."""
    with ExitStack() as held:
        for place in range(nodes):
            name = ".training.lock" if place == 0 else f".training-{place}.lock"
            try:
                held.enter_context(only_one(out / name, _BUSY))
            except InputError as error:
                if place == nodes - 1 or _BUSY not in str(error):
                    raise
            else:
                break
        yield place


def _refuse_other(config: TrainingJobConfig, there: dict[str, Any], trainer: Trainer, dataset: TrainingDataset) -> None:
    """Where a trainer has left a checkpoint, only the same training goes on; where it refused its data, other data may come."""
    out = config.out
    if there["network"] != trainer.network:
        raise InputError(f"{out}: holds a training of {there['network']}; give {trainer.network} another folder")
    is_begun = any(not is_partial(path) for path in (out / CHECKPOINTS).glob("*"))
    if is_begun and not set(there["dataset"]["runs"]) <= set(dataset.runs):
        raise InputError(
            f"{out}: holds a training on another dataset, {there['dataset']['url']}, and {dataset.url} is not that one grown; "
            "give another folder"
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (ValueError, OSError):
        content = None
    if not isinstance(content, dict) or not {"network", "dataset", "attempts"} <= content.keys():
        raise InputError(f"{path}: is damaged; remove it to go on from the checkpoints beside it")
    return content


def _object(line: bytes) -> dict[str, Any]:
    """A line of JSON; empty for one that was cut off."""
    try:
        content = json.loads(line)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
