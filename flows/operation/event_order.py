"""In which order Prefect's server looks at events: as Prefect has it, but for events from before it was started.

Prefect links an event to the one before it of the same run, if that is less than five minutes older, and looks at it only
when it has looked at that one, or after fifteen minutes. What it has looked at it keeps in memory alone. So after a restart
a run that crashes would wait for a quarter of an hour until an automation is told, hence those events do not wait.
"""

from datetime import timedelta

from prefect.server.events.ordering import memory
from prefect.server.events.schemas.events import ReceivedEvent
from prefect.types._datetime import now

_LINKED = timedelta(minutes=5)
_STARTED = now("UTC")


class CausalOrdering(memory.CausalOrdering):
    """What the setting PREFECT_SERVER_EVENTS_CAUSAL_ORDERING wants of a module."""

    async def wait_for_leader(self, event: ReceivedEvent) -> None:
        """See Prefect's. Nothing is waited for that another server may have had."""
        if event.received - _STARTED > _LINKED:
            await super().wait_for_leader(event)
