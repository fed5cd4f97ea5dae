"""Optimisation of a shard's poses, in batches as large as the machine likes."""

import os
from dataclasses import replace

from hands.optimise import optimise
from tasks.collect_poses import PoseBatch
from tasks.config import MachineConfig
from tasks.pose_figures import note_before
from tasks.progress import bar
from tasks.run import Run
from tasks.step import step


@step
def optimise_poses(run: Run, batch: PoseBatch) -> PoseBatch:
    """Valid poses near the given ones; see `hands.optimise`."""
    config, machine = run.config.optimisation, run.config.machine
    note_before(run, batch.names, batch.poses)
    with bar("Optimising poses", len(batch) * config.iterations, "steps") as advance:
        poses = batch.poses.to(machine.optimise_device)
        done = optimise(poses, run.engine, config, machine.optimise_batch, threads_for(machine), advance)
    return replace(batch, poses=done.to("cpu"))


def threads_for(machine: MachineConfig) -> int:
    """How many batches to optimise side by side: as told, or one a core that this process may use, one on a GPU."""
    on_cpu = machine.optimise_device == "cpu"
    return machine.optimise_threads or (len(os.sched_getaffinity(0)) if on_cpu else 1)
