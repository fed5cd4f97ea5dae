"""A sample's hands in three dimensions, as the viewer's page shows them, for rows of running datasets too."""

import io
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from dashboard.pictures.cells import PICTURES, PLAIN, Cells
from dashboard.pictures.layers import UNREADABLE
from dashboard.rows.spot import Spot
from dashboard.watching.run import WatchedRun
from dataset.errors import InputError
from dataset.pictures import png_cell

if TYPE_CHECKING:  # torch is loaded for the first person who turns a hand
    from hands.joints import Side
    from hands.model import HandModel

_VIEW = ("sample_id", "width", "height", "camera")

POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""The page holds its own scripts; it runs apart from the dashboard, with no access to it and to no network."""


@cache
def get_ready() -> None:
    """Load in the background what the first page with hands needs, so that it comes as soon as the others."""
    threading.Thread(target=_free_hands, name="get ready", daemon=True).start()


@cache
def _free_hands() -> Mapping["Side", "HandModel"]:
    import dataset.viewer.page  # noqa: F401
    from dataset.assets.hand_files import load_hands

    return load_hands()


class Space:
    """Writes pages with both hands of a sample."""

    def __init__(self, cells: Cells, mano: Path | None = None) -> None:
        """Nothing is loaded before the first page.

        Args:
            cells: where rows come from.
            mano: folder of the MANO files, for datasets that were made with them.
        """
        self._cells, self._mano = cells, mano
        self._lock = threading.Lock()
        self._hands: list[tuple[Mapping[str, str], Mapping[Side, HandModel]]] = []

    def page(
        self, run: WatchedRun, spot: Spot, others: Sequence[Spot], theme: Literal["", "light", "dark"] = ""
    ) -> str:
        """The viewer's page with the scene alone.

        Args:
            run: that the sample is of.
            spot: where its row is.
            others: where other images of its pose are; those that cannot be read are left out.
            theme: empty: as the system says.

        Raises:
            InputError: the row cannot be read, or the dataset was made with hands that are not here.
        """
        from dataset.viewer.page import page

        with self._lock:  # one at a time: pages of runs go first
            hands = self._fitting(run)
            row = _with_pictures(self._cells.row(run, spot, (*PLAIN, *PICTURES)))
            views = [view for other in others if (view := self._view(run, other))]
            return page(run.state.manifest, [row], hands, {row["pose_id"]: views}, theme, only_scene=True)

    def _view(self, run: WatchedRun, spot: Spot) -> dict[str, Any] | None:
        try:
            return self._cells.row(run, spot, _VIEW)
        except InputError:
            return None

    def _fitting(self, run: WatchedRun) -> Mapping["Side", "HandModel"]:
        """The hands that a dataset was made with."""
        from dataset.assets.hand_files import hand_checksums, load_hands

        if not self._hands:
            loaded = [_free_hands(), *([load_hands(self._mano)] if self._mano else [])]
            self._hands = [(hand_checksums(hands), hands) for hands in loaded]
        manifest = run.state.manifest
        for checksums, hands in self._hands:
            if manifest and manifest.hands == checksums:
                return hands
        raise InputError(
            f"{run.name}: was made with another hand model than the ones that are here; `render-ih view` with --mano DIR "
            "writes its hands as a page"
        )


def _with_pictures(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose pictures can all be decoded: empty ones in the place of those that cannot."""
    height, width = row["height"], row["width"]
    filled = dict(row)
    for column in PICTURES:
        if row[column] is not None and not _is_picture(row[column]["bytes"]):
            depth = 3 if column in ("image", "normals") else 1
            blank = np.full((height, width, depth), 128 if column == "image" else 0, np.uint8).squeeze()
            filled[column] = png_cell(blank, column)
    return filled


def _is_picture(content: bytes) -> bool:
    try:
        Image.open(io.BytesIO(content)).load()
    except UNREADABLE:
        return False
    return True
