"""Registration with a Prefect server of all that prefect.yaml names, in one go; to repeat it is safe."""

from collections.abc import Iterator
from pathlib import Path

from flows.operation.automations import register_automation
from flows.operation.changes import Change
from flows.operation.checks import check
from flows.operation.connection import connect
from flows.operation.definition import project_file, read_prefect_file
from flows.operation.deployments import register_deployment
from flows.operation.pools import register_pool


def deploy(api: str | None = None, file: Path | None = None) -> Iterator[Change]:
    """Register pools and queues, then deployments, then automations; what is there already is made alike.

    Nothing is deleted: what prefect.yaml no longer names stays on the server.

    Args:
        api: URL of the server; none: the one that Prefect's settings name.
        file: a prefect.yaml; none: the project's own.

    Raises:
        InputError: the file is wrong, or the server cannot be reached or refuses; see `check` and `connect`.
    """
    found = check(read_prefect_file(file or project_file()))
    with connect(api) as client:
        for name, pool in found.file.definitions.pools.items():
            yield from register_pool(client, name, pool)
        for deployment, flow in zip(found.file.deployments, found.flows, strict=True):
            yield register_deployment(client, found.file, deployment, flow)
        for automation in found.automations:
            yield register_automation(client, automation)
