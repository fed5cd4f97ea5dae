"""The steps of a training job."""

import math
import time

from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.storage.opening import open_store
from tasks.observing.stages import read_stages
from tasks.step import step
from tasks.training_job.config import TrainingJobConfig
from tasks.training_job.devices import device_environment, training_devices
from tasks.training_job.failures import Failed, TrainingError
from tasks.training_job.job import HEARTBEAT, TrainingDataset, TrainingJob, TrainingResult
from tasks.training_job.log import Log, teller
from tasks.training_job.supervisor import End, Ending, Limits, attempt
from tasks.training_job.termination import sigterm_raised
from tasks.training_job.trainer import Trainer
from tasks.training_job.tries import Try, next_try


@step
def check_dataset(trainer: Trainer, config: TrainingJobConfig) -> TrainingDataset:
    """What the job learns from.

    Raises:
        InputError: no dataset, one of another version, unfinished, or without what the trainer learns from.
    """
    manifest = Manifest.read(open_store(config.dataset))
    if not manifest.is_finished and not _is_complete(manifest, trainer.table):
        raise InputError(f"{config.dataset}: is not finished; let its run end before a network learns from it")
    rows = manifest.rows(trainer.table)
    if rows == 0:
        raise InputError(f"{config.dataset}: has no {trainer.table}, which {trainer.network} learns from")
    return TrainingDataset(config.dataset, tuple(sorted(manifest.runs)), rows)


@step
def launch_trainer(job: TrainingJob) -> None:
    """Train until it is done, or the time is up, or there is no more reason to try.

    Raises:
        InputError: too few GPUs, or the trainer refused its input.
        TrainingError: training failed for good.
    """
    tell, config, failures = teller(), job.config, []
    hours = config.max_hours or math.inf
    until = time.monotonic() + 3600 * hours
    tried = Try(training_devices(config.processes))
    with sigterm_raised():
        while (ending := _attempt(job, tried, until, Log(job.log, tell))).end is End.FAILED:
            failures.append(ending.failed)
            tried = _after(job, tried, failures)
            tell(f"{job.trainer.network}: {': '.join(ending.failed)}; trying again: {_in_words(tried)}")
            if time.monotonic() > until:
                break


@step
def record_result(job: TrainingJob) -> TrainingResult:
    """What the job leaves, also written to its folder.

    Raises:
        TrainingError: the trainer says that it has finished, and there is no checkpoint.
    """
    metrics = job.metrics()
    result = TrainingResult(metrics.get("finished") is True, job.checkpoint(), metrics)
    if result.finished and result.checkpoint is None:
        raise TrainingError(f"{job.out}: the trainer of {job.trainer.network} has finished and left no checkpoint")
    job.note(result=result.as_json())
    return result


def _is_complete(manifest: Manifest, table: str) -> bool:
    """Whether the stage that makes this table is done, though others are not: poses before their images."""
    shards = read_stages(manifest.store).get(table)
    return bool(shards) and len(manifest.shards[table]) == shards


def _attempt(job: TrainingJob, tried: Try, until: float, log: Log) -> Ending:
    """Start the trainer once, and note how that ended, also when something ends this process."""
    config, started = job.config, time.monotonic()
    limits = Limits(until, config.grace_seconds, 60 * config.stall_minutes or math.inf)
    ending = Ending(End.STOPPED)
    try:
        environment = device_environment(tried.devices)
        ending = attempt(_torchrun(job, tried), environment, job.out / HEARTBEAT, limits, log)
        return ending
    finally:
        job.attempts.append(
            {
                "devices": list(tried.devices),
                "batch_scale": tried.batch_scale,
                "seconds": round(time.monotonic() - started, 1),
                "ending": ": ".join(ending.failed or [ending.end]),
            }
        )
        job.note()


def _after(job: TrainingJob, tried: Try, failures: list[Failed]) -> Try:
    """The next attempt, or a sentence that says why there is none."""
    retries = job.config.retries if job.config.nodes == 1 else 0  # the other nodes would not know of it
    try:
        return next_try(tried, failures, retries)
    except InputError as error:
        raise InputError(f"the trainer of {job.trainer.network} refused its input: {error}") from error
    except TrainingError as error:
        raise TrainingError(f"{job.trainer.network}: {error}; the whole log is {job.log}") from error


def _torchrun(job: TrainingJob, tried: Try) -> list[str]:
    """torchrun's arguments, then the trainer's: the contract of docs/training-jobs.md."""
    config = job.config
    meeting = ["--standalone"]
    if config.nodes > 1:
        meeting = ["--nnodes", str(config.nodes), "--rdzv-backend", "c10d", "--rdzv-endpoint", config.rendezvous]
        meeting += ["--rdzv-id", job.trainer.network]
    trainer = ["-m", "tasks.training_job.trainer_process", job.trainer.module]
    given = ["--dataset", config.dataset, "--out", str(config.out), "--batch-scale", f"{tried.batch_scale:g}"]
    given += ["--config", str(config.config)] if config.config else []
    given += [word for override in (*job.trainer.settings, *config.overrides) for word in ("--set", override)]
    grace = str(math.ceil(config.grace_seconds))
    return ["--nproc-per-node", str(len(tried.devices)), *meeting, "--shutdown-timeout", grace, *trainer, *given]


def _in_words(tried: Try) -> str:
    count = len(tried.devices)
    scale = f", {tried.batch_scale:g} of the batch on a device at once" if tried.batch_scale < 1 else ""
    return f"{count} process{'es' if count > 1 else ''} on {', '.join(dict.fromkeys(tried.devices))}{scale}"
