"""Pages of a rater: they show pictures and answers, and nothing that tells of sets."""

import math
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from jinja2 import Environment

from dashboard.rating.forms import Form
from dashboard.rating.names import LONGEST, PATTERN, anonymous, is_name, name_of
from dashboard.rating.order import turns
from dashboard.rating.sitting import Sitting
from dashboard.rating.studies import Opened, Studies
from dataset.errors import InputError

COOKIE = "render_ih_rater"
HEADERS = {"Cache-Control": "no-store"}
"""Of pages with forms: with no referrer at all, browsers would not name the page that a form is of."""
_YEAR = 365 * 24 * 3600


def known(studies: Studies, name: str) -> Opened:
    """A study by the name in an address.

    Raises:
        HTTPException: there is none (404).
        InputError: it cannot be read.
    """
    opened = studies.open(name)
    if opened is None:
        raise HTTPException(404, f"There is no study called “{name[:80]}” here; /rating lists all that there are.")
    return opened


def add_pages(routes: APIRouter, templates: Environment, studies: Studies) -> None:
    """`/rating/NAME` and below, as raters see them."""
    pages = _Pages(templates, studies)
    routes.get("/rating/{name}")(pages.begin)
    routes.post("/rating/{name}")(pages.named)
    routes.get("/rating/{name}/rate")(pages.ask)
    routes.post("/rating/{name}/rate")(pages.answer)
    routes.get("/rating/{name}/pictures/{picture}.jpg")(pages.picture)


@dataclass(frozen=True)
class _Pages:
    templates: Environment
    studies: Studies

    def begin(self, request: Request, name: str) -> Response:
        """Says what is to be done, and asks for the rater's name."""
        return self._welcome(request, known(self.studies, name))

    def named(self, request: Request, name: str, form: Form) -> Response:
        """Remembers the rater's name, and goes to where that rater has stopped."""
        opened, typed = known(self.studies, name), form.get("rater", "")
        try:
            rater = name_of(typed, "Your name") if typed.strip() else anonymous()
        except InputError as error:
            return self._welcome(request, opened, 422, str(error), typed)
        response, secure = _see(Sitting(opened, rater).address()), request.url.scheme == "https"
        response.set_cookie(COOKIE, rater, _YEAR, path="/rating", httponly=True, samesite="lax", secure=secure)
        return response

    def ask(self, request: Request, name: str, item: str = "") -> Response:
        """Shows a question, or thanks when all are answered."""
        opened = known(self.studies, name)
        sitting = _sitting(request, opened)
        if sitting is None:
            return _see(f"/rating/{name}")
        shown = sitting.shown(item) if item else None
        if shown:
            return self._page("rating_rate.html", opened, rater=sitting.rater, **shown)
        if wanted := sitting.next():
            return _see(sitting.address(wanted))
        order = sitting.turns
        last, progress = sitting.address(order[-1].item.id) if order else "", sitting.progress(order, sitting.given())
        return self._page("rating_done.html", opened, rater=sitting.rater, last=last, **progress)

    def answer(self, request: Request, name: str, form: Form) -> Response:
        """Keeps an answer, and goes to the next question."""
        opened = known(self.studies, name)
        sitting = _sitting(request, opened)
        if sitting is None or form.get("rater") != sitting.rater:  # another name was chosen in another tab
            return _see(f"/rating/{name}")
        item, said = form.get("item", ""), form.get("answer", "")
        order = turns(opened.study, sitting.rater)
        place = next((number for number, turn in enumerate(order) if turn.item.id == item), None)
        if place is None or said not in opened.study.about.answers:
            raise HTTPException(400, "This answer fits no question of the study; go back and answer again.")
        opened.answers.add(sitting.rater, order[place], place + 1, said, _seconds(form.get("seconds", "")))
        return _see(sitting.address(sitting.next(item)))

    def picture(self, name: str, picture: str) -> Response:
        """A picture by the number that stands for it."""
        content = known(self.studies, name).picture(picture)
        if content is None:
            raise HTTPException(404, "This picture is not there (any more).")
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})

    def _welcome(
        self, request: Request, opened: Opened, status: int = 200, trouble: str = "", typed: str = ""
    ) -> Response:
        sitting = _sitting(request, opened)
        progress = sitting.progress(sitting.turns, sitting.given()) if sitting else None
        content = {"rater": sitting.rater if sitting else "", "progress": progress, "trouble": trouble, "typed": typed}
        return self._page("rating_welcome.html", opened, status, pattern=PATTERN, longest=LONGEST, **content)

    def _page(self, template: str, opened: Opened, status: int = 200, **content: Any) -> Response:
        content |= {"study": opened.study, "opened": opened, "missing": opened.missing()}
        written = self.templates.get_template(template).render(content)
        return Response(written, status, HEADERS, media_type="text/html; charset=utf-8")


def _sitting(request: Request, opened: Opened) -> Sitting | None:
    rater = request.cookies.get(COOKIE, "")
    return Sitting(opened, rater) if is_name(rater) else None


def _see(address: str) -> Response:
    return RedirectResponse(address, 303, HEADERS)


def _seconds(text: str) -> float | None:
    """As the page's script has measured them."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
