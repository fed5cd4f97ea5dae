"""Trains TransHand, which finds two hand meshes in an image, on this node under torchrun.

check → launch, again from the newest checkpoint where that helps → record
"""

from prefect import flow

from flows.operation.refusals import refuses_plainly
from tasks.training_job.config import TrainingJobConfig, check_trainer_config
from tasks.training_job.job import TrainingResult, open_job
from tasks.training_job.steps import check_dataset, launch_trainer, record_result
from tasks.training_job.trainer import TRANSHAND


@flow(name="train-transhand", validate_parameters=False)
@refuses_plainly
def train_transhand(config: TrainingJobConfig) -> TrainingResult:
    """Train TransHand as `config` says, or go on with the training that is in its folder."""
    TRANSHAND.check()
    check_trainer_config(config)
    dataset = check_dataset(TRANSHAND, config)
    with open_job(TRANSHAND, config, dataset) as job:
        launch_trainer(job)
        return record_result(job)


def train_without_server(config: TrainingJobConfig) -> TrainingResult:
    """The same in this process, with no Prefect server."""
    return train_transhand.fn(config)
