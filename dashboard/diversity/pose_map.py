"""A map of a dataset's poses: a bounded sample of them, placed by t-SNE as `render-ih inspect` does it."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float

from dashboard.diversity.holes import Narrow, narrow_angles
from dashboard.diversity.placing import elsewhere
from dashboard.rows.index import RowIndex
from dataset.columns import column_array, flattened
from dataset.errors import InputError
from dataset.manifest import Manifest, file_name
from dataset.storage.store import Store

MOST = 1500
"""Poses on the map."""
FEWEST = 10
"""Poses below which a map says nothing."""
NAMED = 40
"""Poses up to which their names stand beside them."""
GROWTH = 1.25
"""How much a run's poses must have grown for a new map."""
ENOUGH_FOR_ANGLES = 200
"""Poses from which on it is said which angles hardly move."""
_COLOURS = 8
_PARAMETERS = ("global_orient", "hand_pose", "betas", "transl")
_READ = tuple(f"{side}.{name}" for side in ("right", "left") for name in _PARAMETERS)


class Pose(NamedTuple):
    """A row of `poses`: what it is, and where it lies."""

    name: str
    base: str
    source: str
    split: str
    augmentation: int
    shard: str
    number: int
    """Row in the shard's file."""


@dataclass(frozen=True, eq=False)
class PoseMap:
    """Poses near each other on it are alike."""

    poses: tuple[Pose, ...]
    count: int
    """All poses of the dataset when it was made."""
    places: Float[np.ndarray, "m 2"]
    """Within 0 to 1."""
    nearest_mm: Float[np.ndarray, "m"]
    """From each pose to the nearest other one of the map: mean distance of 42 joints, see `hands.selection`."""
    narrow: tuple[Narrow, ...]
    """Joint angles that hardly move; none when there are few poses."""
    is_approximate: bool
    """Whether another hand model than the dataset's own has shaped the poses."""

    @property
    def version(self) -> str:
        """Another one for another map."""
        return hashlib.sha256(repr((self.count, self.poses)).encode()).hexdigest()[:12]

    @property
    def mean_nearest_mm(self) -> float:
        """Of `nearest_mm`."""
        return float(self.nearest_mm.mean())

    def content(self) -> dict[str, Any]:
        """For the page's script: names, places, how each way to colour divides them, and, of few poses, labels."""
        x, y = np.round(self.places, 4).T.tolist()
        names, bases = [pose.name for pose in self.poses], [pose.base for pose in self.poses]
        labels = bases if len(set(bases)) == len(bases) else names
        drawn = {"name": names, "x": x, "y": y, "colours": self.colours()}
        return drawn | {"label": labels if len(names) <= NAMED else []}

    def colours(self) -> dict[str, dict[str, Any]]:
        """Ways to colour: `names` of the kinds, the most frequent first and those beyond eight together, and `of` each pose."""
        return {
            "kind": _divided("as read" if pose.augmentation == 0 else "augmented" for pose in self.poses),
            "source": _divided(pose.source for pose in self.poses),
            "split": _divided(pose.split for pose in self.poses),
            "base": _divided(pose.base for pose in self.poses),
        }


def version(poses: int, is_complete: bool) -> int:
    """What changes when a new map is due: with every pose when all are there, before that with each quarter more."""
    return poses if is_complete or not poses else -math.floor(math.log(poses) / math.log(GROWTH)) - 1


def chosen(index: RowIndex, most: int = MOST) -> list[Pose]:
    """Poses for a map, decided by their names: half of them as read, as far as there are so many, and augmented ones."""
    raw, varied = (
        index.ask(f"SELECT count(*) FROM poses WHERE augmentation {is_kind} 0")[0][0] for is_kind in ("=", "<>")
    )
    of_raw = min(raw, max(most // 2, most - varied))
    return [*_first(index, "=", of_raw), *_first(index, "<>", most - of_raw)]


def _first(index: RowIndex, is_kind: str, most: int) -> Iterator[Pose]:
    sql = (
        "SELECT pose_id, base_pose, source, split, augmentation, shard, number FROM poses "
        f"WHERE augmentation {is_kind} 0 ORDER BY hash(pose_id), pose_id LIMIT ?"
    )
    return (Pose(*row) for row in index.ask(sql, [most]))


def pose_map(store: Store, manifest: Manifest, poses: Sequence[Pose], count: int) -> PoseMap:
    """Read the poses' parameters and place them; seconds.

    Args:
        store: where the dataset lies.
        manifest: of the dataset.
        poses: those to place, `FEWEST` or more.
        count: all there are.

    Raises:
        InputError: a file is gone or damaged.
    """
    ordered = sorted(poses, key=attrgetter("shard", "number"))
    columns = {"pose_id": np.array([pose.name for pose in ordered]), **_parameters(store, ordered)}
    hands = manifest.hands
    sides, sums = (np.array(list(values), dtype=str) for values in (hands, hands.values()))
    found = elsewhere("poses", columns | {"hand_sides": sides, "hand_sums": sums})
    narrow = []
    if len(ordered) >= ENOUGH_FOR_ANGLES:
        narrow = narrow_angles(*(found[name].tolist() for name in ("lows", "highs", "names", "allowed")))
    places, nearest_mm = _within(found["places"]), found["nearest_mm"]
    return PoseMap(tuple(ordered), count, places, nearest_mm, tuple(narrow), bool(found["is_approximate"]))


def _within(places: Float[np.ndarray, "m 2"]) -> Float[np.ndarray, "m 2"]:
    """Into 0 to 1, as wide as high as they were."""
    low, high = places.min(0), places.max(0)
    return (places - (low + high) / 2) / ((high - low).max() or 1.0) + 0.5


def _parameters(store: Store, poses: Sequence[Pose]) -> dict[str, np.ndarray]:
    """Columns of the rows, in their order: of each file only the groups of rows that are asked for."""
    parts = [
        part
        for shard, rows in groupby(poses, attrgetter("shard"))
        for part in _of_shard(store, file_name("poses", shard), np.array([pose.number for pose in rows]))
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in _READ}


def _of_shard(store: Store, file: str, rows: np.ndarray) -> Iterator[Mapping[str, np.ndarray]]:
    try:
        with store.open(file) as opened, pq.ParquetFile(opened, pre_buffer=True) as parquet:
            first = 0
            for group in range(parquet.num_row_groups):
                size = parquet.metadata.row_group(group).num_rows
                inside = rows[(rows >= first) & (rows < first + size)] - first
                if len(inside):
                    table = parquet.read_row_group(group, columns=list(_READ)).take(pa.array(inside))
                    yield {name: column_array(values) for name, values in flattened(table).items()}
                first += size
    except (OSError, pa.ArrowException, KeyError) as error:
        raise InputError(
            f"{file}: cannot be read ({type(error).__name__}); `render-ih verify` names a file that is missing or damaged"
        ) from error


def _divided(values: Iterator[str]) -> dict[str, Any]:
    """Kinds by frequency, the eighth being all others when there are more."""
    listed = list(values)
    kinds, counts = np.unique(listed, return_counts=True)
    ordered = [str(kinds[i]) for i in np.lexsort((kinds, -counts))]
    if len(ordered) > _COLOURS:
        ordered = [*ordered[: _COLOURS - 1], f"{len(ordered) - _COLOURS + 1:,} others"]
    last = len(ordered) - 1
    place = {name: i for i, name in enumerate(ordered)}
    of = [place.get(value, last) for value in listed]
    return {"names": ordered, "counts": np.bincount(of, minlength=len(ordered)).tolist(), "of": of}
