"""In which order a rater is asked, and which picture is on the left: drawn from the study's seed and the rater's name."""

from dataclasses import dataclass

import numpy as np

from dashboard.rating.study import Item, Study
from hands.random_streams import stream

_DRAWS = 20
"""Orders of which the one is taken that keeps the two times of a repeated question farthest apart."""


@dataclass(frozen=True)
class Turn:
    """A question as one rater sees it."""

    item: Item
    pictures: tuple[str, ...]
    """From left to right."""


def turns(study: Study, rater: str) -> tuple[Turn, ...]:
    """All questions in the rater's order; the same whenever it is asked for.

    Questions come in rounds that hold one of each set (or of each two sets), so that a rater who stops early has judged all
    sets alike. Of each two sets that are compared, each is on the left in half of the questions.
    """
    random = stream(study.seed, "study", study.name, rater)
    flipped = _flips(study, random)
    orders = [_order(study, random) for _ in range(_DRAWS if any(item.repeats for item in study.items) else 1)]
    best = max(orders, key=_distance)
    return tuple(Turn(item, item.pictures[:: -1 if flipped[item.id] else 1]) for item in best)


def _groups(study: Study) -> dict[tuple, list[Item]]:
    """Questions about the same sets, those that are asked again apart."""
    found: dict[tuple, list[Item]] = {}
    for item in study.items:
        found.setdefault((item.repeats is not None, study.sets_of(item)), []).append(item)
    return found


def _flips(study: Study, random: np.random.Generator) -> dict[str, bool]:
    flips = {}
    for items in _groups(study).values():
        halves = (np.arange(len(items)) + random.integers(2)) % 2
        flips |= {item.id: bool(flip) for item, flip in zip(items, random.permutation(halves), strict=True)}
    return flips


def _order(study: Study, random: np.random.Generator) -> list[Item]:
    shuffled = {key: [items[i] for i in random.permutation(len(items))] for key, items in _groups(study).items()}
    firsts = [items for (again, _), items in shuffled.items() if not again]
    rounds = [[items[n] for items in firsts if n < len(items)] for n in range(max(map(len, firsts), default=0))]
    order = [part[i] for part in rounds for i in random.permutation(len(part))]
    for item in (item for (again, _), items in shuffled.items() if again for item in items):
        order.insert(int(random.integers((len(order) + 1) // 2, len(order) + 1)), item)
    return order


def _distance(order: list[Item]) -> int:
    """Questions from one that is asked twice to the other time, at the least."""
    place = {item.id: number for number, item in enumerate(order)}
    return min((abs(place[item.id] - place[item.repeats]) for item in order if item.repeats), default=0)
