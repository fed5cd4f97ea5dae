"""Work pools and their queues on the server."""

from collections.abc import Iterator

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound

from dataset.errors import InputError
from flows.operation.changes import Change, Did
from flows.operation.definition import Pool, Queue


def register_pool(client: SyncPrefectClient, name: str, pool: Pool) -> Iterator[Change]:
    """Make the pool and its queues, or make those there alike; whether they are paused stays as it is.

    Raises:
        InputError: a pool of the name is there, of another type.
    """
    wanted = {
        "description": pool.description,
        "concurrency_limit": pool.concurrency_limit,
        "base_job_template": pool.base_job_template.model_dump(),
    }
    change = Change.between("work pool", name, _pool_there(client, name, pool.type), wanted)
    if change.did is Did.CREATED:
        client.create_work_pool(WorkPoolCreate(name=name, type=pool.type, **wanted))
    elif change.did is Did.UPDATED:
        client.update_work_pool(name, WorkPoolUpdate(**wanted))
    yield change
    for queue_name, queue in pool.queues.items():
        yield _register_queue(client, name, queue_name, queue)


def _pool_there(client: SyncPrefectClient, name: str, kind: str) -> dict | None:
    try:
        there = client.read_work_pool(name)
    except ObjectNotFound:
        return None
    if there.type != kind:
        raise InputError(
            f"work pool '{name}' is of type {there.type} on the server and {kind} in prefect.yaml; "
            "delete it there, or give this one another name"
        )
    return there.model_dump()


def _register_queue(client: SyncPrefectClient, pool: str, name: str, queue: Queue) -> Change:
    wanted = queue.model_dump()
    try:
        there = client.read_work_queue_by_name(name, work_pool_name=pool)
    except ObjectNotFound:
        there = None
    change = Change.between("work queue", f"{pool}/{name}", there and there.model_dump(), wanted)
    if there is None:
        client.create_work_queue(name=name, work_pool_name=pool, **wanted)
    elif change.did is Did.UPDATED:
        client.update_work_queue(there.id, **wanted)
    return change
