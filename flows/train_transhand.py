"""Trains TransHand, which finds two hand meshes in an image, on this node under torchrun.

check → launch, again from the newest checkpoint where that helps → record → evaluate → write the card
"""

from prefect import flow

from flows.operation.refusals import refuses_plainly
from tasks.training_job.config import check_trainer_config
from tasks.training_job.job import TrainingResult, open_job
from tasks.training_job.steps import launch_trainer, record_result
from tasks.training_job.trainer import TRANSHAND
from tasks.transhand.training.job_config import TransHandJobConfig
from tasks.transhand.training.job_data import check_images
from tasks.transhand.training.trained import evaluate_trained, write_card


@flow(name="train-transhand", validate_parameters=False)
@refuses_plainly
def train_transhand(config: TransHandJobConfig) -> TrainingResult:
    """Train TransHand as `config` says, or go on with the training that is in its folder."""
    TRANSHAND.check()
    check_trainer_config(config)
    dataset = check_images(TRANSHAND, config)
    with open_job(TRANSHAND, config, dataset) as job:
        launch_trainer(job)
        result = record_result(job)
        if result.finished:
            write_card(job, evaluate_trained(job))
        return result


def train_without_server(config: TransHandJobConfig) -> TrainingResult:
    """The same in this process, with no Prefect server."""
    return train_transhand.fn(config)
