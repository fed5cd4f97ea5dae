"""Tables in Markdown, and the numbers in them."""

import math


def shown(value: float | None, digits: int) -> str:
    """A number in a table; a dash for one that there is not."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def grid(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown, numbers to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
