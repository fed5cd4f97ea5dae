"""Words and cells that the tables share."""

import math

from tasks.ihdiff.evaluation.parts import Result

Rows = dict[str, dict[str, Result]]
"""Results by method and kind of targets."""
NAMES = {
    "data-train": "poses learnt from",
    "data": "poses of the split",
    "truth": "true hands",
    "search": "NN search",
    "regressor": "regressor",
    "regression": "regressor + Col. reg.",
    "vae": "VAE",
    "without_collision": "IHDiff without L_col",
    "self_attention": "IHDiff (SA only)",
    "ihdiff": "IHDiff",
}
"""Rows of all tables, in their order."""
ALL = "all"
"""The one column of a table without kinds of targets."""


def shown(value: float | None, digits: int) -> str:
    """A number in a table; a dash for one that there is not."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def grid(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown, numbers to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
