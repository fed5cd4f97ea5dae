"""Tells Prefect's local database of runs that worked without a server, with the times at which everything happened.

    python -m tasks.recording.replay JOURNAL …

Prefect's HTTP client cannot date a state: the server does, when it receives it. What the server itself writes with,
`prefect.server.models`, takes dates of the past, and needs no server. Telling the same journal again adds only what is new.
The journals that were told are listed on standard output.
"""

import asyncio
import sys
from pathlib import Path
from uuid import UUID

from prefect.server import models
from prefect.server.database import PrefectDBInterface, provide_database_interface
from prefect.server.schemas.core import Flow, FlowRun, TaskRun
from prefect.server.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.server.schemas.states import TERMINAL_STATES, State, StateType
from prefect.settings import get_current_settings

from tasks.recording.story import Entry, Story, read_story


async def replay(journals: list[Path]) -> None:
    """Tell of each journal; one that cannot be told is a line of the log, and does not hold up the others."""
    database = provide_database_interface()
    if get_current_settings().server.database.migrate_on_start:
        await database.create_db()
    for journal in journals:
        try:
            if story := read_story(journal):
                await record(database, story)
        except Exception as error:
            sys.stderr.write(f"{journal}: not recorded: {type(error).__name__}: {error}\n")
        else:
            sys.stdout.write(f"{journal}\n")
            sys.stdout.flush()
    await (await database.engine()).dispose()


async def record(database: PrefectDBInterface, story: Story) -> None:
    """Bring a run and its steps up to date; every step is a transaction of its own, so that a server can write in between."""
    finished = await _begin(database, story.run)
    for step in story.steps:
        if str(step.id) not in finished:
            await _record_step(database, story.run.id, step)
    if story.run.ending and str(story.run.id) not in finished:
        async with database.session_context(begin_transaction=True) as session:
            await models.flow_runs.set_flow_run_state(session, story.run.id, _end(story.run), force=True)


async def _begin(database: PrefectDBInterface, run: Entry) -> set[str]:
    """Make sure that the run is there; the ids of what of it needs no more telling."""
    async with database.session_context(begin_transaction=True) as session:
        there = await models.flow_runs.read_flow_run(session, run.id)
        if there is None:
            flow = await models.flows.create_flow(session=session, flow=Flow(name=run.name))
            new = FlowRun(
                id=run.id,
                flow_id=flow.id,
                flow_version=run.about["version"],
                parameters=run.about["parameters"],
                state=_start(run),
            )
            await models.flow_runs.create_flow_run(session=session, flow_run=new)
            return set()
        of_run = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        steps = await models.task_runs.read_task_runs(session=session, flow_run_filter=of_run)
        return {str(known.id) for known in (there, *steps) if known.state_type in TERMINAL_STATES}


async def _record_step(database: PrefectDBInterface, run: UUID, step: Entry) -> None:
    new = TaskRun(
        id=step.id,
        flow_run_id=run,
        name=f"{step.name}-{step.number}",
        task_key=step.about["key"],
        dynamic_key=str(step.number),
        state=_start(step),
    )
    async with database.session_context(begin_transaction=True) as session:
        await models.task_runs.create_task_run(session=session, task_run=new)  # leaves one that is there alone
        if step.ending:
            await models.task_runs.set_task_run_state(session, step.id, _end(step), force=True)


def _start(entry: Entry) -> State:
    return State(type=StateType.RUNNING, name="Running", timestamp=entry.began)


def _end(entry: Entry) -> State:
    ending = entry.ending
    return State(
        type=StateType(ending.state.upper()), name=ending.state, timestamp=ending.at, message=ending.message or None
    )


if __name__ == "__main__":
    asyncio.run(replay([Path(word) for word in sys.argv[1:]]))
