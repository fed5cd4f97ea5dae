"""Parts of the chaos proof: what happens is decided by a seed, nothing that differs passes the comparison."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress

import numpy as np
import psutil
import pytest
import yaml

from benchmarks.chaos.comparison import compare
from benchmarks.chaos.disturbances import KILLS, OTHERS, Disturber, draw
from benchmarks.chaos.gate import open_gate
from benchmarks.chaos.node import Node
from benchmarks.chaos.processes import below, kill_tree, kind_of
from benchmarks.chaos.recipe import IMAGES, SILENCE_S, impatient, recipe, shared
from benchmarks.chaos.site import CODE
from benchmarks.chaos.watch import Watch
from dataset.storage.folder import FolderStore
from dataset.work import control
from dataset.work.claims import Claims
from flows.operation.definition import read_prefect_file
from tasks.config import RenderIHConfig
from tests.dataset.synthetic import make_sample, write_dataset


@pytest.fixture
def echo():
    """A server that sends back what it gets; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    way, _ = server.accept()
                    threading.Thread(target=send_back, args=[way], daemon=True).start()

        def send_back(way: socket.socket) -> None:
            with way, suppress(OSError):
                while content := way.recv(1024):
                    way.sendall(content)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def test_a_closed_gate_refuses_and_a_stuck_one_delivers_late(echo):
    with open_gate("127.0.0.1", echo) as gate:
        with socket.create_connection(("127.0.0.1", gate.own_port)) as client:
            client.sendall(b"one")
            assert client.recv(10) == b"one"
            gate.hang()
            client.sendall(b"two")
            client.settimeout(0.3)
            with pytest.raises(TimeoutError):
                client.recv(10)
            gate.pass_again()
            client.settimeout(20)
            assert client.recv(10) == b"two"
            gate.refuse()
            with suppress(ConnectionResetError):
                assert client.recv(10) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", gate.own_port))
        gate.pass_again()
        with socket.create_connection(("127.0.0.1", gate.own_port)) as client:
            client.sendall(b"three")
            assert client.recv(10) == b"three"


@pytest.mark.parametrize("kills", [10, 50, 200])
def test_a_seed_decides_what_happens_and_nothing_is_left_out(kills):
    order = draw(np.random.default_rng(3), kills, bucket=True)
    counts = Counter(order)
    assert sum(counts[kind] for kind in KILLS) >= kills and all(counts[kind] for kind in KILLS)
    assert {kind: counts[kind] for kind in OTHERS} == OTHERS
    assert order[0] in KILLS and order[-1] in KILLS
    assert order == draw(np.random.default_rng(3), kills, bucket=True)
    assert order != draw(np.random.default_rng(4), kills, bucket=True)
    assert not {"outage", "disk"} & set(draw(np.random.default_rng(3), kills, bucket=False))


def test_takes_are_counted_over_a_claim_that_was_opened_again(tmp_path):
    store, watch = FolderStore(tmp_path), Watch()
    control.begin(store)
    claims = Claims(store, "images", ["a", "b"], lease=60)
    first, second = claims.take(), claims.take()
    watch.look(store)
    assert (watch.takes, watch.again, watch.done) == (2, 0, 0)
    first.release()
    again = claims.take()
    watch.look(store)
    assert (again.shard, watch.again) == ("a", 1)
    for claim in (again, second):
        claim.commit(claim.new_attempt())
    watch.look(store)
    assert (watch.again, watch.done, watch.unfinished) == (1, 2, [])
    claims.reopen("a")
    claims.take()
    for _ in range(20):  # claims that are done are looked at now and then
        watch.look(store)
    assert (watch.takes, watch.again, watch.unfinished) == (4, 2, ["images/a"])


def test_the_recipe_and_the_shorter_times_are_what_the_program_takes(tmp_path):
    config = RenderIHConfig.model_validate(shared(recipe(60)))
    candidates = len(config.source.names) * (1 + config.augmentation.copies)
    assert candidates * config.camera.views >= 60 * IMAGES
    assert config.fleet.uses("images") == config.fleet.uses("poses") == "render-ih-shards/cpu"
    file = tmp_path / "prefect.yaml"
    file.write_text(impatient(CODE / "prefect.yaml"))
    definitions = read_prefect_file(file).definitions
    triggers = [one["trigger"] for one in definitions.automations]
    assert {one["within"] for one in triggers if one["posture"] == "Proactive"} == {SILENCE_S}
    assert {one["within"] for one in triggers if one["posture"] == "Reactive"} == {0}
    before = yaml.safe_load((CODE / "prefect.yaml").read_text())["definitions"]["pools"]
    for name, pool in definitions.pools.items():
        changed = pool.base_job_template.variables["properties"]["env"]["default"]
        assert changed.keys() == before[name]["base_job_template"]["variables"]["properties"]["env"]["default"].keys()
        assert changed["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"


def test_processes_are_known_by_their_command_lines_and_killed_with_all_below():
    assert kind_of([sys.executable, "-m", "rendering.blender.worker"]) == "renderer"
    assert kind_of([sys.executable, "-m", "prefect.engine"]) == "run"
    assert kind_of(["bash", "-c", "true"]) == ""
    sleep = f"[{sys.executable!r}, '-c', 'import time; time.sleep(600)', 'rendering.blender.worker']"
    code = f"import subprocess; subprocess.Popen({sleep}).wait()"
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True) as top:
        deadline = time.monotonic() + 60
        while not (found := below(top.pid, "renderer")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(found) == 1
        kill_tree(top.pid)
    assert not found[0].is_running() or found[0].status() == psutil.STATUS_ZOMBIE


class StandIn:
    """A site in which everything is there, and nothing happens."""

    workers = 4

    def __init__(self) -> None:
        self.killed = 0
        self.nodes = {}

    def kill_server(self) -> None:
        self.killed += 1

    def start_server(self) -> None:
        self.killed -= 1


def test_what_a_disturbance_may_cost_is_counted_and_what_is_away_comes_back():
    site, watch, said = StandIn(), Watch(), []
    disturber = Disturber(site, watch, np.random.default_rng(0), ["server"], 10, said.append)
    disturber._last -= 100
    disturber.look()
    assert not said, "there is no work yet"
    watch.note("poses/00000", takes=1, state="held")
    disturber.look()
    assert (site.killed, disturber.allowance, disturber.kills, disturber.total, disturber.order) == (1, 4, 0, 1, [])
    disturber.mend()
    assert site.killed == 0 and "starts again" in said[-1]


def test_a_node_without_rights_is_a_folder(tmp_path):
    node = Node("node", "cpu", tmp_path, CODE, dict(os.environ), apart=False)
    assert node.disk.is_dir() and not node.is_on and not node.processes("run")
    node.remove()


@pytest.fixture(scope="module")
def samples():
    from dataset.assets.hand_files import load_hands

    hands = load_hands()
    return [make_sample(number, hands, 64, 48) for number in range(4)]


def off(reference, other) -> list[str]:
    """What is not the same."""
    return [check.what for check in compare(reference, other) if not check.good]


def test_the_same_rows_pass_however_long_they_took(samples, tmp_path):
    write_dataset(tmp_path / "a", samples)
    later = [sample | {"images": slower(sample["images"])} for sample in samples]
    write_dataset(tmp_path / "b", later)
    assert off(tmp_path / "a", tmp_path / "b") == []


def slower(row: dict) -> dict:
    return row | {"render": row["render"] | {"seconds": 7.0}}


def test_what_is_lost_doubled_or_different_is_found(samples, tmp_path):
    write_dataset(tmp_path / "a", samples)

    fewer = write_dataset(tmp_path / "fewer", samples)
    fewer.shards["images"].pop("00001")
    fewer.replace()
    assert off(tmp_path / "a", fewer.folder) == ["images planned: missing, doubled", "images: the same ids"]

    write_dataset(tmp_path / "doubled", [*samples, samples[0]])
    assert "images planned: missing, doubled" in off(tmp_path / "a", tmp_path / "doubled")

    moved = samples[0]["images"] | {"interaction": samples[0]["images"]["interaction"] | {"contact_vertices": 99}}
    write_dataset(tmp_path / "label", [samples[0] | {"images": moved}, *samples[1:]])
    assert off(tmp_path / "a", tmp_path / "label") == ["images: columns the same (all but render.seconds)"]

    other = samples[0]["images"] | {"image": samples[1]["images"]["image"]}
    write_dataset(tmp_path / "picture", [samples[0] | {"images": other}, *samples[1:]])
    assert off(tmp_path / "a", tmp_path / "picture") == ["image: the same bytes, the same pixels"]

    write_dataset(tmp_path / "stray", samples)
    (tmp_path / "stray" / "poses" / "stray.parquet").write_bytes(b"")
    assert off(tmp_path / "a", tmp_path / "stray") == ["poses: files the same to the byte"]
