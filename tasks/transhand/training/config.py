"""What a training of TransHand is told; the recipes are in `configs/transhand/`."""

import math
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from dataset.training.augmentation import Augmentation
from models.transhand.frames import BONE
from models.transhand.losses import LossConfig
from models.transhand.network import NetworkConfig
from tasks.config_file import read_config
from tasks.lightning_training import config as lightning_training
from tasks.lightning_training.config import ConfigPart, TrainingConfig

_DESCRIBED = "docs/transhand.md says where the keys are described"


class SourceConfig(ConfigPart):
    """Images to learn from, and how many of them."""

    place: str = Field(min_length=1)
    """A dataset's folder or URL, or KIND=PATH of recorded images (docs/recorded-images.md)."""
    ratio: float = Field(1.0, gt=0)
    """Its part of each step, against the ratios of the other sources."""
    subset: str = ""
    """Of recorded images; empty: the kind's first, which is for training."""
    share: float = Field(1.0, gt=0, le=1)
    """Part of its images; every part lies in every larger one."""
    most: int = Field(0, ge=0)
    """No more images than this, chosen in the same way; 0: no limit."""


class DataConfig(ConfigPart):
    """Which images. The source that the job names comes first; what is said of it here is as of any other source."""

    ratio: float = Field(1.0, gt=0)
    """The first source's part of each step, against the ratios of `mix`."""
    subset: str = ""
    """Of the first source, if it is recorded images."""
    share: float = Field(1.0, gt=0, le=1)
    """Part of the first source's images; every part lies in every larger one."""
    most: int = Field(0, ge=0)
    """No more images of the first source than this, chosen in the same way; 0: no limit."""
    mix: tuple[SourceConfig, ...] = ()
    """Sources besides. An epoch is as long as the first one needs to be seen once."""
    validation: str = ""
    """Where the images that are looked at come from, as `place`; empty: the first source."""
    size: tuple[int, int] | None = None
    """Width and height to which a dataset's images are resized before anything else; needed where it has several sizes."""
    bone: float = Field(BONE, ge=0, lt=1)
    """Metres from wrist to middle MCP that all hands are scaled to, as released; 0: they are learnt in their true size."""
    workers: int = Field(4, ge=0)
    """Processes that decode images, for each training process and source; 0: none."""
    mano: Path | None = None
    """Folder with MANO_RIGHT.pkl and MANO_LEFT.pkl, when the hands are MANO's; empty: the built-in free hand."""

    def first(self, place: str) -> SourceConfig:
        """The source that the job names."""
        return SourceConfig(place=place, ratio=self.ratio, subset=self.subset, share=self.share, most=self.most)


class AugmentationConfig(ConfigPart):
    """How pictures are changed before the network sees them. The geometry is the released code's; colours stay by default."""

    fill: float = Field(0.8, gt=0)
    """Share of the crop's side that both hands' box takes, before scaling."""
    rotation_degrees: float = Field(90.0, ge=0, le=180)
    """Largest turn to either side."""
    scale: float = Field(0.1, ge=0, lt=1)
    """Largest change of size: factors of 1 ± this."""
    shift: float = Field(0.0, ge=0)
    """Largest shift in x and in y, in sides of the crop."""
    flip: float = Field(0.5, ge=0, le=1)
    """Share of pictures that are mirrored, hands exchanged."""
    brightness: float = Field(0.0, ge=0, le=1)
    """Factors of 1 ± this, and so for the next two."""
    contrast: float = Field(0.0, ge=0, le=1)
    saturation: float = Field(0.0, ge=0, le=1)
    hue_degrees: float = Field(0.0, ge=0, le=180)
    """Largest turn of hues to either side."""

    def ranges(self, size: int) -> Augmentation:
        """The same for crops of `size` × `size`."""
        values = self.model_dump()
        angles = {name: math.radians(values.pop(f"{name}_degrees")) for name in ("rotation", "hue")}
        return Augmentation(size, **values, **angles)


class OptimiserConfig(lightning_training.OptimiserConfig):
    """How the network descends: Adam, batches of 64 and 1e-4 are the paper's (§5.1).

    It says neither how long nor how the rate falls: 200 epochs as released, a tenth after 150 as IntagHand's training.
    """

    batch: int = Field(64, ge=1)
    """Images in a step, over all devices and sources; as near to it as whole images on each device allow."""
    epochs: float = Field(200, gt=0)
    """How often the first source is seen; ignored when there are steps."""
    milestones: tuple[float, ...] = (0.75,)
    """Shares of the training at which the rate falls to a tenth, with `schedule: steps`."""
    clip: float = Field(0.0, ge=0)
    """Largest norm of the slope; 0: any."""
    ema: float = Field(0.0, ge=0, lt=1)
    """Decay of the moving average of the weights, which is then what is kept; 0: the weights themselves."""
    channels_last: bool = True
    """Lay images and convolutions out as GPUs and oneDNN like them; the numbers are the same."""


class ReportConfig(lightning_training.ReportConfig):
    """How often the training tells and saves."""

    validation_images: int = Field(512, ge=1)
    """Images of the validation split that are looked at."""
    pictures: int = Field(8, ge=0)
    """Of these, so many are drawn with what the network sees."""


class TransHandTraining(TrainingConfig):
    """A training of TransHand."""

    init: Path | None = None
    """A trained TransHand to begin with, its file or its training's folder; the sizes of the network must be its own."""
    network: NetworkConfig = NetworkConfig()
    losses: LossConfig = LossConfig()
    data: DataConfig = DataConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    report: ReportConfig = ReportConfig()
    seed: int = Field(0, ge=0)
    """Decides first weights, order, and augmentation."""

    @model_validator(mode="after")
    def _upsampling_is_trained_where_it_costs(self) -> Self:
        if self.network.train_upsampling and not (self.losses.vertices or self.losses.joints):
            raise ValueError("network.train_upsampling needs losses.vertices or losses.joints, or nothing says how")
        return self


def load_training(config: Path | None, overrides: tuple[str, ...] = ()) -> TransHandTraining:
    """A training's configuration from a file, with KEY=VALUE on top; the paper's when there is no file.

    Raises:
        InputError: unreadable, unknown key, impossible value.
    """
    return read_config(TransHandTraining, config, overrides, _DESCRIBED)
