"""A study as it is kept: `study.json`, written once, with every question and every picture fixed."""

from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from dashboard.rating.kinds import KINDS, Kind, KindName
from dashboard.rating.names import OPAQUE, PATTERN

FORMAT = 1
"""Of `study.json`."""
Opaque = Annotated[str, StringConstraints(pattern=f"^{OPAQUE}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class SetOf(_Part):
    """Pictures that are judged together."""

    name: str
    """In results and answers; raters never see it."""
    source: str
    """Name of the run or the folder of pictures in the dashboard."""
    filter: str = ""
    """Which of its pictures, in words; empty: all."""


class Picture(_Part):
    """A picture of the study, copied into `pictures/ID.jpg`."""

    id: Opaque
    set: int = Field(ge=0)
    """Number of its set."""
    sample: str
    """Sample id, or name of the file."""
    base_pose: str = ""


class Item(_Part):
    """A question."""

    id: Opaque
    pictures: tuple[Opaque, ...] = Field(min_length=1, max_length=2)
    """One, or two in the order of their sets."""
    repeats: Opaque | None = None
    """The question that is asked a second time with this one."""


class Study(_Part):
    """Everything that is fixed."""

    format: Literal[1] = FORMAT
    name: str = Field(pattern=f"^{PATTERN}$")
    kind: KindName
    question: str
    seed: int
    """Of the order in which each rater is asked, and of the sides."""
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    """Of all pictures, pixels."""
    bars: bool = False
    """Whether some pictures had another shape and have grey bars."""
    sets: tuple[SetOf, ...]
    pictures: tuple[Picture, ...]
    items: tuple[Item, ...]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        ids = [part.id for part in (*self.pictures, *self.items)]
        if len(set(ids)) < len(ids):
            raise ValueError("two pictures or questions have the same id")
        if any(picture.set >= len(self.sets) for picture in self.pictures):
            raise ValueError("a picture is of a set that the study does not list")
        for item in self.items:
            if len(item.pictures) != self.about.pictures or any(name not in self.picture for name in item.pictures):
                raise ValueError(f"question {item.id} has not the pictures that a study of {self.kind} needs")
            if item.repeats is not None and item.repeats not in self.item:
                raise ValueError(f"question {item.id} repeats one that the study does not list")
        return self

    @property
    def about(self) -> Kind:
        """Of its kind."""
        return KINDS[self.kind]

    @cached_property
    def picture(self) -> dict[str, Picture]:
        """By id."""
        return {picture.id: picture for picture in self.pictures}

    @cached_property
    def item(self) -> dict[str, Item]:
        """By id."""
        return {item.id: item for item in self.items}

    def sets_of(self, item: Item) -> tuple[int, ...]:
        """Numbers of the sets that a question is about."""
        return tuple(self.picture[name].set for name in item.pictures)
