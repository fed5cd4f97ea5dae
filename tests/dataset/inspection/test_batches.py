"""Tables are read in small pieces, and what cannot be read is refused in one sentence."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from dataset.errors import InputError
from dataset.inspection.batches import batches
from dataset.inspection.page import write_report
from dataset.inspection.statistics import inspect
from dataset.manifest import Manifest


def test_batches_follow_the_rows(dataset_dir, image_rows):
    paths = Manifest.read(dataset_dir).paths("images")
    found = list(batches(paths, ("sample_id", "right.bbox", "render.seconds"), rows=2))
    assert [len(batch["sample_id"]) for batch in found] == [2, 1, 2]
    assert [name for batch in found for name in batch["sample_id"]] == [row["sample_id"] for row in image_rows]
    boxes = np.concatenate([batch["right.bbox"] for batch in found])
    np.testing.assert_array_equal(boxes, [row["right"]["bbox"] for row in image_rows])


def test_a_missing_column_is_named(dataset_dir):
    paths = Manifest.read(dataset_dir).paths("images")
    with pytest.raises(InputError, match=r"00000\.parquet: lacks the column right\.colour; another program"):
        list(batches(paths, ("sample_id", "right.colour")))


def spoil(path, column):
    """Overwrite the middle of a column's data; the list of the file's parts stays whole."""
    group = pq.ParquetFile(path).metadata.row_group(0)
    chunk = next(c for c in map(group.column, range(group.num_columns)) if c.path_in_schema.startswith(column))
    content = bytearray(path.read_bytes())
    start, length = chunk.data_page_offset, chunk.total_compressed_size
    content[start : start + length] = b"\xff" * length
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("table", "column"),
    [("images", "right.joints_3d"), ("images", "render.hdri"), ("images", "pose_id"), ("poses", "left.hand_pose")],
)
def test_a_shard_damaged_inside_is_refused_in_one_sentence(written, samples, table, column):
    folder = written(samples[:1])
    spoil(folder / table / "00000.parquet", column)
    with pytest.raises(InputError, match="damaged") as error:
        inspect(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("table", ["images", "poses", "rejected"])
def test_a_missing_or_cut_shard_is_refused_in_one_sentence(written, samples, table):
    folder = written(samples[:1])
    path = folder / table / "00000.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="damaged"):
        inspect(folder)
    path.unlink()
    with pytest.raises(InputError, match="missing"):
        inspect(folder)


def test_a_shard_lost_before_the_page_is_refused(written, samples):
    folder = written(samples[:1])
    found = inspect(folder)
    (folder / "images" / "00000.parquet").unlink()
    with pytest.raises(InputError, match="missing"):
        write_report(folder, found)
