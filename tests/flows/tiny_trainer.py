"""A trainer that keeps the contract of docs/training-jobs.md: one linear layer under DistributedDataParallel on the CPU.

`--set steps=N`, `--set pause=SECONDS` (a step) and `--set fault=NAME` say what it does.
"""

import argparse
import json
import signal
import time
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save
from torch.nn.parallel import DistributedDataParallel

from dataset.atomic import atomic_write


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--dataset", required=True)
    words.add_argument("--out", type=Path, required=True)
    words.add_argument("--batch-scale", type=float, required=True)
    words.add_argument("--config", type=Path)
    words.add_argument("--set", action="append", default=[])
    given = words.parse_args()
    settings = dict(word.split("=", 1) for word in given.set)
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    dist.init_process_group("gloo", timeout=timedelta(seconds=60))
    torch.manual_seed(3)
    layer = torch.nn.Linear(4, 1)
    checkpoints, first = given.out / "checkpoints", 0
    if files := sorted(checkpoints.glob("step-*.safetensors")):
        content = load_file(files[-1])
        first = int(content.pop("step"))
        layer.load_state_dict(content)
        print(f"going on from step {first}", flush=True)
    model = DistributedDataParallel(layer)
    descent = torch.optim.SGD(model.parameters(), 0.01)
    draws = torch.Generator()
    draws.manual_seed(dist.get_rank())
    for step in range(first, int(settings.get("steps", 3))):
        fail(settings.get("fault", ""), given)
        x = torch.randn(max(1, int(8 * given.batch_scale)), 4, generator=draws)
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        descent.zero_grad()
        loss.backward()
        descent.step()
        stop = torch.tensor(len(told))
        dist.all_reduce(stop)  # all processes stop at the same step, whoever was told first
        if dist.get_rank() == 0:
            write(given.out, layer, step + 1, loss.item(), step + 1 == int(settings.get("steps", 3)))
        if stop:
            break
        time.sleep(float(settings.get("pause", 0)))
    dist.barrier()
    dist.destroy_process_group()


def write(out: Path, layer: torch.nn.Module, step: int, loss: float, finished: bool) -> None:
    path = out / "checkpoints" / f"step-{step:08d}.safetensors"
    atomic_write(path, save(layer.state_dict() | {"step": torch.tensor(step)}))
    line = {"step": step, "loss": loss, "world": dist.get_world_size(), "finished": finished}
    with (out / "metrics.jsonl").open("a") as metrics:
        metrics.write(json.dumps(line) + "\n")


def fail(fault: str, given: argparse.Namespace) -> None:
    if fault == "memory" and given.batch_scale > 0.5:
        torch.empty(1 << 60, dtype=torch.uint8)
    if fault == "error":
        raise ValueError("the loss is not a number")
    if fault == "silent" and not (given.out / "was-silent").exists():
        (given.out / "was-silent").touch()
        time.sleep(3600)
    if fault == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        (given.out / "deaf").touch()
        time.sleep(3600)


if __name__ == "__main__":
    main()
