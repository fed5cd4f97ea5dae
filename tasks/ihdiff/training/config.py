"""What a training of IHDiff, or of its VAE baseline, is told; the recipes are in `configs/ihdiff/`."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.ihdiff.losses import LossConfig
from models.ihdiff.network import NetworkConfig
from models.ihdiff.vae import VAEConfig
from tasks.config_file import read_config

_DESCRIBED = "docs/ihdiff.md says where the keys are described"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class DataConfig(_Part):
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


class OptimiserConfig(_Part):
    """How the network descends; the paper's numbers are the defaults, what it leaves open is said."""

    batch: int = Field(32, ge=1)
    """Hand pairs in a step, over all devices."""
    epochs: float = Field(100, gt=0)
    """How often all poses are seen; ignored when there are steps."""
    steps: int = Field(0, ge=0)
    """Steps; 0: as many as the epochs take."""
    learning_rate: float = Field(1e-4, gt=0)
    """Of AdamW without weight decay (the paper does not name its optimiser)."""
    schedule: Literal["steps", "cosine"] = "steps"
    """steps: a tenth at 85 % and a hundredth at 95 % of the training (the paper's); cosine: falls to nothing."""
    warmup: int = Field(0, ge=0)
    """Steps in which the rate rises from nothing."""
    clip: float = Field(1.0, ge=0)
    """Largest norm of the slope; 0: any. Not in the paper."""
    ema: float = Field(0.9999, ge=0, lt=1)
    """Decay of the moving average of the weights, which is what is kept; 0: the weights themselves. Not in the paper."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the network's layers; surfaces and losses are always float32."""


class ReportConfig(_Part):
    """How often the training tells and saves."""

    metrics: int = Field(50, ge=1)
    """Steps between lines of metrics."""
    checkpoint: int = Field(1000, ge=1)
    """Steps between checkpoints."""
    keep: int = Field(2, ge=1)
    """Checkpoints kept, the newest."""
    validation: int = Field(2000, ge=0)
    """Steps between looks at the validation split; 0: none."""
    validation_poses: int = Field(256, ge=1)
    """Poses of it that are looked at."""
    samples: int = Field(8, ge=0)
    """Hand pairs drawn and pictured at each look."""
    sampling_steps: int = Field(50, ge=1, le=1000)
    """N of DDIM for them."""


class IHDiffTraining(_Part):
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

    @model_validator(mode="after")
    def _warmup_is_a_part(self) -> "IHDiffTraining":
        if self.optimiser.steps and self.optimiser.warmup >= self.optimiser.steps:
            raise ValueError(
                f"optimiser.warmup is {self.optimiser.warmup}, must be below the {self.optimiser.steps} steps"
            )
        return self


def load_training(config: Path | None, overrides: tuple[str, ...] = ()) -> IHDiffTraining:
    """A training's configuration from a file, with KEY=VALUE on top; the paper's when there is no file.

    Raises:
        InputError: unreadable, unknown key, impossible value.
    """
    return read_config(IHDiffTraining, config, overrides, _DESCRIBED)
