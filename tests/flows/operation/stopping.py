"""A flow of the tests that is stopped in the middle: because a person cancels it, or because its worker ends."""

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.states import Cancelling

from flows.operation.refusals import refuses_plainly
from tasks.sharing.interruption import Stopped


@flow(name="stopping", validate_parameters=False)
@refuses_plainly
def stopping(cancelled: bool) -> None:
    """Does what SIGTERM does to the engine."""
    if cancelled:
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(FlowRunContext.get().flow_run.id, Cancelling(), force=True)
    raise Stopped("SIGTERM")
