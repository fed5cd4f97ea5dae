"""What a job that trains TransHand is told besides `TrainingJobConfig`; loads nothing heavy."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from tasks.training_job.config import TrainingJobConfig
from tasks.training_job.recipes import by_name
from tasks.training_job.recipes import recipe as named_recipe

IMAGES = "images"
"""The file among TransHand's that is a recipe of images to learn from, not of a training."""


def recipe(name: str) -> Path:
    """The file of a recipe that comes with the project.

    Raises:
        InputError: there is none of that name.
    """
    return named_recipe("transhand", name, {IMAGES})


class TransHandJobConfig(TrainingJobConfig):
    """A training of TransHand, and what is made of the result."""

    dataset: str = Field(min_length=1)
    """What to learn from: a finished dataset, its folder or URL, or KIND=PATH of recorded images."""
    config: Annotated[Path | None, by_name(recipe)] = None
    """A recipe (smoke, small, paper, released, …) or a file; empty: the paper's numbers, with a backbone of drawn weights."""
    images: int = Field(5000, ge=0)
    """Images of the split test, or else validation, on which the trained network is evaluated, at most; 0: none."""
    evaluate_on: str = ""
    """Where these are, as `dataset`; empty: what is learnt from, if it holds images back."""
