"""Events of before a restart keep nobody waiting; later ones keep Prefect's order."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from prefect.server.events.ordering import CausalOrderingModule, EventArrivedEarly
from prefect.server.events.schemas.events import ReceivedEvent

from flows.operation import event_order
from flows.operation.event_order import CausalOrdering
from flows.operation.server_settings import DEFAULTS


@pytest.fixture
def looked_at(monkeypatch):
    """Asks, `minutes` after the server's start, for events of which the second follows the first; those that are looked at."""

    def ask(minutes: float, first: ReceivedEvent | None) -> list[str]:
        now = event_order.now("UTC")
        monkeypatch.setattr(event_order, "_STARTED", now - timedelta(minutes=minutes))
        follows = first.id if first else uuid4()
        second = event("prefect.flow-run.Crashed", follows)
        return asyncio.run(handled([first, second] if first else [second]))

    return ask


def event(name: str, follows=None) -> ReceivedEvent:
    resource = {"prefect.resource.id": "prefect.flow-run.1"}
    now = event_order.now("UTC")
    return ReceivedEvent(occurred=now, received=now, event=name, resource=resource, id=uuid4(), follows=follows)


async def handled(events: list[ReceivedEvent]) -> list[str]:
    ordering, seen = CausalOrdering(scope=str(uuid4())), []

    async def handle(event: ReceivedEvent, depth: int = 0) -> None:
        async with ordering.preceding_event_confirmed(handle, event, depth):
            seen.append(event.event.rpartition(".")[2])

    for one in events:
        try:
            await handle(one)
        except EventArrivedEarly:
            continue
    return seen


def test_an_event_whose_forerunner_another_server_had_does_not_wait(looked_at):
    assert looked_at(minutes=1, first=None) == ["Crashed"]


def test_later_an_event_waits_for_its_forerunner(looked_at):
    assert looked_at(minutes=6, first=None) == []
    assert looked_at(minutes=6, first=event("prefect.flow-run.Running")) == ["Running", "Crashed"]


def test_it_is_a_module_as_prefect_wants_it_and_the_server_is_told():
    assert isinstance(event_order, CausalOrderingModule)
    named = {setting.name: setting.value for setting in DEFAULTS}
    assert named["PREFECT_SERVER_EVENTS_CAUSAL_ORDERING"] == event_order.__name__
