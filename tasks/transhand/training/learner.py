"""The Lightning module: TransHand, what it is shown, and what it costs. Network and losses lie in `models.transhand`."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from dataset.assets.hand_files import hand_checksum
from dataset.errors import InputError
from dataset.training.batch import ImageBatch
from hands.joints import Side
from hands.model import HandModel
from hands.random_streams import torch_stream
from models.transhand.checkpoint import load, save
from models.transhand.losses import Losses
from models.transhand.network import TransHand
from models.transhand.upsampling import meshes_of
from tasks.lightning_training.learner import StepLearner, Terms
from tasks.transhand.training.config import TransHandTraining
from tasks.transhand.training.preparing import Examples, Preparation

Hands = dict[Side, HandModel]


class Learner(StepLearner):
    """Descends on the configured losses."""

    def __init__(
        self, config: TransHandTraining, network: TransHand, hands: Hands, samples: int, parts: int = 1
    ) -> None:
        """Set up.

        Args:
            config: of the training.
            network: what is trained.
            hands: of all images.
            samples: images in an epoch, over all devices.
            parts: in how many pieces a batch lies on a device, one after the other.
        """
        layout = torch.channels_last if config.optimiser.channels_last else torch.contiguous_format
        super().__init__(config, network.to(memory_format=layout), samples)
        self.layout, self.pieces = layout, parts
        self.held = (hands,)
        """In a tuple, so that no weights are looked for in it."""

    @cached_property
    def prepare(self) -> Preparation:
        """On the device of the network."""
        return Preparation.on(self.device, self.held[0], self.config.data.bone)

    @cached_property
    def losses(self) -> Losses:
        """On the device of the network."""
        faces = {side: model.faces for side, model in self.prepare.hands.items()}
        return Losses(self.config.losses, faces, self.prepare.regressors, self.network.meshes.pooling)

    def parts(self, batch: list[ImageBatch]) -> Iterator[tuple[float, Examples]]:
        """All sources together, changed at random, and cut anew: what an image becomes does not depend on how many parts."""
        ranges = self.config.augmentation.ranges(self.network.config.image_size)
        here = self.config.seed, "augmentation", self.global_step, self.global_rank
        whole = Examples.joined(
            [self.prepare(one, ranges, torch_stream(*here, number)) for number, one in enumerate(batch)]
        )
        yield from ((len(part) / len(whole), part) for part in whole.parts(self.pieces))

    def terms_of(self, part: Examples, draws: torch.Generator | None = None) -> Terms:
        """Weighted terms of the loss; nothing in them is drawn."""
        prediction = self.network(part.image.contiguous(memory_format=self.layout))
        return self.losses(prediction, part.targets, self.global_step / self.total, self.change_of_upsampling())

    def change_of_upsampling(self) -> Tensor | None:
        """How far the trained U is from where it began; None where it is not trained."""
        trained = self.network.upsampling
        return None if trained is None else trained - self.network.meshes.upsampling

    def publish(self, file: BinaryIO, notes: dict[str, Any]) -> None:
        """The checkpoint of `models.transhand`."""
        save(file, self.network, notes)


def new_network(config: TransHandTraining, hands: Hands, resumed: bool = False) -> TransHand:
    """The network as a training begins with it.

    Args:
        resumed: whether a checkpoint of the training replaces its weights anyway, so that none are read.

    Raises:
        InputError: `init` or the backbone's weights cannot be used.
    """
    wish = config.network
    if resumed or config.init:
        wish = replace(wish, backbone=replace(wish.backbone, weights=None))
    meshes = meshes_of(hands, torch_stream(0, "surfaces"))  # the same whatever the training's seed
    try:
        network = TransHand(wish, meshes, torch_stream(config.seed, "weights"))
    except ValueError as error:
        raise InputError(str(error)) from error
    network.config = config.network
    if config.init and not resumed:
        _begin_with(network, config.init, hands)
    return network


def _begin_with(network: TransHand, init: Path, hands: Hands) -> None:
    """Take the weights of a trained network."""
    try:
        trained = load(init)
    except ValueError as error:
        raise InputError(f"init: {error}") from error
    if trained.notes.get("hands") not in (None, hand_checksum(hands)):
        raise InputError(
            f"init: {init} was trained on another hand model; name its folder as data.mano, or leave that out"
        )
    weights, own = trained.network.state_dict(), network.state_dict()
    weights = {"upsampling": own["upsampling"]} | weights if "upsampling" in own else weights
    if {name: value.shape for name, value in weights.items()} != {name: value.shape for name, value in own.items()}:
        raise InputError(f"init: {init} is a network of other sizes; give this training the same section `network`")
    network.load_state_dict(weights)
