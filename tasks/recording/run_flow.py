"""How a command runs a flow: on the Prefect server that is configured, or at once, as plain calls that keep a journal."""

import logging
import sys
from contextlib import suppress
from typing import ParamSpec, TypeVar

from prefect import Flow, get_client
from prefect.settings import (
    PREFECT_API_REQUEST_TIMEOUT,
    PREFECT_CLIENT_MAX_RETRIES,
    get_current_settings,
    temporary_settings,
)
from prefect.utilities.callables import get_call_parameters
from pydantic_core import to_jsonable_python

from dataset.errors import InputError
from tasks.recording.journal import Journal, kept
from tasks.recording.recorder import start_recorder

P, R = ParamSpec("P"), TypeVar("R")
PATIENCE = 1.5
"""Seconds for a configured server to answer."""


def run_flow(flow: Flow[P, R], prefect: bool | None, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a flow and see that Prefect knows of it.

    Args:
        flow: what to run.
        prefect: None: on the server that is configured, or without one, and Prefect's database is told later; True: on the
            server or not at all; False: without, and nothing is recorded.
        args: of the flow.
        kwargs: of the flow.

    Raises:
        InputError: a server was asked for, but there is none; or the flow's own.
    """
    fault = None if prefect is False else server_fault()
    if prefect and fault:
        raise InputError(f"{fault}; without --prefect the run works all the same, and is recorded here")
    if prefect is not False and not fault:
        for name in ("prefect.flow_runs", "prefect.task_runs"):
            logging.getLogger(name).addFilter(without_traceback)
        return flow(*args, **kwargs)
    if fault and get_current_settings().api.url:
        sys.stderr.write(f"{fault}; the run goes on without it\n")
    journal = None if prefect is False else new_journal()
    if journal is None:
        return flow.fn(*args, **kwargs)
    with kept(journal):
        parameters = to_jsonable_python(get_call_parameters(flow.fn, args, kwargs), fallback=str)
        with journal.entry(flow.name, version=flow.version, parameters=parameters):
            return flow.fn(*args, **kwargs)


def without_traceback(record: logging.LogRecord) -> bool:
    """Prefect logs errors with their traceback; those that are a sentence need none. The record stays in the log."""
    if record.exc_info and isinstance(record.exc_info[1], InputError):
        record.exc_info = None
    return True


def server_fault() -> str:
    """Why the Prefect server cannot be used: none is configured, or it does not answer; empty when it can."""
    url = get_current_settings().api.url
    if not url:
        return "no Prefect server is configured (PREFECT_API_URL)"
    at_once = {PREFECT_API_REQUEST_TIMEOUT: PATIENCE, PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(at_once), get_client(sync_client=True) as client:
        error = client.api_healthcheck()
    return f"the Prefect server at {url} does not answer ({error or type(error).__name__})" if error else ""


def new_journal() -> Journal | None:
    """A journal for which a recorder waits; None where none can be kept, which is no reason not to work."""
    folder = get_current_settings().home / "render-ih"
    try:
        journal = Journal(folder)
    except OSError as error:
        sys.stderr.write(f"{folder}: {error.strerror}; Prefect will not know of this run\n")
        return None
    with suppress(OSError):  # the recorder of a later run will find the journal
        start_recorder(folder)
    return journal
