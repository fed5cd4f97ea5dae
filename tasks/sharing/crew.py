"""Runs of a deployment that help with a stage on other machines: as many as there are workers, one always waiting.

A run that waits is an empty seat: a worker that joins takes it, and the next one is offered. What the runs have made is
read from storage, never from them.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun, StateType, WorkerStatus
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.settings import get_current_settings
from prefect.states import Cancelled

from dataset.errors import InputError
from tasks.config import RenderIHConfig
from tasks.progress import say

LOOK_EVERY = 5.0
"""Seconds between looks at the runs."""
LONGEST_PENDING = 120.0
"""Seconds between a worker's taking a run and its beginning, after which another seat is offered in its place."""
ASK_EVERY = 300.0
"""Seconds between reminders that nobody is there to work."""
MOST_FAILURES = 5
"""Runs that fail one after the other, without a shard made in between, before the stage is given up."""
_WAITING = (StateType.SCHEDULED, StateType.PENDING)
_BAD = (StateType.FAILED, StateType.CRASHED)
_PAGE = 200


@dataclass
class Crew:
    """The runs that help with one stage of one dataset."""

    client: SyncPrefectClient
    deployment: DeploymentResponse
    parameters: dict[str, Any]
    tag: str
    most: int
    _looked: float = float("-inf")
    _working: int = 0
    _pending: dict[UUID, float] = field(default_factory=dict)
    """Runs that a worker has taken and not begun, and since when."""
    _asked: float = float("-inf")
    _silent: bool = False
    _known_failures: set[UUID] | None = None
    """None before the first look: what has failed by then is no fault of what is tried now."""
    _failures: int = 0

    def keep_up(self, shards_left: int, progressed: bool) -> int:
        """Offer as many seats as workers could take; how many runs are at work.

        Args:
            shards_left: that nobody has made yet.
            progressed: whether one was made since the last call.

        Raises:
            InputError: the runs fail one after the other.
        """
        if progressed:
            self._failures = 0
        if time.monotonic() - self._looked < LOOK_EVERY:
            return self._working
        self._looked = time.monotonic()
        try:
            runs = list(self._runs())
            self._refuse_failures(runs)
            waiting = sum(run.state_type in _WAITING and not self._is_stuck(run) for run in runs)
            self._working = sum(run.state_type == StateType.RUNNING for run in runs)
            online = self._online()
            taken = waiting + self._working
            # of those that work some may be dead with their nodes, so while shards are left there is an empty seat
            wanted = min(max(online, self._working + 1) - taken, self.most - taken, shards_left - waiting)
            for _ in range(wanted):
                self.client.create_flow_run_from_deployment(
                    self.deployment.id, parameters=self.parameters, tags=[*self.deployment.tags, self.tag]
                )
            self._silent = False
            if not online and not self._working:
                self._ask_for_workers()
        except (httpx.HTTPError, PrefectException) as error:
            if not self._silent:
                say(f"The Prefect server does not answer ({type(error).__name__}); runs that are at work go on")
            self._silent = True
        return self._working

    def dismiss(self) -> None:
        """Cancel the runs that wait; those at work see on storage that the stage is over."""
        try:
            for run in self._runs():
                if run.state_type in _WAITING:
                    self.client.set_flow_run_state(run.id, Cancelled(message="The stage is over."))
        except (httpx.HTTPError, PrefectException) as error:
            say(f"The Prefect server does not answer ({type(error).__name__}); runs that wait there end by themselves")

    def _runs(self) -> Iterator[FlowRun]:
        """All runs of this stage and dataset, whoever started them."""
        wanted = FlowRunFilter(tags=FlowRunFilterTags(all_=[self.tag]))
        for offset in count(step=_PAGE):
            page = self.client.read_flow_runs(flow_run_filter=wanted, limit=_PAGE, offset=offset)
            yield from page
            if len(page) < _PAGE:
                return

    def _online(self) -> int:
        pool = self.deployment.work_pool_name
        workers = self.client.read_workers_for_work_pool(pool) if pool else []
        return sum(worker.status == WorkerStatus.ONLINE for worker in workers)

    def _is_stuck(self, run: FlowRun) -> bool:
        """Whether a worker took the run and never began it, on this process's clock: that worker is dead, or slow to get a
        machine. If it begins after all it is one more."""
        if run.state_type is not StateType.PENDING:
            self._pending.pop(run.id, None)
            return False
        return time.monotonic() - self._pending.setdefault(run.id, time.monotonic()) > LONGEST_PENDING

    def _ask_for_workers(self) -> None:
        if time.monotonic() - self._asked > ASK_EVERY:
            self._asked = time.monotonic()
            pool = self.deployment.work_pool_name
            say(f"No worker of pool {pool} is online; start some with `render-ih worker --pool {pool}`")

    def _refuse_failures(self, runs: list[FlowRun]) -> None:
        if self._known_failures is None:
            self._known_failures = {run.id for run in runs if run.state_type in _BAD}
        for run in runs:
            if run.state_type in _BAD and run.id not in self._known_failures:
                self._known_failures.add(run.id)
                self._failures += run.state_type is StateType.FAILED
                if self._failures >= MOST_FAILURES:
                    raise InputError(
                        f"{self._failures} runs of {self.deployment.name} failed one after the other, the last one says: "
                        f"{run.state.message}; mend that and give the command again"
                    )


@contextmanager
def crew(config: RenderIHConfig, out: str, stage: str) -> Iterator[Crew]:
    """The helpers of a stage, from the deployment that the configuration names; dismissed at the end.

    Raises:
        InputError: no server is configured or it does not answer, or it has no such deployment.
    """
    name = config.fleet.uses(stage)
    if not get_current_settings().api.url:
        raise InputError(
            f"fleet.{stage} is {name}, but no Prefect server is configured; start one with `render-ih server` and set "
            "PREFECT_API_URL"
        )
    with get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(name)
        except ObjectNotFound as error:
            raise InputError(
                f"fleet.{stage}: the Prefect server has no deployment '{name}'; `render-ih deploy` registers the project's"
            ) from error
        except ValueError as error:
            raise InputError(f"fleet.{stage}: '{name}' is no FLOW/DEPLOYMENT, such as render-ih-shards/gpu") from error
        except httpx.HTTPError as error:
            raise InputError(
                f"the Prefect server at {client.api_url} does not answer ({error}); is it running?"
            ) from error
        parameters = {"config": config.model_dump(mode="json"), "out": out, "stage": stage}
        tag = f"dataset:{hashlib.sha256(f'{out}/{stage}'.encode()).hexdigest()[:16]}"
        helpers = Crew(client, deployment, parameters, tag, config.fleet.most)
        try:
            yield helpers
        finally:
            helpers.dismiss()
