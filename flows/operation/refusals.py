"""A deployment's run that cannot be done ends as Failed with one sentence: what is wrong, where, what to do."""

import logging
from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec, TypeVar, get_type_hints

from prefect.context import FlowRunContext
from prefect.exceptions import FailedRun
from prefect.states import Failed

from dataset.errors import InputError
from flows.operation.definition import checked

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
            logging.getLogger("prefect.flow_runs").addFilter(_is_no_refusal)
            return Failed(message=str(error))

    return run


def _is_run_of_a_deployment() -> bool:
    context = FlowRunContext.get()
    return context is not None and context.flow_run is not None and context.flow_run.deployment_id is not None


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """Prefect's engine turns the state into an exception once more, and logs where."""
    return not (record.exc_info and isinstance(record.exc_info[1], FailedRun))
