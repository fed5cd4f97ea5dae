"""A condition in SQL on the columns of `images`: nothing but a condition, and the same at every call."""

import json
import re
from collections.abc import Iterator
from typing import Any

import duckdb

from dataset.errors import InputError
from dataset.queries import reason_of

_TEXTS = r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\""
_SIDES = re.compile(rf"({_TEXTS})|\b(right|left)\b(?=\s*[.\[])", re.IGNORECASE)
"""Texts and quoted names as they are, and the two columns whose names are words of SQL."""


def condition(relation: duckdb.DuckDBPyRelation, where: str, connection: duckdb.DuckDBPyConnection) -> str:
    """The condition as DuckDB reads it: `right.` and `left.` need no quotes.

    Args:
        relation: what it is a condition on.
        where: the text that the user gave.
        connection: a database, to parse it.

    Raises:
        InputError: it is no condition on these columns, asks something else, or would be another one at the next call.
    """
    text = _SIDES.sub(lambda found: found[1] or f'"{found[2]}"', where)
    try:
        _refuse_more(connection, where, text)
        relation.filter(text)  # parses one expression, and no statement or clause
    except duckdb.Error as error:
        raise refusal(where, reason_of(error)) from error
    return text


def refusal(where: str, reason: str) -> InputError:
    """What is said of a condition that DuckDB refuses."""
    line = " ".join(reason.split())
    return InputError(
        f"--where {where!r}: is no condition on the columns of `images` ({line}); docs/schema.md lists them"
    )


def _refuse_more(connection: duckdb.DuckDBPyConnection, where: str, text: str) -> None:
    ((tree,),) = connection.execute("SELECT json_serialize_sql(?)", [f"SELECT ({text}\n)"]).fetchall()
    parsed, changing = json.loads(tree), _changing(connection)
    if parsed["error"]:
        raise refusal(where, parsed["error_message"])
    for node in _nodes(parsed):
        if node.get("class") == "SUBQUERY":
            raise InputError(
                f"--where {where!r}: asks a question of its own (SELECT); give a condition on one row's columns"
            )
        if node.get("function_name") in changing:
            raise InputError(
                f"--where {where!r}: {node['function_name']}() gives something else at every call; for a part of the images "
                "use --limit, or e.g. md5(sample_id) < '2' for an eighth"
            )


def _changing(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Functions whose value does not follow from their arguments."""
    query = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability = 'VOLATILE'"
    return {name for (name,) in connection.execute(query).fetchall()}


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Everything in a parsed condition."""
    if isinstance(tree, dict):
        yield tree
    for inner in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _nodes(inner)
