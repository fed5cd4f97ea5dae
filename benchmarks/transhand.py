"""TransHand's size and cost against the paper's network: weights, operations of one image, and time on this machine.

python -m benchmarks.transhand [--batches 1 8] [--device cuda] [--backbones resnet50 resnet18]

The paper's network is the one that its authors released: 34.1 M weights and 12.3 GFLOP at 256 × 256 pixels (a product and a sum
are two operations). `no CE` is it without the correlation encoder, `small` that of the recipe. Every network is
timed with weights as drawn, which cost what trained ones do.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from dataset.assets.hand_files import load_hands
from hands.kernels import device_fault
from hands.random_streams import torch_stream
from models.transhand.backbone import BackboneConfig
from models.transhand.levels import FINEST, Meshes
from models.transhand.network import NetworkConfig, TransHand
from models.transhand.upsampling import meshes_of
from tasks.transhand.training.config import load_training
from tasks.transhand.training.job_config import recipe

PAPER_WEIGHTS, PAPER_OPERATIONS = 34.1e6, 12.3e9
NETWORKS = {
    "paper": NetworkConfig(),
    "no CE": NetworkConfig(correlation=False),
    "resnet18": NetworkConfig(backbone=BackboneConfig("resnet18")),
    "small": load_training(recipe("small")).network,
}


def weights(network: TransHand) -> dict[str, float]:
    """Trained numbers by part, and what the surface's constants add, in millions."""
    parts = {"body": network.backbone.body, "maps": network.backbone.lateral, "beginnings": network.begin}
    parts |= {f"block {row + 1}": block for row, block in enumerate(network.blocks)} | {"heads": network.heads}
    counts = {name: sum(weight.numel() for weight in part.parameters()) for name, part in parts.items()}
    whole = sum(weight.numel() for weight in network.parameters())
    counted = {f"{name}, M": count / 1e6 for name, count in counts.items()}
    return counted | {
        "all, M": whole / 1e6,
        "all, over the paper's": whole / PAPER_WEIGHTS,
        "U (not trained), M": network.meshes.upsampling.numel() / 1e6,
    }


@torch.no_grad()
def operations(network: TransHand) -> dict[str, float]:
    """Of one image, by PyTorch's counter; attention in its plain form, which the counter knows on every device."""
    image = torch.zeros(1, 3, network.config.image_size, network.config.image_size)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        network(image)
    body = sum(counter.get_flop_counts()["TransHand.backbone.body"].values())
    whole = counter.get_total_flops()
    return {
        "operations of the body, GFLOP": body / 1e9,
        "operations, GFLOP": whole / 1e9,
        "operations, over the paper's": whole / PAPER_OPERATIONS,
    }


@torch.no_grad()
def milliseconds(network: TransHand, batch: int, device: str, rounds: int) -> float:
    """Median time of an image in a batch, after one try that does not count."""
    network, taken = network.to(device), []
    image = torch.zeros(batch, 3, network.config.image_size, network.config.image_size, device=device)
    for _ in range(rounds + 1):
        start = time.perf_counter()
        network(image)
        if device != "cpu":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    network.to("cpu")
    return 1e3 * statistics.median(taken[1:]) / batch


def measure(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """One column for each network."""
    meshes = meshes_of(load_hands(options.mano), torch_stream(0, "benchmark"), options.hands)
    print_meshes(meshes)
    named = {name: NetworkConfig(backbone=BackboneConfig(name)) for name in options.backbones}
    columns = {}
    for name, config in (named or NETWORKS).items():
        network = TransHand(config, meshes).eval()
        times = {
            f"batch {batch}, ms an image": milliseconds(network, batch, options.device, options.rounds)
            for batch in options.batches
        }
        columns[name] = weights(network) | operations(network) | times
    return columns


def print_meshes(meshes: Meshes) -> None:
    """What the hands came to."""
    nodes = ", ".join(str(meshes.nodes(level)) for level in range(FINEST + 1))
    mean, largest = (1e3 * meshes.residual).tolist()
    print(
        f"{meshes.vertices} vertices, levels of {nodes} nodes; U misses by {mean:.3f} mm, by {largest:.2f} mm at most"
    )


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 8], help="images at once; none: no times")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is timed")
    parser.add_argument(
        "--backbones", nargs="*", default=[], help="the paper's network with these image models instead"
    )
    parser.add_argument("--hands", type=int, default=2000, help="hands of each side that U is fitted to")
    parser.add_argument("--mano", type=Path, help="MANO folder, instead of the free hands")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args()
    if fault := device_fault(options.device):
        parser.error(fault)
    torch.set_num_threads(options.threads)
    columns = measure(options)
    print(f"\n{options.device:<34}" + "".join(f"{name:>14.14}" for name in columns))
    for row in next(iter(columns.values())):
        print(f"{row:<34}" + "".join(f"{column[row]:>14.4g}" for column in columns.values()))
    if options.json:
        options.json.write_text(json.dumps(columns, indent=2) + "\n")


if __name__ == "__main__":
    main()
