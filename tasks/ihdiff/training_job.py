"""A job that trains IHDiff or its VAE baseline: what it is told besides `TrainingJobConfig`, and what it learns from."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from dataset.errors import InputError
from dataset.readers.formats import TWO_HANDS
from dataset.readers.source import content_sha256
from tasks.ihdiff.training_config import recipe
from tasks.step import step
from tasks.training_job.config import TrainingJobConfig
from tasks.training_job.job import TrainingDataset
from tasks.training_job.steps import check_dataset
from tasks.training_job.trainer import Trainer


class IHDiffJobConfig(TrainingJobConfig):
    """A training of IHDiff or its baseline, and what is made of the result."""

    dataset: str = Field(min_length=1)
    """What to learn from: a dataset whose poses are made, its folder or URL, or KIND=PATH of recorded poses."""
    config: Path | None = None
    """A recipe (smoke, small, fast, paper) or a file; empty: the paper's numbers."""
    model: Literal["ihdiff", "vae"] = "ihdiff"
    """ihdiff: the diffusion prior; vae: the baseline of appendix E.1."""
    samples: int = Field(64, ge=0)
    """Hand pairs drawn from the trained network and measured; up to 64 are pictured. 0: none."""
    sampling_steps: int = Field(100, ge=1, le=1000)
    """N of Alg. 1 for them."""
    fits: int = Field(16, ge=0)
    """Test poses that the trained network is fitted to, each in the four ways of Table 2; 0: none."""
    fitting_steps: int = Field(1000, ge=1, le=1000)
    """N of Alg. 2 for them."""

    @field_validator("config", mode="before")
    @classmethod
    def _recipes_have_names(cls, value: object) -> object:
        """A word that is no file is a recipe's name."""
        is_word = isinstance(value, str | Path) and str(value).isidentifier() and not Path(value).exists()
        return recipe(str(value)) if is_word else value


@step
def check_poses(trainer: Trainer, config: IHDiffJobConfig) -> TrainingDataset:
    """What the job learns from.

    Raises:
        InputError: no dataset, its poses are not made yet, or no recording of that kind.
    """
    kind, sign, path = config.dataset.partition("=")
    if not sign or kind not in TWO_HANDS:
        return check_dataset(trainer, config)
    if not Path(path).exists():
        raise InputError(f"{path}: no such file or folder; give the one that holds the poses of {kind}")
    settings = dict(override.split("=", 1) for override in config.overrides)
    files = TWO_HANDS[kind].files(Path(path), settings.get("data.subset", "train"))
    return TrainingDataset(config.dataset, (content_sha256(files),), 0)
