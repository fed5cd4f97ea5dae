"""Optimisation of a shard's poses, in batches as large as the machine likes."""

from dataclasses import replace

from hands.optimise import optimise
from hands.pose import TwoHandPose
from tasks.collect_poses import PoseBatch
from tasks.progress import bar
from tasks.run import Run
from tasks.step import step


@step
def optimise_poses(run: Run, batch: PoseBatch) -> PoseBatch:
    """Valid poses near the given ones; see `hands.optimise`."""
    size, config = run.config.machine.optimise_batch, run.config.optimisation
    device = run.config.machine.optimise_device
    done = []
    with bar("Optimising poses", len(batch) * config.iterations, "steps") as advance:
        for first in range(0, len(batch), size):
            part = batch.poses[slice(first, first + size)].to(device)
            count = len(part)
            optimised = optimise(part, run.hands, config, on_step=lambda _, count=count: advance(count))
            done.append(optimised.to("cpu"))
    return replace(batch, poses=TwoHandPose.stack(done))
