"""`render-ih deploy` and what follows from it, on one real Prefect server that wants a key."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml
from click.testing import CliRunner
from prefect.settings import PREFECT_API_AUTH_STRING, temporary_settings
from prefect_server import PrefectServer, prefect_server

from dataset.errors import InputError
from flows.cli.operation import deploy as command
from flows.cli.root import InOrder
from flows.operation.changes import Did
from flows.operation.definition import project_file
from flows.operation.deploying import deploy

ROOT = Path(__file__).parents[3]
KEY = "somebody:secret"
WRITTEN = yaml.safe_load(project_file().read_text())


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> PrefectServer:
    keys = {"PREFECT_SERVER_API_AUTH_STRING": KEY, "PREFECT_API_AUTH_STRING": KEY}
    with prefect_server(tmp_path_factory.mktemp("prefect"), **keys) as running:
        yield running


@pytest.fixture(autouse=True)
def key():
    with temporary_settings({PREFECT_API_AUTH_STRING: KEY}):
        yield


def ask(server: PrefectServer, method: str, path: str, **body) -> list | dict:
    """The server's answer over its REST interface."""
    answer = httpx.request(method, f"{server.api}{path}", json=body or None, auth=tuple(KEY.split(":")), timeout=60)
    answer.raise_for_status()
    return answer.json() if answer.content else {}


def names(server: PrefectServer, what: str) -> list[str]:
    """All names of a kind, in order."""
    return sorted(found["name"] for found in ask(server, "POST", f"/{what}/filter", limit=200))


def run_prefect(server: PrefectServer, *words: str, **more: str) -> subprocess.CompletedProcess:
    """Prefect's own command in the repository."""
    prefect = Path(sys.executable).with_name("prefect")
    environment = server.environment | more
    return subprocess.run([prefect, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180)


@pytest.fixture(scope="module")
def deployed(server) -> PrefectServer:
    """The server after the first registration."""
    with temporary_settings({PREFECT_API_AUTH_STRING: KEY}):
        assert {change.did for change in deploy(server.api)} == {Did.CREATED}
    return server


def silent_runs(server) -> dict:
    """The automation that ends silent runs, as the server has it."""
    there = ask(server, "POST", "/automations/filter")
    return next(automation for automation in there if automation["name"] == "render-ih silent runs")


def test_all_is_there_once_and_again_changes_nothing(deployed):
    again = list(deploy(deployed.api))
    assert {change.did for change in again} == {Did.KEPT}
    assert names(deployed, "work_pools") == sorted(WRITTEN["definitions"]["pools"])
    assert names(deployed, "deployments") == ["cpu", "gpu", "render-ih", "train-ihdiff", "train-transhand"]
    assert names(deployed, "flows") == ["render-ih", "render-ih-shards", "train-ihdiff", "train-transhand"]
    told = ["render-ih lost leaders", "render-ih runs that never began", "render-ih silent runs"]
    assert sorted(names(deployed, "automations")) == told
    queues = ask(deployed, "POST", "/work_pools/gpu/queues/filter")
    assert {queue["name"]: queue["priority"] for queue in queues} == {"train": 1, "default": 2}
    trainings = ask(deployed, "GET", "/deployments/name/train-ihdiff/train-ihdiff")
    assert (trainings["work_pool_name"], trainings["work_queue_name"]) == ("gpu", "train")
    assert trainings["global_concurrency_limit"]["limit"] == 1
    assert [schedule["active"] for schedule in trainings["schedules"]] == [False]


def test_the_command_says_what_it_did(deployed):
    group = InOrder(commands={"deploy": command})
    done = CliRunner().invoke(group, ["deploy", "--api", deployed.api])
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "0 created, 0 updated, 14 unchanged",
        "start a run:  prefect deployment run render-ih/render-ih",
    ]
    with temporary_settings({PREFECT_API_AUTH_STRING: "somebody:wrong"}):
        refused = CliRunner().invoke(group, ["deploy", "--api", deployed.api])
    assert refused.exit_code == 2
    assert refused.output.startswith(f"error: {deployed.api}: the server refuses the key; set PREFECT_API_AUTH_STRING")


def test_the_form_of_a_run_knows_every_parameter(deployed):
    schema = ask(deployed, "GET", "/deployments/name/render-ih/render-ih")["parameter_openapi_schema"]
    seed = schema["definitions"]["RenderIHConfig"]["properties"]["seed"]
    assert seed["description"] == "Everything random follows from it."
    assert (seed["type"], seed["minimum"], seed["default"]) == ("integer", 0, 0)
    kind = schema["definitions"]["SourceConfig"]["properties"]["kind"]
    assert "interhand26m" in kind["enum"]


def test_the_short_command_starts_a_run(deployed):
    done = run_prefect(deployed, "deployment", "run", "render-ih", "--flow-run-name", "short", "--start-in", "5 hours")
    assert done.returncode == 0, done.stderr
    assert "note: 'render-ih' is short for 'render-ih/render-ih'" in done.stderr
    (run,) = ask(deployed, "POST", "/flow_runs/filter", flow_runs={"name": {"any_": ["short"]}})
    assert run["parameters"] == WRITTEN["deployments"][0]["parameters"]
    assert run["tags"] == ["render-ih"]
    assert run["work_pool_name"] == "control"


def test_a_parameter_out_of_range_starts_nothing(deployed):
    before = len(ask(deployed, "POST", "/flow_runs/filter"))
    done = run_prefect(deployed, "deployment", "run", "render-ih", "-p", 'config={"seed": -1}')
    assert done.returncode == 1
    assert "Validation failed for field 'config.seed'. Failure reason: -1 is less than the minimum of 0" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert len(ask(deployed, "POST", "/flow_runs/filter")) == before


def test_what_changed_is_made_alike_and_switches_stay(deployed, tmp_path):
    def write(limit, description, cron):
        values = yaml.safe_load(project_file().read_text())
        values["definitions"]["pools"]["cpu"]["concurrency_limit"] = limit
        values["definitions"]["pools"]["gpu"]["queues"]["train"]["concurrency_limit"] = limit
        values["definitions"]["automations"][0]["description"] = description
        values["deployments"][0]["description"] = description
        values["deployments"][0]["schedules"][0]["cron"] = cron
        (tmp_path / "prefect.yaml").write_text(yaml.safe_dump(values))
        changes = deploy(deployed.api, tmp_path / "prefect.yaml")
        return {change.name: change.fields for change in changes if change.fields}

    there = ask(deployed, "GET", "/deployments/name/render-ih/render-ih")
    switch = f"/deployments/{there['id']}/schedules/{there['schedules'][0]['id']}"
    ask(deployed, "PATCH", switch, active=True)
    automation = silent_runs(deployed)
    ask(deployed, "PATCH", f"/automations/{automation['id']}", enabled=False)
    try:
        assert write(3, "Another.", "0 2 * * *") == {
            "cpu": ("concurrency_limit",),
            "gpu/train": ("concurrency_limit",),
            "render-ih/render-ih": ("description", "schedules"),
            "render-ih silent runs": ("description",),
        }
        after = ask(deployed, "GET", "/deployments/name/render-ih/render-ih")
        assert (after["id"], after["description"]) == (there["id"], "Another.")
        (schedule,) = after["schedules"]
        assert (schedule["schedule"]["cron"], schedule["active"]) == ("0 2 * * *", True)
        automation = silent_runs(deployed)
        assert (automation["description"], automation["enabled"]) == ("Another.", False)
        assert ask(deployed, "GET", "/work_pools/cpu")["concurrency_limit"] == 3
        assert write(3, "Another.", "0 2 * * *") == {}
    finally:
        list(deploy(deployed.api))


def test_a_pool_of_another_type_is_refused(deployed, tmp_path):
    values = yaml.safe_load(project_file().read_text())
    values["definitions"]["pools"]["cpu"]["type"] = "docker"
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(
        InputError, match=r"work pool 'cpu' is of type process on the server and docker in prefect.yaml"
    ):
        list(deploy(deployed.api, tmp_path / "prefect.yaml"))


ALONE = """
name: tests
definitions:
  pools:
    here:
      type: process
      description: Of this test.
      base_job_template:
        variables: {type: object, properties: {env: {type: object}}}
        job_configuration: {env: "{{ env }}"}
pull:
- flows.operation.home.enter_home: {}
deployments:
- name: FLOW
  entrypoint: FLOW.py:FLOW
  description: Of this test.
  tags: [render-ih]
  enforce_parameter_schema: true
  work_pool: {name: here}
"""


def deployed_run(server, here: Path, monkeypatch, flow: str, **parameters) -> dict:
    """A flow run of one of this folder's flows, deployed from `here`."""
    shutil.copy(Path(__file__).with_name(f"{flow}.py"), here)
    (here / "prefect.yaml").write_text(ALONE.replace("FLOW", flow))
    monkeypatch.chdir(here)
    list(deploy(server.api, Path("prefect.yaml")))
    there = ask(server, "GET", f"/deployments/name/{flow}/{flow}")
    return ask(server, "POST", f"/deployments/{there['id']}/create_flow_run", parameters=parameters)


def test_a_quality_alarm_suspends_the_run_until_a_person_resumes_it(server, tmp_path, monkeypatch):
    run = deployed_run(server, tmp_path, monkeypatch, "pausing", folder=str(tmp_path / "dataset"))
    done = run_prefect(server, "flow-run", "execute", run["id"], RENDER_IH_HOME=str(tmp_path))
    state = ask(server, "GET", f"/flow_runs/{run['id']}")["state"]
    assert (state["type"], state["name"]) == ("PAUSED", "Suspended"), done.stderr
    order = json.loads((tmp_path / "dataset" / ".work" / "control.json").read_text())
    assert order["state"] == "paused" and order["reason"] == "too many images were refused"
    assert ask(server, "POST", f"/flow_runs/{run['id']}/resume")["status"] == "ACCEPT"
    run_prefect(server, "flow-run", "execute", run["id"], RENDER_IH_HOME=str(tmp_path))
    assert ask(server, "GET", f"/flow_runs/{run['id']}")["state"]["type"] == "COMPLETED"


@pytest.mark.parametrize(("cancelled", "ends"), [(True, "CANCELLED"), (False, "CRASHED")])
def test_a_stopped_run_has_crashed_and_begins_again_unless_a_person_cancelled_it(
    server, tmp_path, monkeypatch, cancelled, ends
):
    run = deployed_run(server, tmp_path, monkeypatch, "stopping", cancelled=cancelled)
    done = run_prefect(server, "flow-run", "execute", run["id"], RENDER_IH_HOME=str(tmp_path))
    assert ask(server, "GET", f"/flow_runs/{run['id']}")["state"]["type"] == ends, done.stderr


def test_a_run_that_cannot_be_done_fails_with_its_sentence_alone(server, tmp_path, monkeypatch):
    """What no JSON schema can say: the flow itself refuses it."""
    run = deployed_run(server, tmp_path, monkeypatch, "refusing", pair={"low": 3})
    done = run_prefect(server, "flow-run", "execute", run["id"], RENDER_IH_HOME=str(tmp_path))
    state = ask(server, "GET", f"/flow_runs/{run['id']}")["state"]
    assert state["type"] == "FAILED", done.stderr
    assert state["message"] == "parameter pair: low is 3, above high; swap them"
    kept = ask(server, "POST", "/logs/filter", logs={"flow_run_id": {"any_": [run["id"]]}})
    assert any("Finished in state Failed" in log["message"] for log in kept)
    assert "Traceback" not in done.stdout + done.stderr + str(kept)
