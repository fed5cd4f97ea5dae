"""Pictures of a run by the page: filtered, the newest first or at random, with labels drawn over them."""

from collections.abc import Mapping
from threading import Lock
from typing import Any

from fastapi import APIRouter, Request, Response

from dashboard.desk import Desk
from dashboard.pages.visit import Visit, legend
from dashboard.pictures.space import get_ready
from dashboard.rows.index import RowIndex
from dashboard.rows.listing import Card, options, shown
from dashboard.wording import share

_WORDS = {
    "environment": "environment {}",
    "skin": "skin {}",
    "split": "split {}",
    "viewpoint": "viewpoint {}",
    "source": "source {}",
    "base_pose": "base pose {}",
    "pose": "pose {}",
    "find": "name begins with {}",
    "vertices": "{} touching vertices or more",
    "visible_from": "{} % or more visible",
    "visible_to": "{} % or less visible",
    "deep_from": "{} mm deep or more",
    "deep_to": "{} mm deep or less",
}
_CONTACTS = {"touching": "hands touch", "none": "hands do not touch"}
_FURTHER = frozenset(("source", "viewpoint", "vertices", "visible_from", "visible_to", "deep_from", "deep_to", "pose"))
"""Filters that are folded away until one of them is used."""


def router(desk: Desk) -> APIRouter:
    """`/runs/NAME/gallery`."""
    routes = APIRouter()
    offers = _Offers()

    @routes.get("/runs/{name}/gallery")
    def gallery(request: Request, name: str) -> Response:
        run = desk.run(name)
        get_ready()
        visit, index = Visit.of(run, request), desk.index(run)
        asked = request.query_params
        content = lambda: _content(visit, index, offers, asked)  # noqa: E731
        return desk.page(request, "gallery.html", "gallery", content, run)

    return routes


class _Offers:
    """What the filters of a run offer, as long as its rows are the same."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[RowIndex, int, dict[str, list[str]]]] = {}
        self._lock = Lock()

    def of(self, run: str, index: RowIndex) -> dict[str, list[str]]:
        """By filter."""
        version = index.version
        with self._lock:
            kept = self._kept.get(run)
        if kept is None or kept[0] is not index or kept[1] != version:
            kept = (index, version, options(index))
            with self._lock:
                self._kept[run] = kept
        return kept[2]


def _content(visit: Visit, index: RowIndex, offers: _Offers, asked: Mapping[str, str]) -> dict[str, Any]:
    choice = visit.choice
    start, before = asked.get("from", "")[:200], asked.get("before", "")[:200]
    page = shown(index, choice, start, before)
    cards = [(visit.thumbnail(card.spot), _line(card)) for card in page.cards]
    last = page.first + len(cards)
    first_name = page.cards[0].spot.sample_id if page.cards else ""
    return {
        "visit": visit,
        "choice": choice,
        "page": page,
        "cards": cards,
        "last": last,
        "previous": "" if page.is_first else visit.gallery(before=first_name),
        "next": visit.gallery(**{"from": page.after}) if page.after else "",
        "offers": offers.of(visit.run.name, index),
        "filters": [(words(name, value), visit.without(name)) for name, value in choice.filters.items()],
        "cleared": visit.gallery(type(choice)(order=choice.order, seed=choice.seed)),
        "further": bool(_FURTHER & choice.filters.keys()),
        "keeps_new": choice.order == "newest" and page.is_first,
        "legend": legend(visit.layers),
        "shape": visit.shape,
        "all": visit.run.state.rows("images"),
    }


def words(name: str, value: str) -> str:
    """A filter as people say it."""
    return _CONTACTS[value] if name == "contact" else _WORDS[name].format(value)


def _line(card: Card) -> str:
    return f"{card.environment} · {share(card.visible)} visible{' · touching' if card.contact else ''}"
