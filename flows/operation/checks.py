"""What prefect.yaml must satisfy beyond its form, seen without a server."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, get_type_hints

from prefect import Flow
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import MissingFlowError, ScriptError
from prefect.flows import load_flow_from_entrypoint

from dataset.errors import InputError
from flows.operation.automations import read_automation
from flows.operation.definition import TAG, Deployment, PrefectFile, checked


@dataclass(frozen=True)
class Checked:
    """A file in which everything refers to something that is there."""

    file: PrefectFile
    flows: tuple[Flow, ...]
    """Of each deployment."""
    automations: tuple[AutomationCore, ...]


def check(file: PrefectFile) -> Checked:
    """Load the flows and hold the file against them.

    Raises:
        InputError: a flow cannot be loaded, a parameter does not fit it, a pool or queue is missing, a name is given twice
            or is not the flow's, a tag or schedule is wrong.
    """
    flows = tuple(_flow(deployment) for deployment in file.deployments)
    names = [f"{flow.name}/{deployment.name}" for flow, deployment in zip(flows, file.deployments, strict=True)]
    for name, flow, deployment in zip(names, flows, file.deployments, strict=True):
        _check_name(name, flow, deployment)
        _check_place(name, deployment, file)
        for schedule in deployment.schedules:
            where = f"prefect.yaml: deployment {name}: schedule {schedule.slug}"
            checked(CronSchedule, {"cron": schedule.cron, "timezone": schedule.timezone}, where)
            check_parameters(flow, schedule.parameters, where)
        check_parameters(flow, deployment.parameters, f"prefect.yaml: deployment {name}")
    _refuse_doubles(names, "deployment")
    _refuse_doubles([automation.get("name") for automation in file.definitions.automations], "automation")
    automations = (
        read_automation(written, f"prefect.yaml: automation {written.get('name')}")
        for written in file.definitions.automations
    )
    return Checked(file, flows, tuple(automations))


def check_parameters(flow: Flow, parameters: dict[str, Any], where: str) -> None:
    """Every parameter that is given must be the flow's, and one that it takes; others may be given when it runs.

    Raises:
        InputError: one is unknown or impossible.
    """
    kinds = get_type_hints(flow.fn)
    known = [name for name in kinds if name != "return"]
    for name, value in parameters.items():
        if name not in known:
            raise InputError(
                f"{where}: parameters.{name}: the flow {flow.name} has none of that name, only {', '.join(known)}"
            )
        checked(kinds[name], value, f"{where}: parameters.{name}")


def _flow(deployment: Deployment) -> Flow:
    try:
        return load_flow_from_entrypoint(deployment.entrypoint, use_placeholder_flow=False)
    except (ImportError, ScriptError, MissingFlowError, ValueError) as error:
        raise InputError(
            f"prefect.yaml: deployment {deployment.name}: entrypoint {deployment.entrypoint} cannot be loaded: {error}"
        ) from error


def _check_name(name: str, flow: Flow, deployment: Deployment) -> None:
    """A deployment is called like its flow, or like its pool where a flow has a deployment for each."""
    where = f"prefect.yaml: deployment {name}"
    if deployment.name not in (flow.name, deployment.work_pool.name):
        raise InputError(
            f"{where}: the name must be the flow's, {flow.name}, or the pool's, {deployment.work_pool.name}"
        )
    if TAG not in deployment.tags:
        raise InputError(f"{where}: lacks the tag {TAG}, without which automations do not see its runs")


def _check_place(name: str, deployment: Deployment, file: PrefectFile) -> None:
    """Pool, queue and job variables must be those of the file."""
    where, place = f"prefect.yaml: deployment {name}: work_pool", deployment.work_pool
    pools = file.definitions.pools
    if place.name not in pools:
        raise InputError(f"{where}: there is no pool {place.name} in definitions.pools, only {', '.join(pools)}")
    pool = pools[place.name]
    if place.work_queue_name not in ("default", *pool.queues):
        raise InputError(
            f"{where}: the pool {place.name} has no queue {place.work_queue_name}; add it in definitions.pools"
        )
    variables = pool.base_job_template.variables
    for unknown in place.job_variables.keys() - variables["properties"].keys():
        raise InputError(f"{where}: the pool {place.name} has no job variable {unknown}")
    for missing in set(variables.get("required", ())) - place.job_variables.keys():
        raise InputError(f"{where}: the pool {place.name} needs the job variable {missing}")


def _refuse_doubles(names: list[Any], what: str) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise InputError(f"prefect.yaml: {count} {what}s are named {name}; one would replace the other")
