"""What is wrong with one thing is no trouble for the others."""

import itertools
import json
import shutil

import pyarrow as pa

from dashboard.rating.answers import as_csv, schema
from dashboard.rows.index import Database, RowIndex
from dashboard.watching.pulse import Health
from dataset.manifest import Manifest
from tests.dashboard.serving import client_of, desk_of, look
from tests.dataset.synthetic import write_dataset


def record(folder, name: str, **more) -> None:
    path = folder / ".work/workers" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"worker": name, "beat": 1, "state": "working"} | more))


def unfinished(folder) -> None:
    """As if the run were still at work."""
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"splits": {}}))


def test_a_manifest_with_a_number_that_is_none_is_a_sentence_and_the_others_are_watched(shown_samples, tmp_path):
    for name in ("a", "b"):
        write_dataset(tmp_path / name, shown_samples[:3])
    with desk_of(tmp_path) as desk:
        manifest = json.loads((tmp_path / "a/manifest.json").read_text())
        manifest["tables"]["images"]["shards"][0]["rows"] = "5"
        (tmp_path / "a/manifest.json").write_text(json.dumps(manifest))
        look(desk)
        assert "damaged" in desk.run("a").state.trouble and not desk.run("b").state.trouble
        page = client_of(desk).get("/")
        assert page.status_code == 200 and "damaged" in page.text


def test_records_that_are_none_leave_the_others(shown_samples, tmp_path):
    folder = write_dataset(tmp_path / "a", shown_samples[:3]).folder
    unfinished(folder)
    record(folder, "anna")
    record(folder, "none", worker=7)
    (folder / ".work/workers/half.json").write_text("{")
    (folder / ".work/workers/list.json").write_text("[]")
    with desk_of(folder) as desk:
        assert [worker.name for worker in desk.run("a").state.workers] == ["anna"]


def test_another_dataset_in_the_same_place_has_workers_of_its_own(shown_samples, tmp_path, monkeypatch):
    folder = write_dataset(tmp_path / "a", shown_samples[:3]).folder
    unfinished(folder)
    record(folder, "old")
    with desk_of(folder) as desk:
        shutil.rmtree(folder)
        monkeypatch.setattr("tests.dataset.synthetic.CONFIG", {"seed": 99})
        write_dataset(folder, shown_samples[:3])
        unfinished(folder)
        record(folder, "new")
        look(desk)
        assert [(worker.name, worker.health) for worker in desk.run("a").state.workers] == [("new", Health.WORKING)]


def test_a_shard_that_cannot_be_read_waits_for_all_others(shown_samples, tmp_path, monkeypatch):
    folder = write_dataset(tmp_path / "a", shown_samples[:3]).folder
    (folder / "poses/00000.parquet").unlink()
    manifest, index = Manifest.read(folder), RowIndex(Database())
    clock = itertools.count()
    monkeypatch.setattr("dashboard.rows.index.time.monotonic", lambda: next(clock))
    for _ in range(9):  # time for one shard a turn
        index.take_in(manifest, manifest.store, ({"shard": "no stage"},), seconds=1)
    assert index.ask("SELECT count(*) FROM samples") == [(3,)] and list(index.troubles) == ["poses/00000.parquet"]


def test_a_link_that_leads_nowhere_hides_nothing(shown_samples, tmp_path):
    write_dataset(tmp_path / "out/a", shown_samples[:3])
    (tmp_path / "out/self").symlink_to(tmp_path / "out/self")
    with desk_of(tmp_path / "out") as desk:
        assert list(desk.catalogue.runs) == ["a"] and not desk.catalogue.troubles


def test_a_table_of_answers_holds_no_formula():
    table = schema("naturalness").empty_table()
    row = {field.name: None for field in table.schema}
    text = next(field.name for field in table.schema if field.name.startswith("sample"))
    told = as_csv(
        [pa.Table.from_pylist([row | {text: '=HYPERLINK("x").png'}], schema=table.schema)], "naturalness"
    ).decode()
    assert "\"'=HYPERLINK" in told
