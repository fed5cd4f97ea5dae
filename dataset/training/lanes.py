"""The window that each lane of an epoch is in, in memory that outlives the epoch."""

from collections.abc import Sequence

from dataset.training.assembly import Rows
from dataset.training.batching import EpochOrder, Piece
from dataset.training.row_groups import RowGroups
from dataset.training.window import Window


class Lanes:
    """One window a lane. Not for two epochs at once."""

    def __init__(self, groups: RowGroups, pictures: Sequence[str]) -> None:
        self._groups, self._pictures = groups, pictures
        self._windows: dict[int, Window] = {}
        self._order: EpochOrder | None = None
        self._at: dict[int, tuple[int, Rows]] = {}

    def begin(self, order: EpochOrder) -> None:
        """Forget what was read, keep its memory."""
        self._order, self._at = order, {}

    def rows(self, lane: int, piece: Piece) -> tuple[Window, Rows]:
        """The window that a piece is of, read unless the lane is in it, and the piece's rows in it.

        Raises:
            InputError: a shard is missing or damaged.
        """
        number, rows = self._at.get(lane, (None, None))
        if number != piece.window:
            window = self._windows.setdefault(lane, Window(self._pictures))
            window.fill(self._groups, self._order.groups(piece.window))
            rows = self._order.rows(piece.window)
            self._at[lane] = (piece.window, rows)
        return self._windows[lane], rows[piece.first : piece.last]
