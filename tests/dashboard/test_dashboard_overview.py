"""The pages of a run and of all runs: figures against independent counts, unfinished, broken and hostile datasets."""

import html
import json
import re
import shutil
from pathlib import Path

import duckdb
import pytest

from dashboard.pages.about import commands, facts
from dashboard.pages.overview import _failures
from dashboard.rows.refused import refused
from dashboard.watching.pulse import Health, WorkerState
from dashboard.watching.run import RunState
from dataset.inspection.statistics import inspect
from dataset.manifest import Manifest, RunRecord
from tests.dashboard.serving import client_of, desk_of


def shown(page: str) -> str:
    """A page's text, in one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def unfinished(folder: Path, source: Path, images: int = 2) -> Path:
    """A copy of a finished dataset that has fewer images and is not published."""
    shutil.copytree(source, folder)
    content = json.loads((folder / "manifest.json").read_text())
    content["splits"] = {}
    content["tables"]["images"]["shards"] = content["tables"]["images"]["shards"][:images]
    content["tables"]["rejected"]["shards"].append({"name": "plan", "rows": 0, "bytes": 1, "sha256": "0"})
    (folder / "manifest.json").write_text(json.dumps(content))
    (folder / ".work/workers").mkdir(parents=True)
    return folder


def at_work(folder: Path, **record) -> None:
    about = {"worker": "gpu0", "state": "working", "stage": "images", "shard": "00002", "beat": 1, "beat_seconds": 15}
    (folder / ".work/workers/gpu0.json").write_text(json.dumps(about | record))


def test_a_finished_run_shows_what_it_was(client, finished):
    answer = client.get("/runs/finished")
    text = shown(answer.text)
    assert answer.status_code == 200 and "Finished: 12 images of 12 poses" in text
    assert "256 × 192 pixels" in text and "Seed 7" in text and "everything is made" in text
    assert "None" not in text and "Took – the history does not tell" in text
    assert f"render-ih verify {finished}" in text and "render-ih export" in text and "render-ih run" not in text
    assert "style=" not in answer.text.replace('<link rel="stylesheet"', ""), "the policy forbids styles in elements"


def test_the_newest_images_come_first(client, finished):
    names = re.findall(r"/pictures/([^.]+)\.jpg\?width=240", client.get("/runs/finished").text)
    ordered = sorted(
        sample for (sample,) in duckdb.sql(f"FROM '{finished}/images/*.parquet' SELECT sample_id").fetchall()
    )
    assert names == ordered[::-1][:8]
    assert client.get("/static/overview.css").status_code == client.get("/static/home.css").status_code == 200


def test_refusals_are_those_of_the_inspection(desk, finished):
    found, known = refused(desk.index(desk.run("finished"))), inspect(finished)
    assert {step: one.tried for step, one in found.items()} == known.tried
    assert {step: one.count for step, one in found.items()} == {step: known.counts.refused(step) for step in found}
    assert found["validate"].reasons == {"penetration": 3, "joint_limit": 2} and found["validate"].share == 5 / 17
    assert "Poses 5 of 17 (29 %)" in shown(client_of(desk).get("/runs/finished").text)


def test_a_run_at_work(finished, tmp_path):
    folder = unfinished(tmp_path / "run", finished)
    step = {"done": 1, "total": 3, "unit": "images"}
    at_work(
        folder, step=step, rates={"images": 0.5}, seconds=600, troubles={"out of memory": 2}, last_error="<b>gone</b>"
    )
    with desk_of(folder) as desk:
        page = client_of(desk).get("/runs/run").text
    text = shown(page)
    assert "Rendering: 58 % of 12 images, about 10 s left" in text, "(6 + 1) of 12, five more at one in two seconds"
    assert 'value="0.5833"' in page and "6 of 12 images, 2 of 4 shards · 1 worker" in text
    assert "30.0/min" in text and "out of memory × 2" in text
    assert "&lt;b&gt;gone&lt;/b&gt;" in page and "<b>gone" not in page


def test_cost_is_hours_times_price(finished, tmp_path):
    folder = unfinished(tmp_path / "run", finished)
    at_work(folder, shard_seconds=7200.0, device="OPTIX A")
    with desk_of(folder, price_per_hour=1.5) as desk:
        assert "Device hours 2.0 cost 3.00" in shown(client_of(desk).get("/runs/run").text)
    with desk_of(folder) as desk:
        assert "Device hours 2.0 as far as the history tells" in shown(client_of(desk).get("/runs/run").text)


def test_an_empty_run_says_what_will_come(tmp_path):
    Manifest.open(tmp_path / "run", {"seed": 1})
    with desk_of(tmp_path / "run") as desk:
        text = shown(client_of(desk).get("/runs/run").text)
    assert (
        "Not begun" in text and "Pictures come with the first shard of images." in text and "Nothing was judged" in text
    )


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 99}'])
def test_a_broken_run_is_a_sentence(tmp_path, content):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/manifest.json").write_text(content)
    with desk_of(tmp_path / "run") as desk:
        answer = client_of(desk).get("/runs/run")
    assert (
        answer.status_code == 200 and "Nothing can be read of it yet" in answer.text and "Traceback" not in answer.text
    )


@pytest.mark.parametrize("name", ["workers/gpu0.json", "stages.json", "control.json", "history"])
@pytest.mark.parametrize(
    "content", ["{", "[1]", '"x"', "null", '{"worker": {"a": 1}}', '{"stage": 3, "finished": 5, "state": []}']
)
def test_hostile_files_of_a_run_break_nothing(finished, tmp_path, name, content):
    folder = unfinished(tmp_path / "run", finished)
    at_work(folder)
    path = folder / "history/shards.jsonl" if name == "history" else folder / ".work" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    with desk_of(folder) as desk:
        client = client_of(desk)
        assert client.get("/runs/run").status_code == 200
        assert client.get("/").status_code in (200, 307)


def test_a_merged_dataset_has_no_configuration(tmp_path):
    runs = {"a": RunRecord({"seed": 1}, "1.0", {}), "b": RunRecord({"seed": 2}, "1.1", {})}
    manifest = Manifest(tmp_path, runs, {"operation": "merge"}, {"train": {}})
    state = RunState("m", str(tmp_path), manifest)
    assert facts(state) == [("Made by", "Merged, of 2 runs"), ("Program", "1.0, 1.1")]
    assert not any("render-ih run" in command.line for command in commands(state))


def test_commands_can_be_pasted(tmp_path):
    state = RunState("m", "/data/it's here; rm -rf x", Manifest(tmp_path, {"a": RunRecord({}, "1", {})}))
    assert {command.line.split(" ", 2)[1] for command in commands(state)} == {"run", "verify", "inspect", "view"}
    assert all("""'/data/it'"'"'s here; rm -rf x'""" in command.line for command in commands(state))


def test_failures_are_added_up():
    def worker(name: str, **record) -> WorkerState:
        return WorkerState({"worker": name} | record, Health.LEFT, 0)

    workers = (worker("a", troubles={"failed": 2}, last_error="x"), worker("b", troubles={"failed": 1, "storage": 4}))
    found = _failures(RunState("r", "x", workers=workers, aside={f"images/{n}": ("one", "two") for n in range(9)}))
    assert found.troubles == {"storage": 4, "failed": 3} and found.errors == [("a", "x")]
    assert found.aside[0] == ("images/0", "two", 2) and (len(found.aside), found.more_aside) == (6, 3)
    assert _failures(RunState("r", "x")).is_empty


def test_the_first_page_lists_all_runs(finished, tmp_path):
    folder = unfinished(tmp_path / "runs" / "b&b", finished)
    at_work(folder, rates={"images": 1.0}, seconds=600)
    with desk_of(finished, tmp_path / "runs", tmp_path / "missing") as desk:
        answer = client_of(desk).get("/")
    text = shown(answer.text)
    assert answer.status_code == 200 and "2 runs, 1 at work" in text
    assert text.index("Rendering: 50 %") < text.index("Finished: 12 images"), "what goes on comes first"
    assert f"{tmp_path / 'missing'}: there is no such folder" in text


def test_the_only_run_is_the_first_page(client):
    answer = client.get("/")
    assert answer.status_code == 307 and answer.headers["location"] == "/runs/finished"


def test_without_a_run_the_first_page_says_how_to_make_one(tmp_path):
    with desk_of(tmp_path) as desk:
        text = shown(client_of(desk).get("/").text)
    assert "render-ih run --config configs/demo.yaml --out out/demo" in text and "holds no dataset" in text


def test_trainings_are_listed(tmp_path):
    (tmp_path / "ihdiff").mkdir()
    (tmp_path / "ihdiff/metrics.jsonl").write_text('{"step": 3, "loss": 1.0}\n')
    with desk_of(tmp_path) as desk:
        assert 'href="/training/ihdiff"' in client_of(desk).get("/").text


def test_an_unknown_run_is_a_sentence(client):
    answer = client.get("/runs/%3Cscript%3E")
    assert answer.status_code == 404 and "<script>alert" not in answer.text and "finished" in answer.text
