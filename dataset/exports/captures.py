"""Numbers in place of names: which capture, subject, frame and camera an image is where a format knows only such.

A subject is a hand shape (both hands' coefficients). A capture is up to 500 poses of one subject, a frame is one of its
poses, a camera one of its images, since every image has a camera of its own. Numbers count from 0 in the order of the
names, over the whole dataset: an export of some images has those of the whole one, with gaps.
"""

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from dataset.atomic import atomic_file
from dataset.exports.world_poses import add_poses, no_pose
from dataset.manifest import Manifest
from dataset.queries import add_table, database
from dataset.shards import Row

POSES_A_CAPTURE = 500
"""So that a reader, which may have to hold a whole capture, meets none that grows with the dataset."""
_NUMBERS = ("capture", "subject", "frame", "camera")
_INDEX = pa.schema([("sample_id", pa.string()), *((name, pa.int32()) for name in _NUMBERS)])

_NUMBERING = f"""
    WITH people AS (
        SELECT pose_id, min(pose_id) OVER (PARTITION BY "right".betas, "left".betas) AS person FROM poses
        WHERE pose_id IN (SELECT pose_id FROM images)
    ), numbered AS (
        SELECT pose_id, dense_rank() OVER (ORDER BY person) - 1 AS subject,
            row_number() OVER (PARTITION BY person ORDER BY pose_id) - 1 AS number FROM people
    ), frames AS (
        SELECT pose_id, subject, number % {POSES_A_CAPTURE} AS frame,
            dense_rank() OVER (ORDER BY subject, number // {POSES_A_CAPTURE}) - 1 AS capture FROM numbered
    )
    SELECT sample_id, capture, subject, frame,
        row_number() OVER (PARTITION BY capture ORDER BY frame, sample_id) - 1 AS camera
    FROM images JOIN frames USING (pose_id) ORDER BY sample_id
"""


class Place(NamedTuple):
    """Where an image stands."""

    capture: int
    subject: int
    frame: int
    camera: int


class Places:
    """The numbers of the images of one shard."""

    def __init__(self, manifest: Manifest, shard: str, index: Path) -> None:
        """Look them up; `index` is a file that is made once for the whole dataset."""
        if not index.exists():
            _write_index(manifest, index)
        self._shard = manifest.path("images", shard)
        with database() as sql:
            add_table(sql, "images", [self._shard])
            add_table(sql, "numbers", [index])
            found = sql.sql("SELECT * FROM numbers WHERE sample_id IN (SELECT sample_id FROM images)").fetchall()
        self._places = {name: Place(*numbers) for name, *numbers in found}

    def of(self, image: Row) -> Place:
        """The numbers of an image.

        Raises:
            InputError: the dataset has no such pose.
        """
        if image["sample_id"] not in self._places:
            raise no_pose(f"{self._shard}: {image['sample_id']}", image["pose_id"])
        return self._places[image["sample_id"]]


def _write_index(manifest: Manifest, path: Path) -> None:
    with database() as sql:
        add_table(sql, "images", manifest.paths("images"))
        add_poses(sql, manifest)
        with atomic_file(path) as file, pq.ParquetWriter(file, _INDEX) as writer:
            for batch in sql.sql(_NUMBERING).to_arrow_reader(1 << 16):
                writer.write_table(pa.Table.from_batches([batch]).cast(_INDEX))
