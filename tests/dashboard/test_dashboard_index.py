"""Rows are taken over as shards come and go, whatever is wrong with some of them."""

import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from dashboard.rows.columns import TABLES
from dataset.manifest import Manifest
from dataset.shards import iterate_rows
from hands.joints import JointState
from tests.dashboard.serving import client_of, desk_of, look
from tests.dataset.synthetic import write_dataset


@pytest.fixture
def grown(shown_samples, tmp_path):
    """A dataset that a test may change."""
    return write_dataset(tmp_path / "grown", shown_samples[:6]).folder


def index_of(desk):
    return desk.keeper.index(next(iter(desk.catalogue.runs)))


def test_columns_are_what_the_rows_have(desk, finished):
    index = desk.keeper.index("finished")
    rows = {row["sample_id"]: row for row in iterate_rows(Manifest.read(finished).paths("images"))}
    asked = "SELECT sample_id, hdri, visible_left, joints_right, contact_vertices, camera_x, camera_y, camera_z FROM samples"
    found = index.ask(asked)
    assert {name for name, *_ in found} == rows.keys()
    for name, hdri, visible, joints, contact, *place in found:
        row = rows[name]
        R, t = np.reshape(row["camera"]["R"], (3, 3)), np.asarray(row["camera"]["t"])
        assert hdri == row["render"]["hdri"] and contact == row["interaction"]["contact_vertices"]
        assert visible == pytest.approx(row["left"]["visible_fraction"])
        assert joints == list(row["right"]["joint_state"]).count(JointState.VISIBLE)
        np.testing.assert_allclose(place, -R.T @ t, atol=1e-5)


def test_every_row_knows_its_place(desk, finished):
    for name, shard, number in desk.keeper.index("finished").ask("SELECT sample_id, shard, number FROM samples"):
        assert pq.read_table(finished / "images" / f"{shard}.parquet")["sample_id"][number].as_py() == name


def test_other_tables_are_there_too(desk, finished):
    index, manifest = desk.keeper.index("finished"), Manifest.read(finished)
    for table, kept in TABLES.items():
        assert index.ask(f"SELECT count(*) FROM {kept.name}") == [(manifest.rows(table),)]
    assert index.ask("SELECT DISTINCT reason FROM refusals ORDER BY 1") == [("joint_limit",), ("penetration",)]


def test_new_shards_come_and_lost_ones_go(grown, shown_samples, tmp_path):
    with desk_of(grown) as desk:
        index = index_of(desk)
        assert index.ask("SELECT count(*) FROM samples") == [(6,)]
        version = desk.watcher.version
        shutil.rmtree(grown)
        write_dataset(grown, shown_samples[3:9])
        look(desk)
        names = {name for (name,) in index.ask("SELECT sample_id FROM samples")}
        assert names == {sample["images"]["sample_id"] for sample in shown_samples[3:9]}
        assert desk.watcher.version > version


def test_rows_arrive_in_the_order_in_which_they_were_made(grown):
    lines = [f'{{"attempt": "{i}", "stage": "images", "shard": "{name}", "finished": "2026-01-0{i + 1}T00:00:00+00:00"}}'
             for i, name in enumerate(("00001", "00000"))]  # fmt: skip
    (grown / "history").mkdir()
    (grown / "history/shards.jsonl").write_text("\n".join(lines) + "\n")
    with desk_of(grown) as desk:
        assert index_of(desk).ask("SELECT DISTINCT shard, arrived FROM samples ORDER BY arrived")[0][0] == "00001"


@pytest.mark.parametrize("harm", ["missing", "short", "garbage"])
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_there(grown, harm):
    path = grown / "images/00001.parquet"
    size = path.stat().st_size
    whole = path.read_bytes()
    {
        "missing": path.unlink,
        "short": lambda: path.write_bytes(whole[:-9]),
        "garbage": lambda: path.write_bytes(b"x" * size),
    }[harm]()
    with desk_of(grown) as desk:
        index = index_of(desk)
        assert list(index.troubles) == ["images/00001.parquet"] and index.ask("SELECT count(*) FROM samples") == [(3,)]
        path.write_bytes(whole)
        look(desk)
        assert not index.troubles and index.ask("SELECT count(*) FROM samples") == [(6,)]


def test_an_answer_is_kept_until_something_changes(grown, shown_samples):
    with desk_of(grown) as desk:
        index = index_of(desk)
        first = index.ask("SELECT count(*) FROM samples WHERE hdri != ?", ["none"])
        first.append("changed by who asked")
        assert index.ask("SELECT count(*) FROM samples WHERE hdri != ?", ["none"]) == [(6,)]
        assert index.ask("SELECT count(*) FROM samples WHERE hdri = ?", ["none"]) == [(0,)]
        shutil.rmtree(grown)
        write_dataset(grown, shown_samples[:3])
        look(desk)
        assert index.ask("SELECT count(*) FROM samples WHERE hdri != ?", ["none"]) == [(3,)]


def test_a_page_rests_although_something_has_changed(grown, shown_samples):
    with desk_of(grown) as desk:
        desk.rest = 3600
        client = client_of(desk)
        before = client.get("/runs/grown")
        desk.watcher.version += 1
        after = client.get("/runs/grown")
        assert after.headers["etag"] == before.headers["etag"], "the browser learns that it has an older one"
        desk.rest = 0
        assert client.get("/runs/grown").headers["etag"] != before.headers["etag"]
