"""Deployments on the server: which flow, with which parameters, where it runs and when."""

from importlib.metadata import version
from typing import Any

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound
from prefect.utilities.callables import parameter_schema

from flows.operation.changes import Change, Did
from flows.operation.definition import Deployment, PrefectFile, Schedule


def register_deployment(client: SyncPrefectClient, file: PrefectFile, deployment: Deployment, flow: Flow) -> Change:
    """Make the deployment, or make the one that is there alike; what is paused or switched on there stays so.

    An unchanged one is left alone, because a changed one loses the runs that its schedules have planned.
    """
    name = f"{flow.name}/{deployment.name}"
    try:
        there = client.read_deployment_by_name(name)
    except ObjectNotFound:
        there = None
    wanted = _wanted(file, deployment, flow)
    change = Change.between("deployment", name, there and _there(there), wanted)
    if change.did is not Did.KEPT:
        _write(client, client.create_flow_from_name(flow.name), deployment, wanted, there)
    return change


def _wanted(file: PrefectFile, deployment: Deployment, flow: Flow) -> dict[str, Any]:
    limit = deployment.concurrency_limit
    return {
        "entrypoint": deployment.entrypoint,
        "version": version("render-ih"),
        "description": deployment.description,
        "tags": sorted(deployment.tags),
        "parameters": deployment.parameters,
        "parameter_openapi_schema": parameter_schema(flow).model_dump(mode="json"),
        "enforce_parameter_schema": deployment.enforce_parameter_schema,
        "pull_steps": list(file.pull),
        "concurrency_limit": limit and limit.limit,
        "collision_strategy": limit and limit.collision_strategy,
        "schedules": {schedule.slug: _moment(schedule) for schedule in deployment.schedules},
        **deployment.work_pool.model_dump(exclude={"name"}),
        "work_pool_name": deployment.work_pool.name,
    }


def _there(response: DeploymentResponse) -> dict[str, Any]:
    """What the server has, in the form of `_wanted`."""
    limit, options = response.global_concurrency_limit, response.concurrency_options
    schedules = {
        schedule.slug: (schedule.schedule.model_dump(mode="json", exclude={"day_or"}), schedule.parameters)
        for schedule in response.schedules
    }
    plain = ("entrypoint", "version", "description", "parameters", "parameter_openapi_schema", "pull_steps")
    placed = ("enforce_parameter_schema", "work_pool_name", "work_queue_name", "job_variables")
    return {name: getattr(response, name) for name in plain + placed} | {
        "tags": sorted(response.tags),
        "concurrency_limit": limit and limit.limit,
        "collision_strategy": options and options.collision_strategy.value,
        "schedules": schedules,
    }


def _moment(schedule: Schedule) -> tuple[dict[str, Any], dict[str, Any]]:
    """When, and with what; not whether it is switched on."""
    return {"cron": schedule.cron, "timezone": schedule.timezone}, schedule.parameters


def _write(
    client: SyncPrefectClient,
    flow_id: Any,
    deployment: Deployment,
    wanted: dict[str, Any],
    there: DeploymentResponse | None,
) -> None:
    switches = {schedule.slug: schedule.active for schedule in there.schedules} if there else {}
    strategy = wanted["collision_strategy"]
    client.create_deployment(
        flow_id,
        deployment.name,
        **{key: value for key, value in wanted.items() if key not in ("schedules", "collision_strategy")},
        concurrency_options=ConcurrencyOptions(collision_strategy=strategy) if strategy else None,
        paused=there.paused if there else None,
        schedules=[
            DeploymentScheduleCreate(
                schedule=CronSchedule(cron=schedule.cron, timezone=schedule.timezone),
                active=switches.get(schedule.slug, schedule.active),
                parameters=schedule.parameters,
                slug=schedule.slug,
            )
            for schedule in deployment.schedules
        ],
    )
