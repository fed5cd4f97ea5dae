"""What browsers send, taken apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, HTTPException, Request

from dashboard.desk import Desk
from dashboard.rating.kinds import KINDS
from dashboard.rating.making import MOST_SETS, Plan
from dashboard.rating.sets import POSES, SPLITS, Choice
from dataset.errors import InputError

_LARGEST, _FIELDS = 65536, 200
"""Bytes and fields of a form at most."""
_LONGEST = 60
"""Characters of a set's name."""
_LONGEST_QUESTION = 200
FIRST_SETS = 4
"""Lines for sets in an empty form."""


async def _posted(request: Request) -> Mapping[str, str]:
    """The fields of a form that was sent; of several with one name the last.

    Raises:
        HTTPException: it is too large, or no form.
    """
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST:
            raise HTTPException(413, "This form is too large.")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS))
    except ValueError as error:
        raise HTTPException(400, "This is no form that a page of the dashboard sends.") from error


Form = Annotated[Mapping[str, str], Depends(_posted)]
"""Of a request."""


@dataclass(frozen=True)
class Source:
    """What a set can be taken from."""

    value: str
    """In the form."""
    title: str


def sources(desk: Desk) -> dict[str, list[Source]]:
    """What there is to compare, by the title of its group; groups without any are left out."""
    runs = [Source(f"run {name}", f"{name} ({_images(desk, name)})") for name in desk.catalogue.runs]
    folders = [Source(f"pictures {name}", name) for name in desk.catalogue.pictures]
    return {title: group for title, group in (("Runs", runs), ("Folders of pictures", folders)) if group}


def _images(desk: Desk, run: str) -> str:
    ((count,),) = desk.keeper.index(run).ask("SELECT count(*) FROM samples")
    return f"{count:,} image{'' if count == 1 else 's'}"


def lines_of(form: Mapping[str, str]) -> int:
    """How many lines for sets a form has."""
    asked = form.get("sets", "")
    return min(max(int(asked) if asked.isdecimal() and len(asked) < 4 else FIRST_SETS, 1), MOST_SETS)


def plan_of(form: Mapping[str, str]) -> Plan:
    """The study that a form asks for.

    Raises:
        InputError: a field says something that cannot be.
    """
    kind = form.get("kind", "")
    if kind not in KINDS:
        raise InputError("Choose which kind of study this is.")
    question = " ".join(form.get("question", "").split())
    if len(question) > _LONGEST_QUESTION:
        raise InputError(f"The question has {len(question)} characters; ask it in {_LONGEST_QUESTION} at most.")
    return Plan(
        name=form.get("name", ""),
        kind=kind,  # type: ignore[arg-type]
        sets=tuple(_set(form, n) for n in range(1, lines_of(form) + 1) if form.get(f"source_{n}")),
        question=question,
        items=_whole(form, "items", "Questions of each set", 10**4),
        seed=_whole(form, "seed", "The seed", 2**31 - 1) if form.get("seed", "").strip() else 1,
        repeated=min(_whole(form, "repeated", "The share that is asked twice", 50), 50) / 100,
        is_paired="paired" in form,
        is_against_first="against_first" in form,
    )


def _whole(form: Mapping[str, str], field: str, what: str, most: int) -> int:
    """A number of a field; 0 when that is empty."""
    text = form.get(field, "").strip()
    if text and not (text.isascii() and text.isdecimal() and len(text) < 12 and int(text) <= most):
        raise InputError(f"{what}: “{text[:20]}” is not a whole number between 0 and {most:,}.")
    return int(text or 0)


def _set(form: Mapping[str, str], number: int) -> Choice:
    kind, _, source = form[f"source_{number}"].partition(" ")
    name = " ".join(form.get(f"set_{number}", "").split())
    if len(name) > _LONGEST or (name and not name[0].isalnum()) or not name.isprintable():
        raise InputError(f"Set {number}: a name begins with a letter or a digit and has {_LONGEST} characters at most.")
    poses, split = form.get(f"poses_{number}", ""), form.get(f"split_{number}", "")
    if kind not in ("run", "pictures") or poses not in POSES or split not in SPLITS:
        raise InputError(f"Set {number}: choose its pictures from the lists.")
    if kind == "pictures" and (poses or split):
        raise InputError(f"Set {number}: a folder of pictures knows neither poses nor splits; choose all of them.")
    return Choice(name, kind, source, poses, split, form.get(f"base_{number}", "").strip())
