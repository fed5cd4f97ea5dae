"""A look at a network in training: its errors on images not learnt from, and pictures of what it sees in some of them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from dataset.atomic import atomic_write
from dataset.training.augmentation import Augmentation
from dataset.training.epoch_batches import EpochBatches
from hands.joints import Side
from models.transhand.frames import ROOT, WRIST, Targets, to_camera, to_pixels, weak_perspective
from models.transhand.network import Prediction
from models.two_hand_metrics import errors
from models.two_hand_metrics.tally import Tallies, tallied, together
from tasks.transhand.pictures import Drawn, as_jpeg, crop_picture, painted_over
from tasks.transhand.training.learner import Learner
from tasks.transhand.training.preparing import Examples


class _Seen(NamedTuple):
    """A batch of the look."""

    names: list[str]
    examples: Examples
    prediction: Prediction
    measured: dict[str, Float[Tensor, "n"]]


@dataclass(frozen=True, eq=False)
class Look:
    """Called with a learner, its step, and the folder of the training."""

    images: EpochBatches | None
    """None where none were held back."""

    @torch.no_grad()
    def __call__(self, learner: Learner, step: int, out: Path) -> dict[str, float]:
        """Metrics by the names of docs/training-jobs.md; pictures go to `out`/pictures.

        Errors are those of the paper: predictions are not scaled, so hands have the bone that the network was trained with,
        and the root is the middle MCP.
        """
        found: Tallies = {}
        left = learner.config.report.pictures
        folder = out / "pictures" / f"{step:08d}"
        about: list[dict[str, str]] = []
        for seen in self._batches(learner):
            found = together(found, tallied(seen.measured))
            for row in range(min(left, len(seen.names))):
                about += _draw(learner, seen, row, folder, len(about) // 3)
            left -= min(left, len(seen.names))
        if about:
            atomic_write(folder / "about.json", json.dumps(about))
        return {name: found[name].mean for name in sorted(found) if found[name].count}

    def _batches(self, learner: Learner) -> Iterator[_Seen]:
        ranges = Augmentation.none(learner.network.config.image_size, learner.config.augmentation.fill)
        for loaded in self.images.batches(0, range(len(self.images))) if self.images else ():
            examples = learner.prepare(loaded.to(learner.device), ranges, torch.Generator())
            prediction = learner.network(examples.image.contiguous(memory_format=learner.layout))
            yield _Seen(loaded.sample_ids, examples, prediction, measured(learner, prediction, examples.targets))


def measured(learner: Learner, prediction: Prediction, targets: Targets) -> dict[str, Float[Tensor, "n"]]:
    """Errors in millimetres, of each hand of each image; NaN where the truth is not known. And the loss of the batch."""
    done = learner.global_step / learner.total
    terms = learner.losses(prediction, targets, done, learner.change_of_upsampling())
    found = {f"loss/{name}": value.repeat(len(targets)) for name, value in terms.items()}
    found = {"loss": torch.stack(list(found.values())).sum(0), **found}
    hands = [_errors(learner, prediction, targets, side) for side in Side]
    found |= {name: torch.cat([hand[name] for hand in hands]) for name in hands[0]}
    apart = [
        joints[Side.LEFT][:, WRIST] - joints[Side.RIGHT][:, WRIST]
        for joints in (_predicted_joints(learner, prediction), _true_joints(targets))
    ]
    return found | {"MRRPE_mm": errors.mrrpe(*apart)}


def _errors(learner: Learner, prediction: Prediction, targets: Targets, side: Side) -> dict[str, Float[Tensor, "b"]]:
    joints, true_joints = _predicted_joints(learner, prediction)[side], _true_joints(targets)[side]
    true = to_camera(targets.hand(side).vertices, targets.scale)
    true = true.masked_fill(~targets.hand(side).has_vertices[:, None, None], torch.nan)
    vertices = prediction.side(side).vertices.float()
    return {
        "MPJPE_mm": errors.mpjpe(joints, true_joints),
        "SMPJPE_mm": errors.smpjpe(joints, true_joints),
        "PA_MPJPE_mm": errors.pa_mpjpe(joints, true_joints),
        "MPVPE_mm": errors.mpvpe(vertices, true, joints[:, ROOT], true_joints[:, ROOT]),
    }


def _predicted_joints(learner: Learner, prediction: Prediction) -> dict[Side, Float[Tensor, "b 21 3"]]:
    return {side: learner.losses.regressors(side, prediction.side(side).vertices.float()) for side in Side}


def _true_joints(targets: Targets) -> dict[Side, Float[Tensor, "b 21 3"]]:
    """Metres about the left hand's middle MCP; NaN where they are not known."""
    return {
        side: to_camera(targets.hand(side).joints, targets.scale).masked_fill(
            ~targets.hand(side).has_joints[:, None, None], torch.nan
        )
        for side in Side
    }


def _draw(learner: Learner, seen: _Seen, row: int, folder: Path, number: int) -> list[dict[str, str]]:
    """Input, prediction and truth of an image, and what is said of each."""
    size = learner.network.config.image_size
    pictures = {"input": crop_picture(seen.examples.image[row])}
    shown = [_predicted(seen.prediction, side, row) for side in Side]
    pictures["prediction"] = painted_over(pictures["input"], _drawn(learner, shown, size), size)
    truth = [seen.examples.targets.hand(side) for side in Side]
    if all(bool((hand.has_vertices & hand.is_in_front)[row]) for hand in truth):
        shown = [(hand.vertices[row], hand.vertices_2d[row]) for hand in truth]
        pictures["ground_truth"] = painted_over(pictures["input"], _drawn(learner, shown, size), size)
    error = seen.measured["MPJPE_mm"].unflatten(0, (2, -1))[:, row].nanmean()
    captions = {"input": seen.names[row], "prediction": f"MPJPE {error:.1f} mm", "ground_truth": ""}
    about = []
    for kind, picture in pictures.items():
        file = f"{number:02d}.{kind}.jpg"
        atomic_write(folder / file, as_jpeg(picture))
        about.append({"file": file, "title": kind.replace("_", " "), "caption": captions[kind]})
    return about


def _predicted(prediction: Prediction, side: Side, row: int) -> tuple[Float[Tensor, "v 3"], Float[Tensor, "v 2"]]:
    hand = prediction.side(side)
    vertices = hand.vertices[row : row + 1].float()
    return vertices[0], weak_perspective(vertices, hand.camera[row : row + 1].float())[0]


def _drawn(learner: Learner, hands: list[tuple[Tensor, Tensor]], size: int) -> list[Drawn]:
    """For painting, on the CPU."""
    faces = [learner.held[0][side].arrays.faces for side in Side]
    return [
        Drawn(vertices.cpu().numpy(), to_pixels(places, size).cpu().numpy(), of)
        for (vertices, places), of in zip(hands, faces, strict=True)
    ]
