"""One rater at one study: what has been answered, and what comes next."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard.rating.answers import Row, newest
from dashboard.rating.order import Turn
from dashboard.rating.studies import Opened

_AHEAD = 2
"""Questions whose pictures are loaded before they are asked."""


@dataclass(frozen=True)
class Sitting:
    """A rater at a study."""

    opened: Opened
    rater: str

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What can be asked, in order."""
        return self.opened.turns(self.rater)

    def given(self) -> dict[str, Row]:
        """Answers that count."""
        return newest(self.opened.answers.of(self.rater))

    def next(self, after: str = "") -> str:
        """The question that is still to be answered: the first one behind another, or else the first of all; empty: none."""
        order, given = [turn.item.id for turn in self.turns], self.given()
        start = order.index(after) + 1 if after in order else 0
        return next((item for item in (*order[start:], *order[:start]) if item not in given), "")

    def address(self, item: str = "") -> str:
        """Of a question, or of the page that thanks."""
        return f"/rating/{self.opened.study.name}/rate" + (f"?item={item}" if item else "")

    def shown(self, item: str) -> dict[str, Any] | None:
        """What the page of a question shows; None when it cannot be asked."""
        order, given = self.turns, self.given()
        place = next((number for number, turn in enumerate(order) if turn.item.id == item), None)
        if place is None:
            return None
        following = order[place + 1 : place + 1 + _AHEAD]
        return {
            "turn": order[place],
            "place": place + 1,
            "earlier": given[item]["answer"] if item in given else "",
            "before": self.address(order[place - 1].item.id) if place else "",
            "after": self.address(order[place + 1].item.id) if item in given and place + 1 < len(order) else "",
            "ahead": [self.opened.address(name) for turn in following for name in turn.pictures],
            **self.progress(order, given),
        }

    def progress(self, order: tuple[Turn, ...], given: Mapping[str, Row]) -> dict[str, int]:
        """Questions that are answered, of how many."""
        return {"answered": sum(turn.item.id in given for turn in order), "total": len(order)}
