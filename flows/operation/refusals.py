"""How a deployment's run ends that cannot be done, or shall not go on: with one sentence, and no traceback.

What cannot be done has Failed: what is wrong, where, what to do. A run that a person cancelled is Cancelled; one that lost
its worker for another reason is left to Prefect, which says that it crashed, and an automation begins it again.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec, TypeVar, get_type_hints

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import CancelledRun, FailedRun, PrefectException
from prefect.states import Cancelled, Failed

from dataset.errors import InputError
from flows.operation.definition import checked
from tasks.sharing.interruption import Stopped

P, R = ParamSpec("P"), TypeVar("R")


def refuses_plainly(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a flow's function, below `@flow(…, validate_parameters=False)`: its parameters are checked here instead.

    Prefect knows parameters by their JSON schema when a run is asked for. What that cannot say shows when the run begins;
    Prefect would tell it in three tracebacks. In a run of a deployment an InputError becomes the run's state and nothing
    else, everywhere else it is raised.

    Raises:
        InputError: outside a deployment's run, a parameter does not fit, or the function raises it.
    """
    kinds = get_type_hints(function)

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> Any:
        try:
            given = signature(function).bind(*args, **kwargs).arguments
            return function(**{name: checked(kinds[name], value, f"parameter {name}") for name, value in given.items()})
        except InputError as error:
            if not _is_run_of_a_deployment():
                raise
            return _plainly(Failed(message=str(error)))
        except Stopped:
            if not _is_run_of_a_deployment() or not _is_being_cancelled():
                raise
            told = "Cancelled; what is made is kept, a retry of this run goes on from there."
            return _plainly(Cancelled(message=told))

    return run


def _plainly(state: State) -> State:
    """The state, whose exception is told without its traceback."""
    logging.getLogger("prefect.flow_runs").addFilter(_is_no_refusal)
    return state


def _is_being_cancelled() -> bool:
    """Whether a person has asked for it; False when the server does not answer."""
    with suppress(httpx.HTTPError, PrefectException), get_client(sync_client=True) as client:
        state = client.read_flow_run(FlowRunContext.get().flow_run.id).state
        return state is not None and (state.is_cancelling() or state.is_cancelled())
    return False


def _is_run_of_a_deployment() -> bool:
    context = FlowRunContext.get()
    return context is not None and context.flow_run is not None and context.flow_run.deployment_id is not None


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """Prefect's engine turns the state into an exception once more, and logs where."""
    return not (record.exc_info and isinstance(record.exc_info[1], FailedRun | CancelledRun))
