"""What the answers to a study say."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int

from dashboard.rating.answers import Row, newest
from dashboard.rating.statistics import Interval, agreement, fleiss_kappa, over_raters, wilson
from dashboard.rating.study import Item, Study
from hands.random_streams import stream

FEWEST_RATERS = 5
"""From which on an interval is given that draws raters anew."""
Verdict = Literal["natural", "not_natural", "first", "second", "both_good", "both_bad"]
"""An answer without sides: `first` and `second` are the two sets in the study's order."""


@dataclass(frozen=True)
class Share:
    """A part of some answers."""

    part: int
    whole: int
    interval: Interval | None
    """As if all answers were independent."""
    over_raters: Interval | None = None
    """With raters drawn anew; None for fewer than `FEWEST_RATERS`."""

    @property
    def value(self) -> float | None:
        """Between 0 and 1."""
        return self.part / self.whole if self.whole else None


@dataclass(frozen=True)
class OfSet:
    """How natural a set looks."""

    name: str
    natural: Share
    raters: int


@dataclass(frozen=True)
class OfPair:
    """Which of two sets is preferred."""

    first: str
    second: str
    shares: Mapping[Verdict, Share]
    """Of the four verdicts."""
    decided: Share
    """Answers that prefer the first set among those that prefer one."""
    raters: int


@dataclass(frozen=True)
class OfRater:
    """How one person answered."""

    name: str
    answered: int
    """Questions, those that are asked twice counted twice."""
    corrected: int
    natural: float | None
    """Share of natural answers, or of answers that prefer one of two."""
    seconds: float | None
    """Median of an answer."""
    others: float | None
    """Share of the others' answers to the same questions that are the same."""
    itself: Share
    """Questions asked twice and answered alike."""


@dataclass(frozen=True)
class Results:
    """Of a study."""

    answers: int
    raters: tuple[OfRater, ...]
    sets: tuple[OfSet, ...]
    pairs: tuple[OfPair, ...]
    kappa: float | None
    agreement: float | None
    left: Share
    """Answers that choose the left picture among those that choose one: far from half, people press one key."""
    itself: Share


def results_of(study: Study, given: Mapping[str, Sequence[Row]]) -> Results:
    """All figures. Of each rater and question the newest answer counts, a repeated question only for self-agreement.

    Args:
        study: what was asked.
        given: by rater all answers in the order in which they were given.
    """
    known = {rater: [row for row in rows if row["item"] in study.item] for rater, rows in given.items()}
    latest = {rater: newest(rows) for rater, rows in known.items() if rows}
    verdicts = {rater: {i: verdict(study, row) for i, row in rows.items()} for rater, rows in latest.items()}
    firsts = {
        rater: {i: said for i, said in answers.items() if study.item[i].repeats is None}
        for rater, answers in verdicts.items()
    }
    table = _counts(study, firsts)
    alike = {rater: _itself(study, answers) for rater, answers in verdicts.items()}
    raters = [_rater(study, r, known[r], latest[r], firsts, alike[r]) for r in latest]
    sides = Counter(row["answer"] for rows in latest.values() for row in rows.values())
    is_single = study.kind == "naturalness"
    return Results(
        answers=sum(map(len, firsts.values())),
        raters=tuple(raters),
        sets=tuple(_set(study, number, firsts) for number in range(len(study.sets))) if is_single else (),
        pairs=() if is_single else tuple(_pair(study, pair, firsts) for pair in _pairs(study)),
        kappa=fleiss_kappa(table),
        agreement=agreement(table),
        left=_share(sides["left"], sides["left"] + sides["right"]),
        itself=_share(sum(share.part for share in alike.values()), sum(share.whole for share in alike.values())),
    )


def verdict(study: Study, row: Row) -> Verdict:
    """An answer without sides."""
    if row["answer"] not in ("left", "right"):
        return row["answer"]
    first = study.sets[study.sets_of(study.item[row["item"]])[0]].name
    return "first" if row["preferred_set"] == first else "second"


Said = Mapping[str, Mapping[str, Verdict]]
"""Verdicts by rater and question."""


def _pairs(study: Study) -> list[tuple[int, ...]]:
    return sorted({study.sets_of(item) for item in study.items})


def _set(study: Study, number: int, said: Said) -> OfSet:
    inside = _about(study, (number,), said)
    natural = [[sum(v == "natural" for v in answers), len(answers)] for answers in inside]
    return OfSet(study.sets[number].name, _share_of(study, natural, "set", number), len(inside))


def _pair(study: Study, pair: tuple[int, ...], said: Said) -> OfPair:
    inside = _about(study, pair, said)
    kinds: tuple[Verdict, ...] = ("first", "both_good", "both_bad", "second")
    shares = {
        kind: _share_of(study, [[sum(v == kind for v in a), len(a)] for a in inside], kind, *pair) for kind in kinds
    }
    decided = [[sum(v == "first" for v in a), sum(v in ("first", "second") for v in a)] for a in inside]
    names = [study.sets[number].name for number in pair]
    return OfPair(names[0], names[1], shares, _share_of(study, decided, "decided", *pair), len(inside))


def _about(study: Study, about: tuple[int, ...], said: Said) -> list[list[Verdict]]:
    """Of each rater who said something of these sets, what."""
    each = [[v for i, v in answers.items() if study.sets_of(study.item[i]) == about] for answers in said.values()]
    return [answers for answers in each if answers]


def _share(part: int, whole: int) -> Share:
    return Share(part, whole, wilson(part, whole))


def _share_of(study: Study, counts: list[list[int]], *names: str | int) -> Share:
    """Of each rater's counts (part, whole)."""
    table = np.array(counts, dtype=np.int64).reshape(-1, 2)
    part, whole = table.sum(0).tolist()
    enough = (table[:, 1] > 0).sum() >= FEWEST_RATERS
    drawn = over_raters(table, stream(study.seed, "bootstrap", study.name, *names)) if enough else None
    return Share(part, whole, wilson(part, whole), drawn)


def _counts(study: Study, said: Said) -> Int[np.ndarray, "items answers"]:
    """How many raters gave each verdict to each question."""
    kinds = ("natural", "not_natural", "first", "second", "both_good", "both_bad")
    counts = {item.id: Counter(a[item.id] for a in said.values() if item.id in a) for item in study.items}
    return np.array([[counter[kind] for kind in kinds] for counter in counts.values()], np.int64).reshape(
        -1, len(kinds)
    )


def _itself(study: Study, answers: Mapping[str, Verdict]) -> Share:
    twice: list[Item] = [item for item in study.items if item.repeats in answers and item.id in answers]
    return _share(sum(answers[item.id] == answers[item.repeats] for item in twice if item.repeats), len(twice))


def _rater(
    study: Study, name: str, rows: Sequence[Row], latest: Mapping[str, Row], said: Said, itself: Share
) -> OfRater:
    seconds = [row["seconds"] for row in latest.values() if row["seconds"] is not None]
    mine = said[name]
    telling = sum(v in ("natural", "first", "second") for v in mine.values())
    others = [mine[i] == v for other, a in said.items() if other != name for i, v in a.items() if i in mine]
    return OfRater(
        name=name,
        answered=len(latest),
        corrected=len(rows) - len(latest),
        natural=telling / len(mine) if mine else None,
        seconds=float(np.median(seconds)) if seconds else None,
        others=sum(others) / len(others) if others else None,
        itself=itself,
    )
