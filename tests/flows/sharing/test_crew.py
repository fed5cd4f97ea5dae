"""Helpers of a stage: as many runs as there are workers, one always waiting; a fake server stands in for Prefect's."""

import uuid
from types import SimpleNamespace

import httpx
import pytest
from prefect.client.schemas.objects import StateType, WorkerStatus

from dataset.errors import InputError
from tasks.config import RenderIHConfig
from tasks.sharing import crew as module
from tasks.sharing.crew import LONGEST_PENDING, LOOK_EVERY, MOST_FAILURES, Crew, crew


class Server:
    """As much of Prefect's client as a crew needs."""

    def __init__(self, workers: int = 0) -> None:
        self.runs, self.workers, self.down = [], workers, False

    def read_flow_runs(self, flow_run_filter, limit, offset):
        if self.down:
            raise httpx.ConnectError("down")
        return self.runs[offset : offset + limit]

    def read_workers_for_work_pool(self, pool):
        return [SimpleNamespace(status=WorkerStatus.ONLINE) for _ in range(self.workers)]

    def create_flow_run_from_deployment(self, deployment, parameters, tags):
        self.runs.append(a_run(StateType.SCHEDULED))

    def set_flow_run_state(self, run, state):
        next(one for one in self.runs if one.id == run).state_type = state.type

    def count(self, state: StateType) -> int:
        return sum(run.state_type is state for run in self.runs)

    def begin(self, most: int) -> None:
        """Workers take what waits."""
        for run in [run for run in self.runs if run.state_type is StateType.SCHEDULED][:most]:
            run.state_type = StateType.RUNNING


def a_run(state: StateType, message: str = "") -> SimpleNamespace:
    return SimpleNamespace(id=uuid.uuid4(), state_type=state, state=SimpleNamespace(message=message))


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def helpers(server: Server, most: int = 100) -> Crew:
    deployment = SimpleNamespace(id=uuid.uuid4(), name="gpu", tags=["render-ih"], work_pool_name="gpu")
    return Crew(server, deployment, {}, "dataset:x", most)


def look(crew: Crew, clock: Clock, left: int = 1000, progressed: bool = False) -> int:
    clock.now += LOOK_EVERY
    return crew.keep_up(left, progressed)


def test_there_is_a_seat_for_every_worker_and_one_for_who_joins(clock):
    server = Server(workers=3)
    crew = helpers(server)
    look(crew, clock)
    assert server.count(StateType.SCHEDULED) == 3
    server.begin(3)
    assert look(crew, clock) == 3 and server.count(StateType.SCHEDULED) == 1
    server.begin(1)
    assert look(crew, clock) == 4 and server.count(StateType.SCHEDULED) == 1, "a fourth has joined"


def test_no_more_seats_than_shards_or_than_the_most(clock):
    for left, most in ((2, 100), (100, 2)):
        server = Server(workers=9)
        look(helpers(server, most), clock, left)
        assert len(server.runs) == 2


def test_while_a_shard_is_left_a_seat_is_empty_whoever_seems_to_work(clock):
    server = Server(workers=3)
    crew = helpers(server)
    look(crew, clock)
    server.begin(3)  # and all die with their nodes
    look(crew, clock, left=1)
    assert server.count(StateType.SCHEDULED) == 1
    look(crew, clock, left=1)
    assert server.count(StateType.SCHEDULED) == 1


def test_a_run_whose_worker_died_before_it_began_takes_no_seat(clock):
    server = Server(workers=1)
    crew = helpers(server)
    look(crew, clock)
    server.runs[0].state_type = StateType.PENDING
    look(crew, clock)
    assert len(server.runs) == 1
    clock.now += LONGEST_PENDING
    look(crew, clock)
    assert len(server.runs) == 2


def test_runs_that_fail_one_after_the_other_end_the_stage_with_their_sentence(clock):
    server = Server(workers=1)
    server.runs = [a_run(StateType.FAILED) for _ in range(MOST_FAILURES)]  # of an earlier leader
    crew = helpers(server)
    look(crew, clock)
    for number in range(MOST_FAILURES - 1):
        server.runs.append(a_run(StateType.FAILED, f"no MANO here {number}"))
        look(crew, clock)
    server.runs.append(a_run(StateType.CRASHED))
    look(crew, clock)  # a node that was lost is nobody's fault
    server.runs.append(a_run(StateType.FAILED, "no MANO here"))
    with pytest.raises(InputError, match=f"{MOST_FAILURES} runs of gpu failed one after the other, .* no MANO here"):
        look(crew, clock)


def test_failures_count_only_while_nothing_is_made(clock):
    server = Server(workers=1)
    crew = helpers(server)
    for _ in range(3 * MOST_FAILURES):
        server.runs.append(a_run(StateType.FAILED))
        look(crew, clock, progressed=True)


def test_a_server_that_is_down_is_said_once_and_the_work_goes_on(clock, capsys):
    server = Server(workers=2)
    crew = helpers(server)
    look(crew, clock)
    server.begin(2)
    assert look(crew, clock) == 2
    server.down = True
    assert [look(crew, clock) for _ in range(3)] == [2, 2, 2]
    assert capsys.readouterr().err.count("does not answer") == 1
    crew.dismiss()


def test_nobody_online_is_said(clock, capsys):
    crew = helpers(Server())
    look(crew, clock)
    look(crew, clock)
    said = capsys.readouterr().err
    assert said.count("No worker of pool gpu is online; start some with `render-ih worker --pool gpu`") == 1


def test_at_the_end_what_waits_is_cancelled_and_what_works_ends_by_itself(clock):
    server = Server(workers=2)
    crew = helpers(server)
    look(crew, clock)
    server.begin(1)
    crew.dismiss()
    assert sorted(run.state_type for run in server.runs) == [StateType.CANCELLED, StateType.RUNNING]


def test_without_a_server_a_fleet_is_refused(monkeypatch):
    settings = SimpleNamespace(api=SimpleNamespace(url=None))
    monkeypatch.setattr(module, "get_current_settings", lambda: settings)
    config = RenderIHConfig(fleet={"images": "render-ih-shards/gpu"})
    sentence = r"fleet\.images is render-ih-shards/gpu, but no Prefect server is configured"
    with pytest.raises(InputError, match=sentence), crew(config, "out", "images"):
        raise AssertionError
