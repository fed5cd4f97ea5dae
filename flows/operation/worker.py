"""`render-ih worker`: Prefect's process workers of this node, one for each device, started, watched and ended together.

Prefect's own worker, told to end, kills its runs, and they stay `Running` on the server. So the supervisor goes the other way
round: the workers are stopped where they are and take nothing new, their runs are told to end and do so in order, then the
workers end. Nothing that was started outlives the supervisor.
"""

import math
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psutil
from prefect.exceptions import ObjectNotFound

from dataset.errors import InputError
from flows.operation.connection import connect
from flows.operation.device_worker import DeviceWorker, only_on_this_node
from flows.operation.node_devices import CPU, chosen_devices, device_name
from flows.operation.processes import adopt_orphans, ask_to_end, bury, children_below, kill, kill_all_below

RUNS_END_S = 7.0
"""Seconds that runs have to end in order, once they are told to."""
ALL_END_S = 8.0
"""Seconds after which whatever is left is killed; all of it must be over in ten."""
_LOOK_S, _PAUSE_S = 1.0, 0.1
"""Seconds between looks at the machine's processes, and between looks at what is expected at any moment."""

Say = Callable[[str], None]
Below = dict[int, list[psutil.Process]]


def run_workers(
    pool: str,
    device: str,
    name: str | None,
    until_idle: float | None,
    health_port: int | None,
    api: str | None,
    say: Say,
) -> None:
    """Work on a pool's runs until SIGTERM, Ctrl-C, or until there was no run for `until_idle` seconds.

    Args:
        device: `auto`, `cpu`, or GPUs as in `0,1`.
        name: the workers' names begin with it; None for the host's name.
        health_port: the first worker's page /health on loopback; the others' follow.
        api: the server's address; None for the one that is configured.
        say: told what happens, line by line.

    Raises:
        InputError: there is no such device, pool or server, or the node has such a worker already.
    """
    api = look_at_pool(pool, api)
    devices = chosen_devices(device)
    if device == "auto" and devices == (CPU,):
        say("no NVIDIA GPU here: one worker for the processor")
    host = name or socket.gethostname()
    workers = [
        DeviceWorker(api, pool, device, f"{host}-{device_name(device)}", health_port and health_port + number)
        for number, device in enumerate(devices)
    ]
    with ExitStack() as held, told_to_end() as ending:
        for worker in workers:
            held.enter_context(only_on_this_node(worker))
        adopt_orphans()
        try:
            Supervisor(workers, ending, say).work(until_idle)
        finally:
            kill_all_below()
            bury(set())


def look_at_pool(pool: str, api: str | None = None) -> str:
    """The API's address, once it is known that the server is there, of this version, and has such a pool.

    Raises:
        InputError: it is not so, or the pool's runs are no processes.
    """
    with connect(api) as client:
        try:
            found = client.read_work_pool(pool)
        except ObjectNotFound as error:
            raise InputError(
                f"{client.api_url}: there is no work pool {pool}; register it with `render-ih deploy`"
            ) from error
        if found.type != "process":
            advice = f"start `prefect worker start --pool {pool}` where that can be done"
            raise InputError(f"work pool {pool} starts runs with {found.type}, not as processes of this node; {advice}")
        return str(client.api_url).rstrip("/")


@contextmanager
def told_to_end() -> Iterator[list[int]]:
    """The signals (SIGTERM, Ctrl-C) that came while the block runs.

    A list and no `threading.Event`: setting one in a handler waits for ever when the signal comes inside its `wait`.
    """
    told = []
    handled = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda number, _: told.append(number)) for number in handled}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Supervisor:
    """Watches the workers of one node."""

    def __init__(self, workers: list[DeviceWorker], ending: list[int], say: Say) -> None:
        self.workers, self.ending, self.say = workers, ending, say
        self.busy = time.monotonic()
        """When there last was a run."""
        self.asked: dict[psutil.Process, float] = {}
        """When which run was asked to end; infinity when it was killed."""

    def work(self, until_idle: float | None) -> None:
        """Keep the workers going until the end is told, or nothing was to do for so many seconds; then end them."""
        while not self.ending:
            self._look()
            if until_idle is not None and time.monotonic() - self.busy > until_idle and self._is_idle():
                self.say(f"no run for {until_idle:g} s")
                break
            looked = time.monotonic()
            while not self.ending and time.monotonic() - looked < _LOOK_S:
                time.sleep(_PAUSE_S)
        self.end()

    def end(self) -> None:
        """End the runs in order, then the workers; kill what takes longer."""
        start = time.monotonic()
        self._signal_all(signal.SIGSTOP)
        while (runs := self._runs()) and time.monotonic() - start < ALL_END_S:
            self._ask_to_end(runs)
            time.sleep(_PAUSE_S)
        self._signal_all(signal.SIGTERM)
        self._signal_all(signal.SIGCONT)
        while children_below() and time.monotonic() - start < ALL_END_S:
            time.sleep(_PAUSE_S)
        self.say(f"ended; {len(self.asked)} runs were interrupted")

    def _look(self) -> None:
        for worker in self.workers:
            status = worker.death()
            if status is not None:
                self.say(f"worker {worker.name} ended with status {status}; starting it again in {worker.pause:g} s")
        bury(self._pids())
        below = children_below()
        lost = self._lost(below)
        self._ask_to_end(lost)
        if not lost:  # a run without its worker has the device still
            for worker in self.workers:
                self._start_if_due(worker)
        if self._runs(below):
            self.busy = time.monotonic()

    def _ask_to_end(self, runs: list[psutil.Process]) -> None:
        """Tell each once, and kill those that were told long ago."""
        for run in runs:
            if run not in self.asked:
                self.asked[run] = time.monotonic()
                self.say(f"asking run {run.pid} to end")
                ask_to_end(run)
            elif time.monotonic() - self.asked[run] > RUNS_END_S:
                self.asked[run] = math.inf
                self.say(f"run {run.pid} does not end, so it is killed")
                kill(run)

    def _start_if_due(self, worker: DeviceWorker) -> None:
        if worker.is_due():
            self.say(f"worker {worker.name} of pool {worker.pool} starts on {worker.device}")
            worker.start()

    def _is_idle(self) -> bool:
        """Whether no worker has a run, seen while they are stopped and cannot take one; they stay stopped if so."""
        self._signal_all(signal.SIGSTOP)
        if not self._runs():
            return True
        self._signal_all(signal.SIGCONT)
        return False

    def _runs(self, below: Below | None = None) -> list[psutil.Process]:
        """The processes of flow runs: the workers' children, and those that lost their worker."""
        below = children_below() if below is None else below
        return [run for pid in self._pids() for run in below.get(pid, [])] + self._lost(below)

    def _lost(self, below: Below) -> list[psutil.Process]:
        """Processes whose worker died; they are this process's now."""
        pids = self._pids()
        return [child for child in below.get(os.getpid(), []) if child.pid not in pids]

    def _pids(self) -> set[int]:
        return {worker.popen.pid for worker in self.workers if worker.popen}

    def _signal_all(self, number: signal.Signals) -> None:
        for worker in self.workers:
            worker.signal(number)
