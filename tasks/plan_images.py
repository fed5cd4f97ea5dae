"""The plan: every image decided, shuffled once, in shards of one split each; views that show too little are listed."""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from threadpoolctl import threadpool_limits

from dataset.shards import read_shard
from dataset.shuffling import shuffled_by_split
from dataset.work.attempt import Attempt
from rendering.views.planner import COLUMNS, Planner, Refused
from tasks.progress import bar
from tasks.run import Run
from tasks.step import step

Row = dict[str, Any]
Job = tuple[Path, Path]
"""A shard of `poses`, and the file for its good views."""
ORIGIN = ("source", "base_pose", "augmentation")
WRITERS = 2
"""Threads that compress and write shards."""
FEW = 5000
"""Up to so many views are drawn in this process: others would take longer to start."""


@step
def plan_images(run: Run, shard: str, attempt: Attempt) -> None:
    """Write the whole plan; views without a good draw are listed in a shard of `rejected/`, even when there is none."""
    with TemporaryDirectory(prefix="render-ih-plan-") as folder:
        jobs = [(path, Path(folder) / path.name) for path in run.manifest.paths("poses")]
        refused = list(_draw_all(run, jobs))
        drawn = [target for _, target in jobs]
        _write(attempt, shuffled_by_split(drawn, run.config.seed, run.config.shards.images))
    attempt.write("rejected", shard, refused)


def _write(attempt: Attempt, shards: Iterable[tuple[str, pa.Table]]) -> None:
    """Write shards, a few at a time beside the sort that they come from."""
    with ThreadPoolExecutor(WRITERS) as writers:
        writing: deque[Future[None]] = deque()
        for name, rows in shards:
            writing.append(writers.submit(attempt.write_parts, "plan", name, [rows]))
            if len(writing) > WRITERS:
                writing.popleft().result()
        while writing:
            writing.popleft().result()


def _draw_all(run: Run, jobs: list[Job]) -> Iterator[Row]:
    """Do all jobs, side by side when they are many; rows for `rejected` of the views without a good draw."""
    views = run.manifest.rows("poses") * run.config.camera.views
    processes = run.config.machine.plan_processes or len(os.sched_getaffinity(0))
    with bar("Planning views", views, "views") as advance, _workers(processes if views > FEW else 1) as spread:
        for refused, count in spread(_Draw(run.planner), jobs):
            yield from refused
            advance(count)


class _Draw:
    """Does a job, here or in another process."""

    def __init__(self, planner: Planner) -> None:
        self.planner = planner

    def __call__(self, job: Job) -> tuple[list[Row], int]:
        """Write the good views of a shard of poses; the others as rows of `rejected`, and how many views there were."""
        source, target = job
        poses = read_shard(source, [*COLUMNS, *ORIGIN])
        rows, refused = self.planner.plan(poses)
        pq.write_table(rows, target, compression="lz4")  # for the sort alone
        return _refusals(refused, poses), len(rows) + len(refused)


@contextmanager
def _workers(processes: int) -> Iterator[Callable]:
    """A `map` over processes, or the plain one for a single process; results come in order."""
    if processes == 1:
        yield map
        return
    pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=_settle)
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)


def _settle() -> None:
    """A worker leaves Ctrl-C to the process that it works for and ends with it, and leaves other cores to other workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with, args=[parent_process()], daemon=True).start()
    torch.set_num_threads(1)
    threadpool_limits(1)


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _refusals(refused: list[Refused], poses: pa.Table) -> list[Row]:
    if not refused:
        return []
    origins = {row["pose_id"]: row for row in poses.select(["pose_id", *ORIGIN]).to_pylist()}
    return [
        origins[view.pose_id] | {"sample_id": view.sample_id, "stage": "plan"} | vars(view.fault) for view in refused
    ]
