"""Errors by gesture: means and a standard error worked by hand."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.gestures import ERROR, compare
from dataset.errors import InputError


def evaluation(folder, errors: dict[str, float]):
    folder.mkdir()
    pq.write_table(pa.table({"sample_id": list(errors), ERROR: list(errors.values())}), folder / "errors.parquet")
    return folder


def test_gestures_and_poses_are_told_apart(tmp_path):
    """Differences 1 and 3 of one pose, 4 of another: means 2 and 4, whose deviation is √2, whose error 1."""
    first = {"fist_a-a001-v00": 11.0, "fist_a-a001-v01": 13.0, "clap-a000-v00": 24.0}
    folders = [
        evaluation(tmp_path / "a", first),
        evaluation(tmp_path / "b", dict(zip(first, (10.0, 10.0, 20.0), strict=True))),
    ]
    found = compare(folders)
    assert found["gestures"] == {"clap": [24.0, 20.0], "fist_a": [12.0, 10.0]}
    assert found["all"] == [16.0, 13.33] and found["first less second"] == 2.67
    assert found["poses"] == 2 and found["its standard error"] == 1.0


def test_other_images_are_refused(tmp_path):
    folders = [evaluation(tmp_path / name, {f"clap-a000-v0{name}": 1.0}) for name in "12"]
    with pytest.raises(InputError, match="different images"):
        compare(folders)
