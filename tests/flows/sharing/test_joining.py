"""Workers join a run only if they would make the same rows as its leader."""

import json

import pytest

from dataset.errors import InputError
from dataset.work.control import FILE, Control
from tasks.collect_poses import candidates, collect_poses
from tasks.run import join_run, open_run
from tests.flows.small_run import config


@pytest.fixture(scope="module")
def led(tmp_path_factory):
    """A run that a leader has begun, and left."""
    folder = tmp_path_factory.mktemp("led") / "dataset"
    with open_run(config(), folder):
        pass
    return folder


def test_the_same_program_and_configuration_may_join(led):
    with join_run(config("machine.optimise_batch=3"), led) as run:
        assert run.manifest.run.config["seed"] == 1 and candidates(run).shards == ["00000"]


def test_a_place_without_a_run_is_refused(tmp_path):
    with (
        pytest.raises(InputError, match="no run goes on there; start one with `render-ih run`"),
        join_run(config(), tmp_path),
    ):
        raise AssertionError


def test_another_configuration_is_refused(led):
    with (
        pytest.raises(InputError, match=r"another configuration \(seed is 1 there and 2 here"),
        join_run(config("seed=2"), led),
    ):
        raise AssertionError


@pytest.mark.parametrize("what", ["program", "library"])
def test_another_version_is_refused(led, what):
    """A node that was not upgraded with the others makes nothing."""
    control, manifest = led / FILE, led / "manifest.json"
    before = control.read_text(), manifest.read_text()
    if what == "program":
        control.write_text(json.dumps(json.loads(before[0]) | {"code_version": "9.9"}))
        sentence = "this worker differs from the run .render-ih 9.9 there and .* here.; install the same versions"
    else:
        content = json.loads(before[1])
        (run,) = content["runs"].values()
        run["versions"]["torch"] = "1.0"
        manifest.write_text(json.dumps(content))
        sentence = "this worker differs from the run .torch 1.0 there and .* here.; install the same versions"
    try:
        with pytest.raises(InputError, match=sentence), join_run(config(), led):
            raise AssertionError
    finally:
        control.write_text(before[0])
        manifest.write_text(before[1])


def test_a_leader_that_fails_tells_the_others_to_stop(tmp_path):
    folder = tmp_path / "dataset"
    with pytest.raises(InputError, match="the skin is gone"), open_run(config(), folder):
        raise InputError("the skin is gone")
    with join_run(config(), folder) as run:
        order = Control.read(run.store)
        assert order.state == "stopped" and "the skin is gone" in order.reason


def test_workers_take_the_raw_poses_from_storage(led, tmp_path):
    """Recordings need not be on their disks."""
    with open_run(config(), led) as run:
        own = run.source.raw
        collect_poses(run, "read", _Sink())
    with join_run(config(), led) as run:
        run.source.read = None
        assert run.raw.names == own.names


class _Sink:
    def write(self, table, name, rows):
        assert (table, name, rows) == ("rejected", "read", [])
