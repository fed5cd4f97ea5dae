"""Trains IHDiff, the diffusion prior over two interacting hands, on this node under torchrun.

check → launch, again from the newest checkpoint where that helps → record
"""

from prefect import flow

from flows.operation.refusals import refuses_plainly
from tasks.training_job.config import TrainingJobConfig, check_trainer_config
from tasks.training_job.job import TrainingResult, open_job
from tasks.training_job.steps import check_dataset, launch_trainer, record_result
from tasks.training_job.trainer import IHDIFF


@flow(name="train-ihdiff", validate_parameters=False)
@refuses_plainly
def train_ihdiff(config: TrainingJobConfig) -> TrainingResult:
    """Train IHDiff as `config` says, or go on with the training that is in its folder."""
    IHDIFF.check()
    check_trainer_config(config)
    dataset = check_dataset(IHDIFF, config)
    with open_job(IHDIFF, config, dataset) as job:
        launch_trainer(job)
        return record_result(job)


def train_without_server(config: TrainingJobConfig) -> TrainingResult:
    """The same in this process, with no Prefect server."""
    return train_ihdiff.fn(config)
