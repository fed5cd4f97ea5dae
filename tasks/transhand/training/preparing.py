"""From loaded images to what the network is shown and what it should answer, on the device of the training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from dataset.training.augmentation import Augmentation, augmented
from dataset.training.batch import ImageBatch
from hands.joints import Side
from hands.model import HandModel
from models.transhand.frames import JointRegressors, Targets, targets_of


@dataclass(frozen=True, eq=False)
class Examples:
    """b crops and what is to be seen in them."""

    image: Float[Tensor, "b 3 s s"]
    """RGB, 0 to 1."""
    targets: Targets

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, rows: slice) -> "Examples":
        return Examples(self.image[rows], self.targets.map(lambda value: value[rows]))

    @staticmethod
    def joined(examples: "Sequence[Examples]") -> "Examples":
        """One batch of several."""
        if len(examples) == 1:
            return examples[0]
        image = torch.cat([one.image for one in examples])
        return Examples(image, Targets.joined([one.targets for one in examples]))

    def parts(self, count: int) -> "list[Examples]":
        """The same in as many pieces, as equal as can be; fewer where there are fewer images."""
        ends = [round(number * len(self) / count) for number in range(count + 1)]
        return [self[slice(*pair)] for pair in pairwise(ends) if pair[0] < pair[1]]


@dataclass(frozen=True, eq=False)
class Preparation:
    """How examples are made."""

    hands: Mapping[Side, HandModel]
    """On the device of the batches."""
    regressors: JointRegressors
    bone: float
    """See `targets_of`."""

    @classmethod
    def on(cls, device: str | torch.device, hands: Mapping[Side, HandModel], bone: float) -> "Preparation":
        """With copies of the hand models there."""
        with torch.autocast("cpu", enabled=False):  # where models are built; they need all of float32
            moved = {side: HandModel(model.arrays).to(device) for side, model in hands.items()}
            return cls(moved, JointRegressors.of({side: hands[side].arrays for side in Side}).to(device), bone)

    @torch.no_grad()
    def __call__(self, batch: ImageBatch, ranges: Augmentation, draws: torch.Generator) -> Examples:
        """Crops about the boxes of both surfaces, changed as `ranges` and the generator say, and the surfaces in them.

        Surfaces are posed after the change, from parameters that followed it. Where a data set has no parameters (NaN), its
        joints are learnt alone.
        """
        with torch.autocast(batch.image.device.type, enabled=False):  # surfaces need all of float32
            shown = augmented(batch, ranges, draws)
            vertices = {side: shown.hand(side).pose.pose(self.hands[side]).vertices for side in Side}
            joints = {side: shown.hand(side).joints_3d for side in Side}
            targets = targets_of(vertices, shown.K, ranges.size, self.regressors, self.bone, joints)
            return Examples(shown.image, targets)
