"""What a job that trains IHDiff or its VAE baseline is told besides `TrainingJobConfig`; loads nothing heavy."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from tasks.training_job.config import TrainingJobConfig
from tasks.training_job.recipes import by_name
from tasks.training_job.recipes import recipe as named_recipe

POSES = "poses"
"""The file among IHDiff's that is a recipe of poses to learn from, not of a training."""


def recipe(name: str) -> Path:
    """The file of a recipe that comes with the project.

    Raises:
        InputError: there is none of that name.
    """
    return named_recipe("ihdiff", name, {POSES})


class IHDiffJobConfig(TrainingJobConfig):
    """A training of IHDiff or its baseline, and what is made of the result."""

    dataset: str = Field(min_length=1)
    """What to learn from: a dataset whose poses are made, its folder or URL, or KIND=PATH of recorded poses."""
    config: Annotated[Path | None, by_name(recipe)] = None
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
