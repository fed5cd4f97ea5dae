"""A run that waits for a person."""

from typing import NoReturn

from prefect.context import FlowRunContext
from prefect.flow_runs import suspend_flow_run

from dataset.errors import InputError
from dataset.versions import code_version
from dataset.work.control import Control
from tasks.run import Run

_LONGEST = 30 * 24 * 3600
"""Seconds that Prefect waits for the person; after that the run has failed, and can be given anew."""


def pause(run: Run, reason: str) -> NoReturn:
    """Tell all workers to stop, and wait for a person to resume: in Prefect's UI, or by giving the command again.

    Raises:
        InputError: without a deployment there is no run that could wait, so it ends.
    """
    Control("paused", reason, code_version()).write(run.store)
    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None and context.flow_run.deployment_id:
        suspend_flow_run(timeout=_LONGEST)
    raise InputError(f"{run.store.url}: {reason}")
