import asyncio
import copy
import re

import jsonschema
import pytest
import yaml
from docker.types import HostConfig
from prefect.workers.process import ProcessJobConfiguration

from dataset.errors import InputError
from flows.operation.checks import check
from flows.operation.definition import checkout, project_file, read_prefect_file
from flows.operation.short_names import NAMES
from tasks.config import DEMO, RenderIHConfig, load_config

WRITTEN = yaml.safe_load(project_file().read_text())
POOLS = copy.deepcopy(WRITTEN["definitions"]["pools"])


def changed(tmp_path, *path, to):
    """A copy of the project's file with another value in one place."""
    values = copy.deepcopy(WRITTEN)
    part = values
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = to
    file = tmp_path / "prefect.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def test_the_projects_own_file_is_right():
    found = check(read_prefect_file(project_file()))
    assert [flow.name for flow in found.flows] == [
        "render-ih",
        "render-ih-shards",
        "render-ih-shards",
        "train-ihdiff",
        "train-transhand",
    ]
    assert project_file().parent == checkout()


def test_the_short_names_are_those_of_the_file():
    found = check(read_prefect_file(project_file()))
    named = zip(found.flows, found.file.deployments, strict=True)
    assert {flow.name for flow, deployment in named if flow.name == deployment.name} == set(NAMES)


WRONG = [
    (("deploymants",), [], "deploymants: unknown key"),
    (("deployments", 0, "shedules"), [], "deployments.0.shedules: unknown key"),
    (("deployments", 0, "name"), "nightly", "the name must be the flow's, render-ih, or the pool's, control"),
    (("deployments", 0, "name"), None, "deployments.0.name: Input should be a valid string"),
    (("deployments", 1, "name"), "cpu", "the name must be the flow's"),
    (("deployments", 0, "entrypoint"), "flows.render_ih.rendr", "entrypoint flows.render_ih.rendr cannot be loaded"),
    (("deployments", 0, "entrypoint"), "flows.missing.flow", "entrypoint flows.missing.flow cannot be loaded"),
    (("deployments", 0, "entrypoint"), "flows.render_ih.make_poses", "cannot be loaded"),
    (("deployments", 0, "tags"), ["other"], "lacks the tag render-ih"),
    (("deployments", 0, "enforce_parameter_schema"), False, "enforce_parameter_schema: Input should be True"),
    (("deployments", 0, "parameters", "folder"), "x", "parameters.folder: the flow render-ih has none of that name"),
    (("deployments", 0, "parameters", "config", "seed"), -1, "parameters.config: seed: Input should be greater"),
    (("deployments", 0, "parameters", "config", "sede"), 1, "parameters.config: sede: unknown key (given: 1)"),
    (("deployments", 0, "parameters", "config", "camera"), {"views": 0}, "camera.views is 0, must be at least 1"),
    (("deployments", 0, "parameters", "config", "source"), {"path": "x"}, "path is given, but kind is gestures"),
    (("deployments", 0, "schedules", 0, "parameters", "outt"), "x", "schedule nightly-top-up: parameters.outt"),
    (("deployments", 0, "schedules", 0, "cron"), "61 * * * *", "schedule nightly-top-up: cron: "),
    (("deployments", 0, "schedules", 0, "timezone"), "Mars/North", "schedule nightly-top-up: timezone: "),
    (("deployments", 0, "work_pool", "name"), "gqu", "there is no pool gqu in definitions.pools"),
    (("deployments", 0, "work_pool", "work_queue_name"), "train", "the pool control has no queue train"),
    (("deployments", 0, "work_pool", "job_variables"), {"command": "x"}, "has no job variable command"),
    (("deployments", 0, "work_pool", "name"), "docker-gpu", "needs the job variable image"),
    (("deployments", 3, "concurrency_limit", "collision_strategy"), "WAIT", "concurrency_limit.collision_strategy: "),
    (("definitions", "pools", "gpu", "concurency_limit"), 1, "pools.gpu.concurency_limit: unknown key"),
    (("definitions", "pools", "gpu", "type"), "slurm", "pools.gpu.type: Input should be 'process'"),
    (("definitions", "automations", 0, "trigger", "forr_each"), [], "trigger.forr_each: unknown key"),
    (("definitions", "automations", 0, "actions", 0, "states"), "x", "actions.0.states: unknown key"),
    (("definitions", "automations", 0, "trigger", "within"), 1, "automation render-ih silent runs: trigger.event: "),
    (("definitions", "automations"), WRITTEN["definitions"]["automations"] * 2, "2 automations are named"),
    (("deployments",), WRITTEN["deployments"] * 2, "2 deployments are named render-ih/render-ih"),
]


@pytest.mark.parametrize(("path", "value", "sentence"), WRONG, ids=[sentence for *_, sentence in WRONG])
def test_a_slip_is_refused_in_one_sentence(path, value, sentence, tmp_path):
    file = changed(tmp_path, *path, to=value)
    with pytest.raises(InputError) as refused:
        check(read_prefect_file(file))
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_no_prefect_yaml_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_prefect_file(tmp_path / "prefect.yaml")
    (tmp_path / "prefect.yaml").write_text("name: [\n")
    with pytest.raises(InputError, match="no valid YAML at line 2"):
        read_prefect_file(tmp_path / "prefect.yaml")


def test_the_parameters_are_those_of_the_recipes():
    deployment = WRITTEN["deployments"][0]
    nightly = deployment["schedules"][0]["parameters"]["config"]
    paper = load_config(DEMO.with_name("paper.yaml"))
    assert RenderIHConfig.model_validate(deployment["parameters"]["config"]) == load_config(DEMO)
    assert RenderIHConfig.model_validate(nightly).identity() == paper.identity()
    assert RenderIHConfig.model_validate(nightly).limits.hours > 0


def test_schedules_wait_for_somebody_to_switch_them_on():
    schedules = [schedule for deployment in WRITTEN["deployments"] for schedule in deployment.get("schedules", [])]
    assert len(schedules) == 3
    assert not any(schedule["active"] for schedule in schedules)


@pytest.mark.parametrize("name", POOLS)
def test_a_template_uses_its_variables_and_no_others(name):
    template = POOLS[name]["base_job_template"]
    used = set(re.findall(r"{{ (\w+) }}", str(template["job_configuration"])))
    assert used == set(template["variables"]["properties"])
    assert "command" not in used | template["job_configuration"].keys()
    jsonschema.Draft202012Validator.check_schema(template["variables"])


@pytest.mark.parametrize("name", [name for name in POOLS if POOLS[name]["type"] == "process"])
def test_a_run_cannot_choose_what_a_process_worker_starts(name):
    given = {"command": "touch here", "env": {"A": "1"}}
    template, no_server = POOLS[name]["base_job_template"], object()
    made = asyncio.run(ProcessJobConfiguration.from_template_and_values(template, given, client=no_server))
    assert made.command is None
    assert made.env == template["variables"]["properties"]["env"]["default"] | {"A": "1"}


def test_containers_ask_for_gpus():
    docker = POOLS["docker-gpu"]["base_job_template"]
    (request,) = docker["job_configuration"]["container_create_kwargs"]["device_requests"]
    request["count"] = docker["variables"]["properties"]["gpus"]["default"]
    assert HostConfig(version="1.44", device_requests=[request])["DeviceRequests"] == [
        {"Driver": "", "Count": -1, "DeviceIDs": [], "Capabilities": [["gpu"]], "Options": {}}
    ]
    job = POOLS["kubernetes-gpu"]["base_job_template"]["job_configuration"]["job_manifest"]
    resources = job["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == "{{ gpus }}"


def test_a_run_is_silent_after_many_heartbeats():
    automation = check(read_prefect_file(project_file())).automations[0]
    assert automation.name == "render-ih silent runs"
    for pool in POOLS.values():
        environment = pool["base_job_template"]["variables"]["properties"]["env"]["default"]
        beats = automation.trigger.within.total_seconds() / int(environment["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"])
        assert beats == 10
    assert {action.type for action in automation.actions} == {"change-flow-run-state"}
