"""What a training leaves while it runs, as docs/training-jobs.md promises: metrics, checkpoints, samples as pictures."""

import json
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging

from dataset.atomic import atomic_file
from models.weight_files import FILE
from tasks.lightning_training.config import epochs_of
from tasks.lightning_training.learner import StepLearner
from tasks.training_job.job import CHECKPOINTS, HEARTBEAT, METRICS

Look = Callable[[StepLearner, int, Path], dict[str, float]]
"""Measures a network that is in training, and may leave pictures; gets the step and the folder."""


class Reports(Callback):
    """Metrics, heartbeat, checkpoints, looks at what was not learnt from; and the end when SIGTERM asks for it."""

    def __init__(self, out: Path, look: Look, notes: dict[str, Any]) -> None:
        """`notes` go into the published network."""
        self.out, self.look, self.notes = out, look, notes
        self.before, self.began = 0.0, time.monotonic()
        self.sums: dict[str, float] = {}
        self.count, self.since, self.asked = 0, time.monotonic(), False
        self.ready, self.waited = self.since, 0.0
        """When the last step was done with, and the seconds since the last line in which none was at work."""

    @property
    def seconds(self) -> float:
        """Training time over all attempts."""
        return self.before + time.monotonic() - self.began

    def on_train_start(self, trainer: Trainer, learner: LightningModule) -> None:
        """From here SIGTERM means: save and end. Lightning's own handler would leave the loop at once."""
        signal.signal(signal.SIGTERM, self._ask)
        self.before, self.began = learner.seconds, time.monotonic()
        self.since = self.ready = self.began

    def on_train_batch_start(self, trainer: Trainer, learner: LightningModule, batch: object, batch_idx: int) -> None:
        """The step has its data."""
        self.waited += time.monotonic() - self.ready

    def on_train_batch_end(
        self, trainer: Trainer, learner: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """After a step of the optimiser, on every rank."""
        step, report = trainer.global_step, learner.config.report
        for name, value in learner.terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value)
        self.count += 1
        self._refuse_nan(step)
        asked = trainer.strategy.reduce(torch.tensor(float(self.asked), device=learner.device), reduce_op="sum") > 0
        last = step >= learner.total
        if trainer.is_global_zero and (step % report.metrics == 0 or last or asked):
            self._line(trainer, learner, step)
        if last or asked or step % report.checkpoint == 0:
            self._checkpoint(trainer, learner, step)
        if trainer.is_global_zero and report.validation and (last or step % report.validation == 0):
            self._look(trainer, learner, step)
        trainer.should_stop = trainer.should_stop or bool(asked)
        self.ready = time.monotonic()

    def on_fit_end(self, trainer: Trainer, learner: LightningModule) -> None:
        """The last line; also of a training that goes on from its last checkpoint, where no step is left."""
        if trainer.is_global_zero and (step := trainer.global_step) >= learner.total:
            seconds = round(max(self.seconds, learner.seconds), 1)
            self.write({"step": step, "total_steps": learner.total, "seconds": seconds, "finished": True})

    def write(self, line: dict[str, Any]) -> None:
        """Add a line to the metrics."""
        with (self.out / METRICS).open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _line(self, trainer: Trainer, learner: StepLearner, step: int) -> None:
        now = time.monotonic()
        terms = {f"loss/{name}": value / self.count for name, value in self.sums.items()}
        line = {"step": step, "loss": sum(terms.values()), **terms, "lr": trainer.optimizers[0].param_groups[0]["lr"]}
        line |= {
            "epoch": round(epochs_of(step, learner.config.optimiser, learner.samples), 4),
            "seconds": round(self.seconds, 1),
            "samples_per_second": round(self.count * learner.samples_in_step / (now - self.since), 2),
            "waiting_percent": round(100 * self.waited / (now - self.since), 2),
            "total_steps": learner.total,
        }
        self.write(line)
        (self.out / HEARTBEAT).touch()
        self.sums, self.count, self.since, self.waited = {}, 0, now, 0.0

    def _refuse_nan(self, step: int) -> None:
        if not all(map(math.isfinite, self.sums.values())):
            raise FloatingPointError(
                f"the loss of step {step} is not a number; a lower optimiser.learning_rate may help"
            )

    def _checkpoint(self, trainer: Trainer, learner: StepLearner, step: int) -> None:
        """Everything needed to go on, and the network as it would be used; both appear whole."""
        folder = self.out / CHECKPOINTS
        folder.mkdir(parents=True, exist_ok=True)
        learner.seconds = self.seconds
        partial = self.out / ".unfinished.ckpt"
        trainer.save_checkpoint(partial)
        if trainer.is_global_zero:
            # First, since who goes on from the last checkpoint has no step left to do it.
            self._publish(trainer, learner, step)
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.rename(folder / f"step-{step:08d}.ckpt")
            for old in sorted(folder.glob("step-*.ckpt"))[: -learner.config.report.keep]:
                old.unlink()

    def _publish(self, trainer: Trainer, learner: StepLearner, step: int) -> None:
        with averaged(trainer, learner), atomic_file(self.out / FILE) as file:
            learner.publish(file, self.notes | {"steps": step, "seconds": round(self.seconds, 1)})

    def _look(self, trainer: Trainer, learner: StepLearner, step: int) -> None:
        (self.out / HEARTBEAT).touch()
        began = time.monotonic()
        with averaged(trainer, learner):
            found = self.look(learner, step, self.out)
        self.write({"step": step, **{f"val/{name}": value for name, value in found.items()}})
        self.since += time.monotonic() - began

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True


@contextmanager
def averaged(trainer: Trainer, learner: StepLearner) -> Iterator[torch.nn.Module]:
    """In the block the learner has the moving average of its weights, in evaluation mode; gives the network."""
    average = next((callback for callback in trainer.callbacks if isinstance(callback, WeightAveraging)), None)
    if average:
        average.on_validation_epoch_start(trainer, learner)  # Lightning's way to exchange the two
    learner.network.eval()
    try:
        yield learner.network
    finally:
        learner.network.train()
        if average:
            average.on_validation_epoch_end(trainer, learner)
