"""Records of workers, the history that stays with a dataset, and the page for Prometheus."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pyarrow as pa
import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from dataset.errors import InputError, StorageError
from dataset.manifest import Manifest
from dataset.shards import Shard
from dataset.storage.folder import FolderStore
from dataset.work import control
from dataset.work.attempt import Attempt
from flows.cli import main
from tasks.observing import history, metrics
from tasks.observing.history import FILE, History, read_history
from tasks.observing.rates import SPAN, Rate
from tasks.observing.record import read_records
from tasks.observing.usage import Usage
from tasks.sharing.share import help_out, lead
from tests.flows.observed_run import POSES, REASONS, SHARDS, begun, make, stage
from tests.prefect_server import free_port
from tests.s3_server import s3_server


def test_a_worker_says_what_it_has_made(tmp_path):
    run = begun(tmp_path / "dataset")
    seen = []

    def look(run, shard, attempt):
        make(run, shard, attempt)
        seen.extend(read_records(run.store))

    assert help_out(run, stage(look)) == len(SHARDS)
    (record,) = read_records(run.store)
    assert record["worker"] == "anna" and record["pid"] == os.getpid() and record["stage"] == "poses"
    assert record["host"] and record["machine"].startswith(record["host"]) and record["code_version"]
    assert record["device"] == "cpu" and record["state"] == "left" and record["shard"] == ""
    made = len(SHARDS)
    assert (record["shards"], record["rows"], record["refused"]) == (made, made * POSES, made * len(REASONS))
    assert record["rates"]["poses"] > 0 and record["memory_mib"] > 50 and record["cpu_percent"] >= 0
    last = record["last_shard"]
    assert (last["shard"], last["rows"], last["refused"]) == (SHARDS[-1], POSES, len(REASONS))
    assert last["steps"]["Making"] >= 0
    assert {one["state"] for one in seen} == {"working"} and not record["troubles"]


def test_a_worker_says_what_went_wrong(tmp_path):
    run, tries = begun(tmp_path / "dataset"), []

    def fragile(run, shard, attempt):
        tries.append(shard)
        if len(tries) < 3:
            raise RuntimeError("the wheel came off")
        make(run, shard, attempt)

    help_out(run, stage(fragile))
    (record,) = read_records(run.store)
    assert record["troubles"] == {"failed": 2} and record["shards"] == len(SHARDS)
    assert record["last_error"].endswith("failed: the wheel came off")


@pytest.fixture(params=["folder", "bucket"])
def where(request, tmp_path, monkeypatch) -> Iterator[str]:
    """An empty place of each kind."""
    if request.param == "folder":
        yield str(tmp_path / "dataset")
        return
    with s3_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield f"{server.new_bucket()}/runs/demo"


def test_the_history_stays_when_the_work_is_over(where):
    run = begun(where)
    help_out(begun(where, "ben"), stage(shards=SHARDS[:2]))
    lead(run, stage())
    control.clear(run.store)
    lines = read_history(run.store)
    assert sorted(line["shard"] for line in lines) == SHARDS
    assert {line["shard"]: line["worker"] for line in lines} == dict(
        zip(SHARDS, ("ben", "ben", "anna", "anna"), strict=True)
    )
    for line in lines:
        assert (line["stage"], line["rows"], line["refused"], line["device"]) == ("poses", POSES, len(REASONS), "cpu")
        assert 0 < line["seconds"] < 60 and line["finished"].endswith("+00:00") and line["steps"]
    shards = [shard for table in ("poses", "rejected") for shard in Manifest.read(run.store).shards[table].values()]
    assert sum(line["bytes"] for line in lines) == sum(shard.bytes for shard in shards)
    assert run.store.names(".work/") == []


def test_no_time_and_no_worker_enters_the_manifest(tmp_path):
    contents = []
    for worker in ("anna", "ben"):
        lead(run := begun(tmp_path / worker, worker), stage())
        contents.append(run.store.read("manifest.json").content)
    assert contents[0] == contents[1]


def test_a_dataset_with_a_history_is_opened_gone_on_with_and_verified_as_before(made: Path):
    lines, manifest = read_history(FolderStore(made)), Manifest.read(made)
    assert {line["stage"] for line in lines} == {"collect", "poses", "plan", "images"}
    rows = sum(line["rows"] for line in lines if line["stage"] == "images")
    assert rows == manifest.rows("images") > 0
    assert all(line["device"] for line in lines if line["stage"] == "images")
    result = CliRunner().invoke(main, ["verify", str(made)])
    assert result.exit_code == 0, result.output
    Manifest.open(made, manifest.config)


def attempt(store, number: int) -> Attempt:
    shard = Shard(f"{number:05d}", 5, 100, "0" * 64)
    return Attempt(store, f"token{number}", [("poses", shard)])


def test_leaders_lose_no_line_of_each_other(tmp_path):
    store = FolderStore(tmp_path)
    one, other = History(store, "poses"), History(store, "poses")
    one.saw(attempt(store, 1))
    one.write()
    finished = read_history(store)[0]["finished"]
    other.saw(attempt(store, 1))
    other.saw(attempt(store, 2))
    other.write()
    one.saw(attempt(store, 3))
    one.write()
    lines = read_history(store)
    assert sorted(line["attempt"] for line in lines) == ["token1", "token2", "token3"]
    assert next(line for line in lines if line["attempt"] == "token1")["finished"] == finished
    assert all("worker" not in line for line in lines), "their makers left no note"


def test_a_leader_that_meets_another_at_the_file_tries_again(tmp_path, monkeypatch):
    store, rival = FolderStore(tmp_path), History(FolderStore(tmp_path), "poses")
    one = History(store, "poses")
    rival.saw(attempt(store, 1))
    one.saw(attempt(store, 2))
    create = store.create

    def late(name, content):
        rival.write()
        return create(name, content)

    monkeypatch.setattr(store, "create", late)
    one.write()
    assert sorted(line["attempt"] for line in read_history(store)) == ["token1", "token2"]


def test_what_cannot_be_written_now_is_written_later(tmp_path, monkeypatch):
    store = FolderStore(tmp_path)
    one = History(store, "poses")
    one.saw(attempt(store, 1))
    with monkeypatch.context() as broken, pytest.raises(StorageError):
        broken.setattr(store, "create", lambda *_: (_ for _ in ()).throw(StorageError("no space")))
        one.write()
    assert store.read(FILE) is None
    one.write()
    assert [line["attempt"] for line in read_history(store)] == ["token1"]
    assert json.loads(store.read(history.FILE).content)["rows"] == 5


def test_rates_look_back_some_minutes():
    now = [100.0]
    rate = Rate(100.0, lambda: now[0])
    assert rate.per_second() == 0
    for _ in range(10):
        now[0] += 10
        rate.add(5)
    assert rate.per_second() == pytest.approx(0.5)
    now[0] += SPAN / 2
    assert rate.per_second() == pytest.approx(50 / (100 + SPAN / 2))
    now[0] += SPAN
    assert rate.per_second() == 0


def test_the_processor_is_what_this_process_spends():
    usage, began = Usage(), time.process_time()
    while time.process_time() - began < 0.2:
        pass
    assert usage.now()["cpu_percent"] > 0


NVIDIA = """#!/bin/sh
echo "$@" > "$0.asked"
echo "NVIDIA A100-SXM4-80GB, 97, 20480, 81920, 64"
echo "Some card, [N/A], 512, 4096, [N/A]"
echo "A line that was cut, 97, 20480"
"""


def test_gpus_are_those_that_the_process_sees(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(NVIDIA)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    first, second = Usage().now()["gpus"]
    memory = {"memory_mib": 20480, "of_mib": 81920}
    assert first == {"name": "NVIDIA A100-SXM4-80GB", "use_percent": 97, "temperature_c": 64} | memory
    assert second["use_percent"] is None and second["temperature_c"] is None
    asked = (tmp_path / "nvidia-smi.asked").read_text()
    assert "-i 3,5 " in asked and "temperature.gpu" in asked
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert Usage().now()["gpus"] == []


def test_a_tool_that_fails_is_asked_once(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\necho asked >> "$0.asked"\nexit 9\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    usage = Usage()
    assert [usage.now()["gpus"] for _ in range(3)] == [[], [], []]
    assert (tmp_path / "nvidia-smi.asked").read_text() == "asked\n"


@pytest.fixture
def port(monkeypatch):
    """Metrics are wanted at this port; whatever is served is ended."""
    port = free_port()
    monkeypatch.setenv(metrics.PORT, str(port))
    monkeypatch.delenv(metrics.HOST, raising=False)
    metrics.served.cache_clear()
    yield port
    if metrics.served.cache_info().currsize:
        _, server, thread = metrics.served("127.0.0.1", port)
        server.shutdown()
        server.server_close()
        thread.join()
    metrics.served.cache_clear()


def counts(url: str) -> dict[tuple, float]:
    """Name and labels to value, as a scraper reads them."""
    text = urlopen(url, timeout=10).read().decode()
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(sample.name, *sorted(sample.labels.values())): sample.value for sample in samples}


def test_prometheus_reads_what_was_made(tmp_path, port, capsys):
    run, url, tries, ages = begun(tmp_path / "dataset"), metrics.serve(), [], []
    assert url == f"http://127.0.0.1:{port}/metrics" and url in capsys.readouterr().err
    before = counts(url)

    def fragile(run, shard, attempt):
        ages.append(counts(url)["render_ih_shard_age_seconds",])
        tries.append(shard)
        if len(tries) == 2:
            raise RuntimeError("the wheel came off")
        make(run, shard, attempt)

    lead(run, stage(fragile))
    after, shards = counts(url), len(SHARDS)
    grown = lambda *key: after[key] - before.get(key, 0.0)  # noqa: E731
    manifest = Manifest.read(run.store)
    assert grown("render_ih_shards_total", "poses") == shards
    assert grown("render_ih_rows_total", "poses") == manifest.rows("poses") == shards * POSES
    assert grown("render_ih_rows_total", "rejected") == manifest.rows("rejected")
    assert grown("render_ih_steps_total", "poses") == shards * POSES
    for reason in ("penetration", "bad picture"):
        assert grown("render_ih_refused_total", *sorted(("poses", reason))) == shards
    assert grown("render_ih_troubles_total", "failed", "poses") == 1
    size = sum(shard.bytes for shard in manifest.shards["poses"].values())
    assert grown("render_ih_bytes_total", "poses") == size
    assert grown("render_ih_shard_seconds_total", "poses") > 0
    assert min(ages) > 0 and after["render_ih_shard_age_seconds",] == 0
    assert read_records(run.store)[0]["metrics"] == url


def test_workers_of_a_node_take_ports_side_by_side(port, monkeypatch):
    own = metrics.serve()
    _, server, _ = metrics.served("127.0.0.1", port)
    monkeypatch.setattr(metrics, "served", metrics.served.__wrapped__)
    url, second, thread = metrics.served("127.0.0.1", port)
    assert own != url and port < second.server_port <= port + metrics.NEIGHBOURS and server.server_port == port
    second.shutdown()
    second.server_close()
    thread.join()
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (metrics.PORT, "http", "RENDER_IH_METRICS_PORT=http: is no port"),
        (metrics.PORT, "70000", "RENDER_IH_METRICS_PORT=70000: is no port"),
        (metrics.HOST, "203.0.113.7", "metrics cannot be served at 203.0.113.7:"),
    ],
)
def test_a_page_that_cannot_be_served_is_refused(name, value, sentence, port, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=sentence):
        metrics.serve()


def test_no_page_without_the_setting(monkeypatch):
    monkeypatch.delenv(metrics.PORT, raising=False)
    assert metrics.serve() == ""


def test_a_refused_row_that_cannot_be_read_costs_no_shard(tmp_path, monkeypatch):
    run = begun(tmp_path / "dataset")
    monkeypatch.setattr("pyarrow.parquet.read_table", lambda *_, **__: (_ for _ in ()).throw(pa.ArrowInvalid("cut")))
    lead(run, stage())
    assert Manifest.read(run.store).rows("poses") == len(SHARDS) * POSES
