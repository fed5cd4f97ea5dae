"""What a job that trains TransHand is told besides `TrainingJobConfig`; loads nothing heavy."""

from pathlib import Path

from pydantic import Field, field_validator

from tasks.training_job.config import TrainingJobConfig
from tasks.training_job.recipes import is_name
from tasks.training_job.recipes import recipe as named_recipe


class TransHandJobConfig(TrainingJobConfig):
    """A training of TransHand, and what is made of the result."""

    dataset: str = Field(min_length=1)
    """What to learn from: a finished dataset, its folder or URL, or KIND=PATH of recorded images."""
    config: Path | None = None
    """A recipe (smoke, small, paper, released, …) or a file; empty: the paper's numbers, with a backbone of drawn weights."""
    images: int = Field(5000, ge=0)
    """Images of the split test, or else validation, on which the trained network is evaluated, at most; 0: none."""
    evaluate_on: str = ""
    """Where these are, as `dataset`; empty: what is learnt from, if it holds images back."""

    @field_validator("config", mode="before")
    @classmethod
    def _recipes_have_names(cls, value: object) -> object:
        """A word that is no file is a recipe's name."""
        return recipe(str(value)) if is_name(value) else value


def recipe(name: str) -> Path:
    """The file of a recipe that comes with the project.

    Raises:
        InputError: there is none of that name.
    """
    return named_recipe("transhand", name)
