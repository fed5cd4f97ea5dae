"""What a verification found."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    table: str
    row: str
    """Id of the row, or name of the shard when the whole file is concerned."""
    message: str

    def __str__(self) -> str:
        return f"{self.table} {self.row}: {self.message}"


@dataclass(frozen=True)
class Report:
    """What was looked at and what is wrong."""

    rows: dict[str, int]
    """Table to number of rows that the manifest lists."""
    geometry: int
    """Images whose labels were computed again from their parameters."""
    pictures: int
    """Images whose masks, depth and picture were opened."""
    problems: tuple[Problem, ...]
    cut: bool = False
    """Whether there are more problems than are listed."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    @property
    def looked_at(self) -> str:
        """What was looked at, in one line."""
        counts = ", ".join(f"{count:,} {table}" for table, count in self.rows.items())
        return f"{counts}; geometry of {self.geometry:,} and pictures of {self.pictures:,} images"

    @property
    def verdict(self) -> str:
        """The result, in one line."""
        if self.ok:
            return "all labels and checksums that were looked at agree"
        more = " or more" if self.cut else ""
        return f"{len(self.problems):,} {'problem' if len(self.problems) == 1 else 'problems'}{more}"

    def __str__(self) -> str:
        return "\n".join([f"{self.looked_at}: {self.verdict}", *map(str, self.problems)])

    def to_json(self) -> dict[str, Any]:
        """The report as plain values, every problem with table, row and message."""
        listed = [vars(problem) for problem in self.problems]
        looked_at = {"rows": self.rows, "geometry": self.geometry, "pictures": self.pictures}
        return {"looked_at": looked_at, "ok": self.ok, "cut": self.cut, "problems": listed}
