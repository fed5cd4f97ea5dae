"""How a network descends and how often its training tells; loads neither torch nor Lightning."""

import math
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ConfigPart(BaseModel):
    """A section of a training's configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class OptimiserConfig(ConfigPart):
    """How a network descends: AdamW over a number of steps."""

    batch: int = Field(32, ge=1)
    """Samples in a step, over all devices."""
    epochs: float = Field(100, gt=0)
    """How often all samples are seen; ignored when there are steps."""
    steps: int = Field(0, ge=0)
    """Steps; 0: as many as the epochs take."""
    learning_rate: float = Field(1e-4, gt=0)
    """Of AdamW, at its highest."""
    weight_decay: float = Field(0.0, ge=0)
    """Of AdamW; 0 makes it Adam."""
    schedule: Literal["steps", "cosine"] = "steps"
    """steps: a tenth at each milestone; cosine: falls to nothing."""
    milestones: tuple[float, ...] = (0.85, 0.95)
    """Shares of the training at which the rate falls to a tenth, with `schedule: steps`."""
    floor: float = Field(0.0, ge=0, le=1)
    """Share of the highest rate below which milestones do not bring it."""
    warmup: int = Field(0, ge=0)
    """Steps in which the rate rises from nothing."""
    warmup_share: float = Field(0.0, ge=0, lt=1)
    """The same as a share of all steps; the longer one counts."""
    clip: float = Field(1.0, ge=0)
    """Largest norm of the slope; 0: any."""
    ema: float = Field(0.9999, ge=0, lt=1)
    """Decay of the moving average of the weights, which is what is kept; 0: the weights themselves."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the network's layers; surfaces and losses are always float32."""


class ReportConfig(ConfigPart):
    """How often a training tells and saves."""

    metrics: int = Field(50, ge=1)
    """Steps between lines of metrics."""
    checkpoint: int = Field(1000, ge=1)
    """Steps between checkpoints."""
    keep: int = Field(2, ge=1)
    """Checkpoints kept, the newest."""
    validation: int = Field(2000, ge=0)
    """Steps between looks at the validation split; 0: none."""


class TrainingConfig(ConfigPart):
    """What every training is told; networks add their own sections."""

    optimiser: OptimiserConfig = OptimiserConfig()
    report: ReportConfig = ReportConfig()
    seed: int = Field(0, ge=0)
    """Decides everything random."""

    @model_validator(mode="after")
    def _warmup_is_a_part(self) -> Self:
        if self.optimiser.steps and self.optimiser.warmup >= self.optimiser.steps:
            raise ValueError(
                f"optimiser.warmup is {self.optimiser.warmup}, must be below the {self.optimiser.steps} steps"
            )
        return self


def steps_of(wish: OptimiserConfig, samples: int) -> int:
    """Steps of a whole training on so many samples; what fills no whole batch at an epoch's end is left out."""
    return wish.steps or max(1, round(wish.epochs * (samples // min(wish.batch, samples))))


def epochs_of(steps: int, wish: OptimiserConfig, samples: int) -> float:
    """How often so many samples are seen in so many steps."""
    return steps * min(wish.batch, samples) / samples


def rate_at(step: int, total: int, wish: OptimiserConfig) -> float:
    """The learning rate at a step over the configured one."""
    rising_steps = max(wish.warmup, round(wish.warmup_share * total))
    rising = min(1.0, (step + 1) / rising_steps) if rising_steps else 1.0
    done = step / total
    if wish.schedule == "cosine":
        return rising * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    passed = sum(done >= milestone for milestone in wish.milestones)
    return rising * max(10.0**-passed, wish.floor)
