"""The dashboard's page for Prometheus: true figures, few series, names that do not change by accident."""

import json
import shutil
from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dashboard.metrics import MOST_WORKERS
from dataset.manifest import Manifest
from tasks.observing.metrics import REGISTRY
from tests.dashboard.serving import client_of, desk_of, look
from tests.dataset.synthetic import rejected_row, write_dataset

TOKEN = "a-token-of-tests-0123"
RECORD = {
    "host": "node7", "pid": 7, "device": "OPTIX", "stage": "images", "shard": "00002", "shard_seconds": 12.0, "shards": 3,
    "step": {"done": 1, "total": 4, "unit": "images"}, "rates": {"images": 0.5}, "troubles": {"storage": 2},
    "cpu_percent": 250.0, "memory_mib": 512, "beat": 1, "beat_seconds": 15.0, "state": "working", "seconds": 600.0,
    "gpus": [{"name": "A GPU", "use_percent": 75, "memory_mib": 1024, "of_mib": 4096, "temperature_c": 61}, None],
}  # fmt: skip


def figures(client, **headers) -> dict[str, dict[tuple[str, ...], float]]:
    """Name to values of labels, in order of the labels' names, to value."""
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(answer.text):
        found[family.name] = {}
        for sample in family.samples:
            labels = tuple(sample.labels[name] for name in sorted(sample.labels))
            assert labels not in found[family.name], f"{sample} is told twice"
            found[family.name][labels] = sample.value
    return found


@pytest.fixture
def unfinished(finished, tmp_path):
    """A run at its images: two of four shards, and no worker yet."""
    folder = tmp_path / "going"
    shutil.copytree(finished, folder)
    content = json.loads((folder / "manifest.json").read_text())
    content["splits"] = {}
    content["tables"]["images"]["shards"] = content["tables"]["images"]["shards"][:2]
    (folder / "manifest.json").write_text(json.dumps(content))
    (folder / ".work/workers").mkdir(parents=True)
    (folder / ".work/stages.json").write_text('{"images": 4}')
    return folder


def write_record(folder, name="node7-gpu0", **changes) -> None:
    record = RECORD | {"worker": name} | changes
    (folder / f".work/workers/{abs(hash(name))}.json").write_text(json.dumps(record))


def test_figures_are_those_of_the_dataset(client, finished):
    found, manifest = figures(client), Manifest.read(finished)
    for table, shards in manifest.shards.items():
        assert found["render_ih_run_rows"]["finished", table] == sum(shard.rows for shard in shards.values())
        size = sum((finished / table / f"{name}.parquet").stat().st_size for name in shards)
        assert found["render_ih_run_bytes"]["finished", table] == size
    reasons = Counter((rejected_row(n)["reason"], "finished", "validate") for n in range(5))
    assert found["render_ih_run_refused"] == reasons
    assert found["render_ih_run_finished"] == found["render_ih_run_readable"] == {("finished",): 1}
    assert found["render_ih_run_done_ratio"]["finished", "images"] == 1
    assert found["render_ih_run_index_waiting_shards"] == found["render_ih_run_unreadable_files"] == {("finished",): 0}
    assert "process_resident_memory_bytes" in found


def test_workers_are_told_by_state_and_one_by_one(unfinished):
    write_record(unfinished)
    write_record(unfinished, "node8-gpu0", rates={"images": 0.25}, gpus=[])
    write_record(unfinished, "gone", state="left")
    with desk_of(unfinished) as desk:
        found = figures(client_of(desk))
    states = {state: count for (_, state), count in found["render_ih_run_workers"].items()}
    assert states == {"working": 2, "late": 0, "silent": 0, "left": 1}
    assert found["render_ih_run_rate_per_second"] == {("going", "images"): 0.75}
    assert found["render_ih_run_troubles"] == {("going", "storage"): 6}
    assert found["render_ih_run_shards"]["going", "images"] == 2
    assert found["render_ih_run_shards_expected"]["going", "images"] == 4
    assert found["render_ih_run_done_ratio"]["going", "images"] == pytest.approx((6 + 3 * 0.25) / 12)
    assert found["render_ih_worker_gpu_use_ratio"] == {("0", "going", "node7-gpu0"): 0.75}
    assert found["render_ih_worker_gpu_memory_bytes"] == {("0", "going", "node7-gpu0"): 2**30}
    assert found["render_ih_worker_gpu_temperature_celsius"] == {("0", "going", "node7-gpu0"): 61}
    assert found["render_ih_worker_cpu_cores"]["going", "node7-gpu0"] == 2.5
    assert ("going", "gone") not in found["render_ih_worker_silence_seconds"]


def test_a_large_crew_has_few_series(unfinished):
    for number in range(MOST_WORKERS + 20):
        write_record(unfinished, f"worker-{number:03d}")
    with desk_of(unfinished) as desk:
        found = figures(client_of(desk))
    assert found["render_ih_run_workers"]["going", "working"] == MOST_WORKERS + 20
    assert len(found["render_ih_worker_silence_seconds"]) == MOST_WORKERS


def test_history_tells_device_seconds(unfinished):
    lines = [{"attempt": str(n), "stage": "images", "rows": 3, "refused": 0, "bytes": 1, "seconds": 10.5 + n,
              "finished": f"2026-11-28T15:38:4{n}+00:00", "device": ("OPTIX", "cpu")[n % 2]} for n in range(4)]  # fmt: skip
    (unfinished / "history").mkdir(exist_ok=True)
    (unfinished / "history/shards.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with desk_of(unfinished) as desk:
        seconds = figures(client_of(desk))["render_ih_run_device_seconds"]
    assert sorted(seconds.values()) == [10.5 + 12.5, 11.5 + 13.5]


def test_alarms_have_kind_and_level(unfinished):
    write_record(unfinished)
    with desk_of(unfinished) as desk:
        client = client_of(desk)
        assert figures(client)["render_ih_alarm"] == {}
        shard = next((unfinished / "images").glob("*.parquet"))
        shard.unlink()
        desk.lookout._clock = lambda: 1e9
        look(desk)
        desk.lookout._clock = lambda: 2e9
        look(desk)
        told = {(kind, run): level for (kind, level, run) in figures(client)["render_ih_alarm"]}
    assert told == {(alarm.kind, "going"): alarm.level for alarm in desk.lookout.alarms["going"]}
    assert told


def test_figures_follow_another_dataset_in_the_same_place(unfinished, shown_samples, tmp_path):
    with desk_of(unfinished) as desk:
        client = client_of(desk)
        before = figures(client)
        other = write_dataset(tmp_path / "other", shown_samples[:2], rows_per_shard=2)
        shutil.rmtree(unfinished)
        shutil.move(other.folder, unfinished)
        look(desk)
        after = figures(client)
    assert before["render_ih_run_rows"]["going", "images"] == 6 and before["render_ih_run_finished"]["going",] == 0
    assert after["render_ih_run_rows"]["going", "images"] == 2 and after["render_ih_run_finished"]["going",] == 1


def test_an_unreadable_dataset_keeps_its_figures_and_says_so(unfinished):
    with desk_of(unfinished) as desk:
        (unfinished / "manifest.json").write_text("{")
        look(desk)
        found = figures(client_of(desk))
    assert found["render_ih_run_readable"] == {("going",): 0}
    assert found["render_ih_run_rows"]["going", "images"] == 6


@pytest.mark.parametrize("name", ['quote"\\\nline', "half \ud800 character", "x" * 500, ""])
def test_any_name_of_a_worker_can_be_told(unfinished, name):
    write_record(unfinished, name)
    write_record(unfinished, name + "y" * 200)
    with desk_of(unfinished) as desk:
        assert figures(client_of(desk))["render_ih_run_workers"]["going", "working"] == 2


def test_a_run_that_cannot_be_told_leaves_the_others(finished, unfinished, monkeypatch):
    with desk_of(finished, unfinished) as desk:
        broken = desk.run("going")
        monkeypatch.setattr(broken, "state", None)
        found = figures(client_of(desk))
    assert found["render_ih_run_finished"] == {("finished",): 1}


def test_trainings_are_told(tmp_path):
    folder = tmp_path / "job"
    folder.mkdir()
    lines = [json.dumps({"step": step, "loss": 1 / step}) for step in (1, 2, 4)]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    with desk_of(tmp_path) as desk:
        found = figures(client_of(desk))
    assert found["render_ih_training_metric"] == {("loss", "job"): 0.25}
    assert found["render_ih_training_step"] == {("job",): 4}
    assert sum(found["render_ih_training_state"].values()) == 1


def test_nothing_to_watch_is_told(tmp_path):
    with desk_of(tmp_path / "absent") as desk:
        found = figures(client_of(desk))
    assert found["render_ih_dashboard_unseen_places"] == {(): 1}
    assert found["render_ih_run_rows"] == {}


def test_the_token_is_asked_for(desk):
    client = client_of(desk, TOKEN, host="gpu7")
    assert client.get("/metrics").status_code == 401
    assert figures(client, Authorization=f"Bearer {TOKEN}")["render_ih_run_finished"]


def test_names_are_none_of_the_workers_own(client):
    """The same name with other labels would mix up what one asks Prometheus."""
    ours = {name for name in figures(client) if name.startswith("render_ih_")}
    theirs = {family.name for family in REGISTRY.collect()} | {f"{family.name}_total" for family in REGISTRY.collect()}
    assert ours and theirs and not ours & theirs


def test_prometheus_gets_the_format_that_it_asks_for(client):
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text") and answer.text.endswith("# EOF\n")
    assert client.get("/metrics").headers["content-type"].startswith("text/plain")
