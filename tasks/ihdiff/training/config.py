"""What a training of IHDiff, or of its VAE baseline, is told; the recipes are in `configs/ihdiff/`."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from models.ihdiff.losses import LossConfig
from models.ihdiff.network import NetworkConfig
from models.ihdiff.vae import VAEConfig
from tasks.config_file import read_config
from tasks.lightning_training import config as lightning_training
from tasks.lightning_training.config import ConfigPart, TrainingConfig

_DESCRIBED = "docs/ihdiff.md says where the keys are described"


class DataConfig(ConfigPart):
    """Which poses, and how the network sees them."""

    within_mm: float = Field(3.0, gt=0)
    """Poses whose hands' nearest vertices are farther apart are left out (paper §5.1)."""
    subset: str = "train"
    """Of a recorded source, see source.subset of a run; a dataset of this project has its own splits."""
    most: int = Field(0, ge=0)
    """So many poses; 0: all."""
    mirror: bool = False
    """Learn from the mirror image of every pose too, hands exchanged; exact for the free hand, whose hands are mirrored.
    The paper does not."""
    standardise: bool = True
    """Scale every entry to mean 0 and deviation 1; false: metres and rotations as they are."""
    mano: Path | None = None
    """Folder with MANO_RIGHT.pkl and MANO_LEFT.pkl, when the poses are MANO's; empty: the built-in free hand."""


class OptimiserConfig(lightning_training.OptimiserConfig):
    """How the network descends; the paper's numbers are the defaults, what it leaves open is said.

    The paper names neither its optimiser (here AdamW without weight decay) nor `clip` nor `ema`; its rate falls to a tenth at
    85 % and a hundredth at 95 % of the training.
    """


class ReportConfig(lightning_training.ReportConfig):
    """How often the training tells and saves."""

    validation_poses: int = Field(256, ge=1)
    """Poses of the validation split that are looked at."""
    samples: int = Field(8, ge=0)
    """Hand pairs drawn and pictured at each look."""
    sampling_steps: int = Field(50, ge=1, le=1000)
    """N of DDIM for them."""


class IHDiffTraining(TrainingConfig):
    """A training of IHDiff or of its VAE baseline."""

    model: Literal["ihdiff", "vae"] = "ihdiff"
    """ihdiff: the diffusion prior; vae: the baseline of appendix E.1."""
    network: NetworkConfig = NetworkConfig()
    vae: VAEConfig = VAEConfig()
    losses: LossConfig = LossConfig()
    data: DataConfig = DataConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    report: ReportConfig = ReportConfig()
    seed: int = Field(0, ge=0)
    """Decides first weights, order, noise and samples."""


def load_training(config: Path | None, overrides: tuple[str, ...] = ()) -> IHDiffTraining:
    """A training's configuration from a file, with KEY=VALUE on top; the paper's when there is no file.

    Raises:
        InputError: unreadable, unknown key, impossible value.
    """
    return read_config(IHDiffTraining, config, overrides, _DESCRIBED)
