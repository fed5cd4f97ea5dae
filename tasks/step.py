"""A step of a flow: a Prefect task inside a flow run; everywhere else the plain function, noted in the run's journal.

So a flow runs under a Prefect server with every step recorded, and also with no server at all, without waiting for a
temporary one to start: `tasks.recording` tells Prefect of it later.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext

from tasks.recording.journal import noted

P, R = ParamSpec("P"), TypeVar("R")


def step(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function whose results the manifest keeps: nothing is cached or persisted by Prefect."""
    recorded = task(function, cache_policy=NO_CACHE, persist_result=False)

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if FlowRunContext.get():
            return recorded(*args, **kwargs)
        with noted(recorded.name, recorded.task_key):
            return function(*args, **kwargs)

    return run
