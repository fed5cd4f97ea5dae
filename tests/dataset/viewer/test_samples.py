"""Which samples a page shows: spread out, found by name, and without a look at the pictures of the others."""

import pyarrow.parquet as pq
import pytest

from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.viewer.samples import choose_samples, views_of_poses
from tests.dataset.synthetic import write_dataset


@pytest.fixture(scope="module")
def manifest(dataset_dir):
    return Manifest.read(dataset_dir)


@pytest.fixture
def two_views(samples, tmp_path):
    """Samples 0 and 4 show one pose."""
    changed = [{**sample, "images": dict(sample["images"])} for sample in samples]
    changed[4]["images"]["pose_id"] = changed[0]["images"]["pose_id"]
    return write_dataset(tmp_path / "views", changed)


def spoil_pictures(path):
    """Overwrite the encoded pictures of a shard; its other columns stay readable."""
    content = bytearray(path.read_bytes())
    group = pq.ParquetFile(path).metadata.row_group(0)
    for number in range(group.num_columns):
        column = group.column(number)
        if column.path_in_schema.endswith(".bytes"):
            start = column.dictionary_page_offset or column.data_page_offset
            content[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(content)


def test_without_a_name_every_base_pose_comes_before_any_comes_twice(manifest):
    rows = choose_samples(manifest, most=4)
    bases = [row["provenance"]["base_pose"] for row in rows]
    assert set(bases[:3]) == {"palms", "cross", "apart"} and len({row["sample_id"] for row in rows}) == 4
    assert len(choose_samples(manifest, most=50)) == 5
    assert len({row["provenance"]["base_pose"] for row in choose_samples(manifest, most=2)}) == 2


def test_the_choice_is_the_same_every_time(manifest):
    first, second = ([row["sample_id"] for row in choose_samples(manifest)] for _ in range(2))
    assert first == second


def test_a_named_sample_comes_first_and_the_other_views_of_its_pose_follow(two_views):
    chosen = [row["sample_id"] for row in choose_samples(two_views, "000004-0")]
    assert chosen == ["000004-0", "000000-0"]
    assert [row["sample_id"] for row in choose_samples(two_views, "000004-0", most=1)] == ["000004-0"]


def test_rows_are_whole(manifest, image_rows):
    (row,) = choose_samples(manifest, "000003-0")
    assert set(row) == set(image_rows[3])
    assert row["image"]["bytes"] == image_rows[3]["image"]["bytes"]


def test_an_unknown_name_is_refused_with_names_near_it(manifest):
    with pytest.raises(InputError, match=r"has no sample '00003-0'; .* such as 000003-0, ") as caught:
        choose_samples(manifest, "00003-0")
    assert "\n" not in str(caught.value)


def test_a_dataset_without_images_says_so(tmp_path):
    empty = Manifest.open(tmp_path / "empty", {"seed": 1})
    with pytest.raises(InputError, match="holds no images yet"):
        choose_samples(empty)


def test_pictures_of_other_shards_are_not_read(samples, tmp_path):
    manifest = write_dataset(tmp_path / "spoilt", samples)
    spoil_pictures(manifest.paths("images")[0])
    assert [row["sample_id"] for row in choose_samples(manifest, "000004-0")] == ["000004-0"]
    with pytest.raises(InputError, match="row 0 cannot be read"):
        choose_samples(manifest, "000000-0")


def test_a_damaged_shard_is_named(samples, tmp_path):
    manifest = write_dataset(tmp_path / "cut", samples)
    path = manifest.paths("images")[1]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=rf"cannot be read .*{path.name}"):
        choose_samples(manifest)


def test_views_come_by_pose_with_their_cameras(two_views, image_rows):
    views = views_of_poses(two_views, ["000000", "000001", "000000"])
    assert {pose: [view["sample_id"] for view in found] for pose, found in views.items()} == {
        "000000": ["000000-0", "000004-0"],
        "000001": ["000001-0"],
    }
    assert views["000001"][0]["camera"]["t"] == pytest.approx(image_rows[1]["camera"]["t"])
