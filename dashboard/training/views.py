"""Which pictures of a training are shown: all of one step, or one of them as it was from step to step."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from dashboard.training.pictures import Group, PicturesOfStep, pictures_of
from dashboard.training.watched import WatchedTraining

STEPS_OF_ONE = 12
"""Steps at which one sample is shown."""


@dataclass(frozen=True)
class Seen:
    """One sample at one step."""

    step: int
    group: Group


@dataclass(frozen=True)
class ShownPictures:
    """What the page shows."""

    steps: tuple[int, ...]
    at: int
    """Place of the shown step among `steps`."""
    follows: bool
    """Whether that is the newest one, whatever comes."""
    of_step: PicturesOfStep | None
    sample: str
    """The only sample that is shown; empty: all of one step."""
    seen: tuple[Seen, ...]
    """That sample from step to step."""
    kept: Mapping[str, str]
    """What else the address says."""
    name: str

    @property
    def step(self) -> int:
        """The one that is shown."""
        return self.steps[self.at]

    @property
    def widest(self) -> int:
        """Most pictures beside each other, up to four."""
        groups = self.of_step.groups if self.of_step else [seen.group for seen in self.seen]
        return min(4, max((len(group.pictures) for group in groups), default=1))

    def address(self, **changes: str) -> str:
        """Of this page with another choice; an empty value takes it away."""
        told = {key: value for key, value in ({**self.kept} | changes).items() if value != ""}
        return f"/training/{self.name}" + (f"?{urlencode(told)}" if told else "") + "#pictures"

    def source(self, step: int, file: str) -> str:
        """Address of a picture."""
        return f"/training/{self.name}/pictures/{step}/{quote(file, safe='')}"


def chosen_pictures(watched: WatchedTraining, at: str, sample: str, kept: Mapping[str, str]) -> ShownPictures | None:
    """The pictures that an address asks for; None when the training has none.

    Args:
        watched: whose.
        at: place of a step among all that have pictures, from 0; anything else: the newest.
        sample: name of the only sample that is shown.
        kept: what the address says.
    """
    steps = watched.state.pictures
    if not steps:
        return None
    follows = not (at.isascii() and at.isdigit() and len(at) < 6)
    place = len(steps) - 1 if follows else min(int(at), len(steps) - 1)
    seen = _seen(watched, steps, sample) if sample else ()
    of_step = None if seen else pictures_of(watched.path, steps[place])
    return ShownPictures(steps, place, follows, of_step, sample if seen else "", seen, kept, watched.name)


def _seen(watched: WatchedTraining, steps: tuple[int, ...], sample: str) -> tuple[Seen, ...]:
    """A sample at steps that are evenly apart, the first and the newest among them."""
    count = min(STEPS_OF_ONE, len(steps))
    places = sorted({round(k * (len(steps) - 1) / max(1, count - 1)) for k in range(count)})
    found = []
    for step in (steps[place] for place in places):
        of_step = pictures_of(watched.path, step)
        found += [Seen(step, group) for group in (of_step.groups if of_step else ()) if group.name == sample]
    return tuple(found)
