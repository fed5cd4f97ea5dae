"""The plan: the same whatever the number of processes and shards, shuffled, cut into files that readers like."""

import pyarrow.parquet as pq
import pytest

from dataset.manifest import Manifest
from dataset.shards import ROWS_PER_GROUP, iterate_rows
from flows.render_ih import PLAN, POSES
from tasks import plan_images as planning
from tasks.run import open_run
from tasks.sharing.share import lead
from tests.flows.small_run import config, rows

MANY = ("camera={views: 80, per_track: 20, width: 128, height: 84}", "augmentation.copies=1")


def planned(folder, *more):
    with open_run(config(*MANY, *more), folder) as run:
        for stage in (POSES, PLAN):
            lead(run, stage)
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return planned(tmp_path_factory.mktemp("plan") / "plain", "shards.images=1000")


def test_several_processes_write_the_same_plan(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "FEW", 10)
    other = planned(tmp_path / "other", "shards={poses: 1, images: 1000}", "machine.plan_processes=2")
    for path in Manifest.read(plain).paths("plan"):
        assert path.read_bytes() == (other / "plan" / path.name).read_bytes()


def test_shards_are_of_one_split_and_mix_all_poses(plain):
    manifest = Manifest.read(plain)
    assert [path.stem for path in manifest.paths("plan")] == ["train-00000", "validation-00000"]
    for path in manifest.paths("plan"):
        names = [row["pose_id"] for row in iterate_rows([path])]
        assert len(set(names)) == 2 and names != sorted(names)
        assert len(set(names[: len(names) // 4])) == 2


def test_small_shards_hold_the_same_rows(plain, tmp_path):
    small = planned(tmp_path / "small", "shards.images=50")
    assert rows(plain, "plan") == rows(small, "plan")
    assert {shard.rows for shard in Manifest.read(small).shards["plan"].values()} >= {50}


def test_row_groups_are_of_the_size_that_readers_like(plain):
    assert 100 <= ROWS_PER_GROUP <= 250
    for path in Manifest.read(plain).paths("plan"):
        groups = pq.ParquetFile(path).metadata
        sizes = [groups.row_group(number).num_rows for number in range(groups.num_row_groups)]
        assert sizes[:-1] == [ROWS_PER_GROUP] * (len(sizes) - 1) and 0 < sizes[-1] <= ROWS_PER_GROUP
