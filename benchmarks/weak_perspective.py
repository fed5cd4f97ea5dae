"""What a camera without perspective costs: how far TransHand's losses in the picture pull true hands away from where they are.

python -m benchmarks.weak_perspective DATASET [--split train] [--most 1000] [--mano DIR]

Each hand has a weak-perspective camera (scale, x, y), its picture a perspective one. With the hand's true depths and the camera
that fits best, these are the ways in x and y from the true joints to the places of which that camera makes the true picture,
millimetres. Losses in the picture have their minimum there, losses in space at 0. `worth` is how many times as much a
millimetre of a joint costs in the picture as in space by the paper's weights (`LossConfig`): above 1 the picture wins.
"""

import argparse
import json
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from dataset.assets.hand_files import load_hands
from dataset.training.augmentation import Augmentation
from dataset.training.batching import Batching
from dataset.training.image_batches import ImageBatches
from hands.joints import JOINTS_21, Side
from models.transhand.losses import LossConfig
from tasks.transhand.training.preparing import Preparation

SIDE = 256
"""Pixels of the crop; decides nothing."""


def pulled(
    points: Float[Tensor, "b n 2"], places: Float[Tensor, "b n 2"]
) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b"]]:
    """Distances to where the best camera (least squares) sees the places, in the unit of the points, and its 2 · scale."""
    points, places = (values - values.mean(dim=1, keepdim=True) for values in (points, places))
    scale = (points * places).sum((1, 2)) / points.square().sum((1, 2))
    return (places / scale[:, None, None] - points).norm(dim=-1), scale


@torch.no_grad()
def measure(options: argparse.Namespace) -> dict[str, object]:
    """Of both hands of all images alike."""
    prepare, still = Preparation.on("cpu", load_hands(options.mano), 0.0), Augmentation.none(SIDE)
    images = ImageBatches(options.dataset, options.split, Batching(32, shuffle=False, window=1, lanes=1))
    distances, scales, seen = [], [], 0
    for batch in images.batches(0, range(len(images))):
        targets = prepare(batch, still, torch.Generator()).targets
        for side in Side:
            hand = targets.hand(side)
            ways, scale = pulled(hand.joints[..., :2], hand.joints_2d)
            known = hand.has_joints & hand.is_in_front
            distances.append(ways[known])
            scales.append(scale[known])
        seen += len(batch)
        if seen >= options.most:
            break
    joints, weights = 1e3 * torch.cat(distances).mean(dim=0), LossConfig.paper()
    return {
        "images": seen,
        "mean over joints, mm": round(joints.mean().item(), 2),
        "by joint, mm": dict(zip(JOINTS_21, [round(value, 1) for value in joints.tolist()], strict=True)),
        # both terms are means over coordinates, of which space has three and the picture two
        "worth": round(weights.joints_2d / 2 * torch.cat(scales).median().item() / (weights.joints / 3), 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--split", default="train")
    parser.add_argument("--most", type=int, default=1000)
    parser.add_argument("--mano", type=Path)
    print(json.dumps(measure(parser.parse_args()), indent=1))
