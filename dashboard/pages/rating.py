"""Studies with people: which there are, a new one, and what the answers say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup

from dashboard.desk import Desk
from dashboard.pages.rating_asking import HEADERS, add_pages, known
from dashboard.rating import charts, papers
from dashboard.rating.answers import Row, as_csv, as_parquet, newest
from dashboard.rating.forms import Form, lines_of, plan_of, sources
from dashboard.rating.kinds import KINDS
from dashboard.rating.making import MOST_ITEMS, MOST_SETS, make_study
from dashboard.rating.names import LONGEST, PATTERN
from dashboard.rating.results import FEWEST_RATERS, results_of
from dashboard.rating.sets import POSES, SPLITS
from dashboard.rating.studies import Opened, Studies
from dataset.errors import InputError

_TYPES = {"csv": (as_csv, "text/csv; charset=utf-8"), "parquet": (as_parquet, "application/vnd.apache.parquet")}


@dataclass(frozen=True)
class Entry:
    """A study in the list."""

    opened: Opened
    raters: int
    through: int
    """Raters who have answered everything."""
    answers: int
    trouble: str = ""


def router(desk: Desk) -> APIRouter:
    """`/rating` and below."""
    routes, studies = APIRouter(), Studies(desk.ratings)

    def page(template: str, status: int = 200, **content: Any) -> Response:
        written = desk.written(template, "rating", **content)
        return Response(written, status, HEADERS, media_type="text/html; charset=utf-8")

    def form_page(values: Mapping[str, str], status: int = 200, trouble: str = "") -> Response:
        lists = {"poses": POSES, "splits": SPLITS, "kinds": KINDS, "sources": sources(desk)}
        limits = {"lines": lines_of(values), "most_sets": MOST_SETS, "most_items": MOST_ITEMS, "pattern": PATTERN}
        return page("rating_new.html", status, values=values, trouble=trouble, longest=LONGEST, **lists, **limits)

    @routes.get("/rating")
    def list_studies() -> Response:
        entries, troubles = _entries(studies)
        return page("rating_list.html", entries=entries, ill=troubles)

    @routes.get("/rating/new")
    def ask_for_new(request: Request) -> Response:
        return form_page(
            {"kind": "naturalness"} | dict(request.query_params)
        )  # what was typed before more sets were asked

    @routes.post("/rating/new")
    def make(form: Form) -> Response:
        try:
            study = make_study(desk, plan_of(form))
        except InputError as error:
            return form_page(form, 422, str(error))
        return RedirectResponse(f"/rating/{study.name}/results", 303)

    @routes.get("/rating/{name}/results")
    def results(request: Request, name: str) -> Response:
        opened = known(studies, name)
        given, troubles = _given(opened)
        found = results_of(opened.study, given)
        rates = Markup(charts.rates(found.sets, papers.TABLE_3)) if found.sets else ""
        bars = [Markup(charts.choices(pair)) for pair in found.pairs]
        content = {"study": opened.study, "found": found, "rates": rates, "bars": bars, "ill": troubles}
        more = {"missing": opened.missing(), "address": str(request.base_url).rstrip("/") + f"/rating/{name}"}
        return page("rating_results.html", papers=papers, fewest=FEWEST_RATERS, **content, **more)

    @routes.get("/rating/{name}/answers.{kind}")
    def download(name: str, kind: str) -> Response:
        opened = known(studies, name)
        if kind not in _TYPES:
            raise HTTPException(404, "Answers can be had as answers.csv and as answers.parquet.")
        write, media = _TYPES[kind]
        tables = [opened.answers.table(rater) for rater in opened.answers.raters()]
        headers = {"Content-Disposition": f'attachment; filename="{name}-answers.{kind}"', "Cache-Control": "no-store"}
        return Response(write(tables, opened.study.kind), media_type=media, headers=headers)

    add_pages(routes, desk.templates, studies)
    return routes


def _entries(studies: Studies) -> tuple[list[Entry], list[str]]:
    """All studies that can be read, and why the others cannot."""
    entries, troubles = [], []
    try:
        names = studies.names()
    except InputError as error:
        return [], [str(error)]
    for name in names:
        try:
            opened = studies.open(name)
            entries += [_entry(opened)] if opened else []
        except InputError as error:
            troubles.append(str(error))
    return entries, troubles


def _entry(opened: Opened) -> Entry:
    given, troubles = _given(opened)
    counts = [len(newest(rows)) for rows in given.values()]
    whole = len(opened.study.items) - opened.missing()
    return Entry(opened, len(counts), sum(count >= whole for count in counts), sum(counts), " ".join(troubles))


def _given(opened: Opened) -> tuple[dict[str, list[Row]], list[str]]:
    """Answers by rater, and why those of some cannot be read."""
    given, troubles = {}, []
    for rater in opened.answers.raters():
        try:
            given[rater] = opened.answers.of(rater)
        except InputError as error:
            troubles.append(str(error))
    return given, troubles
