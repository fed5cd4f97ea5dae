"""What it costs to share a run among workers: waits, processor time, requests and rows, beside shards that only sleep.

    python -m benchmarks.fleet --shards 400 --seconds 2 --workers 4
    python -m benchmarks.fleet --shards 5000 --seconds 0.25 --workers 4
    python -m benchmarks.fleet --shards 100 --seconds 2 --workers 1 2 4      as many shards for each worker
    python -m benchmarks.fleet --bucket …                                    in a bucket of an S3-compatible server (moto)
    python -m benchmarks.fleet --arithmetic                                  what follows for large datasets

Server, workers, leader, helpers, claims and files are the project's own, started by its own commands; only rendering is a
sleep. Every node is a `render-ih worker` with folders of its own on this machine.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from benchmarks.simulated.arithmetic import page
from benchmarks.simulated.bucket import bucket
from benchmarks.simulated.figures import Figures, asked, figures
from benchmarks.simulated.flows import MEASURES
from benchmarks.simulated.nodes import HELPERS, POOLS, register, server, wait_for_workers, workers
from benchmarks.simulated.tally import read_tallies
from benchmarks.simulated.watching import Trees, database_rows, requests

REAL_SHARD = 600.0
"""Seconds that a shard of real work takes, or more."""
TARGETS = {"in all": 0.02, "wait": 2.0, "scaling": 0.95}
_POLLS = 100
_BACKLOG = 120.0
"""Patience, after a run, until the server has written what it was told."""


def measure(folder: Path, options: argparse.Namespace, count: int) -> Figures:
    """One run on so many nodes, in a new folder; prints what it took."""
    shards = options.shards * (count if len(options.workers) > 1 else 1)
    with bucket(options.bucket) as (place, storage), server(folder / "server") as (api, serving):
        out, variables = place or str(folder / "dataset"), {MEASURES: str(folder / "measures"), **storage}
        (folder / "measures").mkdir()
        with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
            leader = register(client)
            poll = seconds_of_a_poll(client, serving.pid)
            with (
                workers(api, POOLS[0], ["leader"], folder, variables) as leading,
                workers(api, POOLS[1], [f"node{number}" for number in range(count)], folder, variables) as helping,
            ):
                wait_for_workers(client, POOLS[0], 1)
                wait_for_workers(client, POOLS[1], count)
                roots = {"server": serving.pid, "leader's node": leading[0].pid}
                roots |= {f"node {number}": node.pid for number, node in enumerate(helping)}
                with Trees(roots).watched() as trees, served(folder / "server", shards) as told:
                    wished = time.monotonic()
                    ended = lead(client, leader, out, shards, options.seconds, folder / "measures")
                    wait_for_tallies(folder / "measures", "worker", count)
    leaders, helpers = (read_tallies(folder / "measures", role) for role in ("leader", "worker"))
    found = figures(helpers, count, options.seconds, wished, ended)
    report(found, trees, told, leaders, helpers)
    print(
        f"  a worker's question for runs: {1000 * poll:.1f} ms of the server's processor, where none waits", flush=True
    )
    if found.shards < shards:
        raise RuntimeError(f"{found.shards} commits of {shards} shards")
    return found


def seconds_of_a_poll(client: SyncPrefectClient, server: int) -> float:
    """Processor seconds of the server for a worker's question for runs."""
    process = psutil.Process(server)
    before = sum(process.cpu_times()[:2])
    for _ in range(_POLLS):
        client.get_scheduled_flow_runs_for_work_pool(POOLS[1])
    return (sum(process.cpu_times()[:2]) - before) / _POLLS


def lead(client: SyncPrefectClient, leader: UUID, out: str, shards: int, seconds: float, measures: Path) -> float:
    """Ask for a run and wait until it is over; when that was. The server is asked only then, not to be counted."""
    parameters = {"out": out, "shards": shards, "seconds": seconds, "deployment": HELPERS}
    run = client.create_flow_run_from_deployment(leader, parameters=parameters)
    wait_for_tallies(measures, "leader", 1, patience=_BACKLOG + shards * max(1.0, 2 * seconds))
    deadline = time.monotonic() + _BACKLOG
    while not (state := client.read_flow_run(run.id).state).is_final() and time.monotonic() < deadline:
        time.sleep(0.5)
    if not state.is_completed():
        raise RuntimeError(f"the run is {state.name}: {state.message}")
    return time.monotonic()


def wait_for_tallies(measures: Path, role: str, count: int, patience: float = _BACKLOG) -> None:
    """Until processes have seen that the run is over and have left their tallies."""
    deadline = time.monotonic() + patience
    while len(list(measures.glob(f"{role}-*.json"))) < count and time.monotonic() < deadline:
        time.sleep(0.2)


@contextmanager
def served(home: Path, shards: int) -> Iterator[dict]:
    """What the server did for the block: requests, bytes and rows; once it has written the steps of all shards."""
    told, log, file = {}, home / "server.log", home / "prefect.db"
    began, (size, rows), start = log.stat().st_size, database_rows(file), time.monotonic()
    yield told
    told["seconds"] = time.monotonic() - start
    with log.open("rb") as lines:
        lines.seek(began)
        told["requests"] = requests(lines.read().decode(errors="replace"))
    deadline = time.monotonic() + _BACKLOG
    while database_rows(file)[1]["task_run"] - rows["task_run"] < shards and time.monotonic() < deadline:
        time.sleep(1.0)
    told["behind"] = time.monotonic() - start - told["seconds"]
    after, rows_after = database_rows(file)
    told |= {"bytes": after - size, "rows": rows_after - rows}


def report(found: Figures, trees: Trees, told: dict, leaders: list[dict], helpers: list[dict]) -> None:
    """Print it all."""
    shards, passed = found.shards, told["seconds"]
    print(f"\n{shards} shards of {found.seconds:g} s, {found.workers} workers, load {os.getloadavg()[0]:.1f}")
    print(
        f"  wall {found.wall:.1f} s, ideal {shards * found.seconds / found.workers:.1f} s, more than that: {found.in_all:.1%}"
    )
    print(
        f"  first shard after {found.start:.1f} s, all workers after {found.joined:.1f} s, end {found.end:.1f} s after the last"
    )
    print(f"  steady: {found.rate:.2f} shards/s, {1000 * found.overhead:.0f} ms a shard = {found.steady:.1%}")
    for length in (2.0, REAL_SHARD):
        print(
            f"  of shards of {length:.0f} s: steady {found.steady_at(length):.3%}, in all {found.in_all_at(length):.3%}"
        )
    print("  commit to next shard: median {:.3f}, 95 % {:.3f}, most {:.3f} s".format(*found.waits))
    for name, seconds in trees.seconds.items():
        print(
            f"  {name:<14} {seconds:8.1f} CPU s = {1000 * seconds / shards:6.1f} ms a shard, {trees.most[name]:6.0f} MiB"
        )
    for role, tallies in (("leading flow", leaders), ("helping flows", helpers)):
        start, cpu = (sum(one[name] for one in tallies) for name in ("cpu_began", "cpu"))
        print(
            f"  {role:<14} {cpu:8.1f} CPU s: {start:.1f} to start and {1000 * (cpu - start) / shards:.1f} ms a shard, "
            f"{max(one['mib'] for one in tallies):.0f} MiB, {len(tallies)} runs"
        )
        print_counts(f"storage, {role}", asked(tallies), shards, passed)
    print_counts("Prefect's server", told["requests"], shards, passed, most=12)
    print(
        f"  database: {told['bytes'] / 1e6:.2f} MB more = {told['bytes'] / shards / 1e3:.1f} kB a shard;"
        f" written {told['behind']:.0f} s after the end"
    )
    rows = {name: count for name, count in told["rows"].most_common(10) if count}
    print("  rows: " + ", ".join(f"{name} {count}" for name, count in rows.items()), flush=True)


def print_counts(title: str, counts: Counter[str], shards: int, seconds: float, most: int = 20) -> None:
    """Requests by kind."""
    total = sum(counts.values())
    print(f"  {title}: {total} requests = {total / shards:.2f} a shard, {total / seconds:.2f} a second")
    for name, count in counts.most_common(most):
        print(f"    {count:7d} = {count / shards:7.3f} a shard  {name}")


def main() -> None:
    """Parse, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--shards", type=int, default=400, help="in all; with several numbers of workers, for each worker"
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="that a shard sleeps")
    parser.add_argument("--workers", type=int, nargs="+", default=[4], help="nodes; several numbers: one run each")
    parser.add_argument("--bucket", action="store_true", help="keep the dataset in a bucket")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave logs and measures there")
    parser.add_argument("--arithmetic", action="store_true", help="print the tables of docs/scale.md, and end")
    options = parser.parse_args()
    if options.arithmetic:
        print(page())
        return
    found = []
    for count in options.workers:
        with tempfile.TemporaryDirectory(prefix="render-ih-fleet-") as name:
            folder = (options.keep or Path(name)).absolute() / f"workers-{count}"
            folder.mkdir(parents=True)
            found.append(measure(folder, options, count))
    sys.exit(0 if verdict(found) else 1)


def verdict(found: list[Figures]) -> bool:
    """Print what is compared with targets, and whether all are met."""
    met = True
    for one in found:
        scaling = one.rate / one.workers / (found[0].rate / found[0].workers)
        good = one.in_all_at(REAL_SHARD) <= TARGETS["in all"] and one.waits[1] <= TARGETS["wait"]
        good &= scaling >= TARGETS["scaling"]
        met &= good
        print(
            f"{one.workers} workers: {one.steady:.1%} steady, {one.in_all:.1%} in all; next shard after {one.waits[1]:.3f} s "
            f"(95 %); throughput of a worker {scaling:.3f} times that of {found[0].workers}: {'good' if good else 'BAD'}"
        )
    return met


if __name__ == "__main__":
    main()
