"""Trains IHDiff, the diffusion prior over two interacting hands, or its VAE baseline, on this node under torchrun.

check → launch, again from the newest checkpoint where that helps → record → sample → evaluate → write the card
"""

from prefect import flow

from flows.operation.refusals import refuses_plainly
from tasks.ihdiff.training.job_config import IHDiffJobConfig
from tasks.ihdiff.training.job_data import check_poses
from tasks.ihdiff.training.trained import evaluate_trained, sample_trained, write_card
from tasks.training_job.config import check_trainer_config
from tasks.training_job.job import TrainingResult, open_job
from tasks.training_job.steps import launch_trainer, record_result
from tasks.training_job.trainer import IHDIFF, VAE


@flow(name="train-ihdiff", validate_parameters=False)
@refuses_plainly
def train_ihdiff(config: IHDiffJobConfig) -> TrainingResult:
    """Train the network as `config` says, or go on with the training that is in its folder."""
    trainer = IHDIFF if config.model == "ihdiff" else VAE
    trainer.check()
    check_trainer_config(config)
    dataset = check_poses(trainer, config)
    with open_job(trainer, config, dataset) as job:
        launch_trainer(job)
        result = record_result(job)
        if result.finished:
            samples = sample_trained(job)
            tables = evaluate_trained(job)
            write_card(job, samples, tables)
        return result


def train_without_server(config: IHDiffJobConfig) -> TrainingResult:
    """The same in this process, with no Prefect server."""
    return train_ihdiff.fn(config)
