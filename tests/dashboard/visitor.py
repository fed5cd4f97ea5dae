"""Asks for all pages of an app and looks at every answer: whoever adds a page has it tested without saying so.

Addresses come from the app's own routes, things that there are from the desk, parameters of queries and fields of forms from
the pages themselves.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from dashboard.desk import Desk
from tests.dashboard.serving import client_of

SECRET = "planted-7f3a-secret"
"""Stands in files that nobody may be shown."""
MARK = "<script>alert(7319)</script>"
"""Must never come back as it was sent."""
_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")
_MARKUP = re.compile(r"<script>alert\(7319\)|<img src=x")
_FAULT = re.compile(r"Traceback|most recent call last|File &#34;|File \"/|\b[A-Z][A-Za-z]+(?:Error|Exception)\b")
_NO_TEXT = ("image/", "application/vnd", "application/octet", "font/")


class Address(NamedTuple):
    """A route."""

    pattern: str
    """With its parameters in braces."""
    methods: frozenset[str]

    @property
    def parameters(self) -> list[str]:
        """Their names; the first one of `/runs/{name}` is `runs.name`."""
        return [f"{self._room}.{name}" for name in _PARAMETER.findall(self.pattern)]

    def filled(self, values: Mapping[str, str]) -> str:
        """The address; values are quoted, slashes too."""
        return _PARAMETER.sub(lambda found: quote(values[f"{self._room}.{found.group(1)}"], safe=""), self.pattern)

    @property
    def _room(self) -> str:
        return self.pattern.split("/")[1]


def addresses(app: Any) -> list[Address]:
    """Of all routes with methods; files below `/static` are no routes of their own."""
    return [Address(route.path, frozenset(route.methods)) for route in _routes(app.routes)]


def _routes(routes: Iterable[Any]) -> Iterator[Any]:
    """FastAPI keeps included routers as they are, or takes their routes over: both are looked into."""
    for route in routes:
        if hasattr(route, "original_router"):
            yield from _routes(route.original_router.routes)
        elif getattr(route, "methods", None):
            yield route


def real_values(desk: Desk) -> dict[str, str]:
    """A thing that there is for each parameter of an address, as far as there is one."""
    found = {}
    for name in desk.catalogue.runs:
        ids = desk.keeper.index(name).ask("SELECT sample_id FROM samples ORDER BY sample_id LIMIT 1")
        found |= {"runs.name": name} | ({"runs.sample_id": ids[0][0]} if ids else {})
    for name in desk.catalogue.trainings:
        found |= {"training.name": name, "training.step": "2", "training.file": "a.png"}
    for folder in desk.ratings.iterdir() if desk.ratings.is_dir() else ():
        picture = next((folder / "pictures").glob("*.jpg")).stem
        found |= {"rating.name": folder.name, "rating.kind": "csv", "rating.picture": picture}
    return found


def asked_by(page: str) -> set[str]:
    """Parameters of queries that a page itself uses, in its links and forms."""
    queries = re.findall(r'(?:href|src|srcset|action|data-[a-z]+|value)="[^"?]*\?([^"#]*)"', page)
    keys = {pair.split("=")[0] for query in queries for pair in query.replace("&amp;", "&").split("&") if pair}
    return {key for key in keys if re.fullmatch(r"\w+", key)} | set(re.findall(r'name="(\w+)"', page)) - {"viewport"}


class Visitor:
    """Of one desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.client = desk, client_of(desk)
        self.client.headers["accept"] = "text/html"
        self.addresses = addresses(self.client.app)
        self.values = real_values(desk)
        self.faults: dict[str, str] = {}
        """Kind of request to what is wrong with its answer: one of each kind, so that a list of them can be read."""
        self.status = 0
        """Of the last answer."""

    @property
    def pages(self) -> list[Address]:
        """What can be got with the things that there are."""
        return [one for one in self.addresses if "GET" in one.methods and set(one.parameters) <= self.values.keys()]

    def get(self, one: Address, values: Mapping[str, str] | None = None, **query: str) -> str:
        """Ask for a page with the things that there are, or with others; its text."""
        values = dict.fromkeys(one.parameters, "x") | self.values | dict(values or {})
        answer = self.client.get(one.filled(values), params=query or None)
        return self.checked(f"GET {one.pattern}", f"{answer.url} {query}", answer)

    def post(self, one: Address, **content: Any) -> str:
        """Send something; the answer's text."""
        values = dict.fromkeys(one.parameters, "x") | self.values
        answer = self.client.post(one.filled(values), **content)
        return self.checked(f"POST {one.pattern}", str(content), answer)

    def checked(self, kind: str, told: str, answer: Any) -> str:
        """Note what is wrong with an answer; its text."""
        self.status = answer.status_code
        is_text = not answer.headers.get("content-type", "").startswith(_NO_TEXT)
        text = answer.text if is_text else ""
        wrong = self._wrong(answer, text)
        if wrong:
            self.faults.setdefault(f"{kind}: {wrong[:160]}", told[:300])
        return text

    def _wrong(self, answer: Any, text: str) -> str:
        if SECRET.encode() in answer.content or b"root:x:" in answer.content:
            return "shows a file that nobody may be shown"
        cookie = answer.headers.get("set-cookie", "")
        if cookie and not re.match(r"render_ih_rater=[a-z0-9-]{1,40};", cookie):  # the name that a rater has chosen
            return "sets a cookie that was sent"
        if found := _MARKUP.search(text):
            return f"gives markup back as it came: {text[max(found.start() - 60, 0) : found.end() + 20]}"
        if found := _FAULT.search(text):
            return f"{answer.status_code}: {' '.join(text[max(found.start() - 60, 0) : found.end() + 60].split())}"
        if answer.status_code >= 500 and (answer.status_code != 503 or len(text) < 20):
            return f"{answer.status_code}: {text[:100]}"
        return ""
