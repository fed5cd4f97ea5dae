"""What a training job is told: where from, where to, on what, and for how long."""

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dataset.errors import InputError

_ENDPOINT = re.compile(r"[^\s:/]+:\d{1,5}")


class TrainingJobConfig(BaseModel):
    """A training job."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    dataset: str = Field(min_length=1)
    """The finished dataset to learn from: its folder or URL."""
    out: Path
    """Folder of checkpoints, metrics and log; a job goes on from the newest checkpoint in it."""
    config: Path | None = None
    """The trainer's own configuration file; empty: its defaults."""
    overrides: tuple[str, ...] = ()
    """KEY=VALUE, handed to the trainer on top of its configuration."""
    processes: int = Field(0, ge=0)
    """Training processes on this node, one a device; 0: one for every device, or one where there is no GPU."""
    nodes: int = Field(1, ge=1)
    """Nodes that train together; the same job is started on each."""
    rendezvous: str = ""
    """HOST:PORT where several nodes meet: one of them, and a port that is free there. Empty with one node."""
    max_hours: float = Field(0.0, ge=0)
    """Hours after which the trainer is told to save and end; 0: none. The same job started again goes on."""
    grace_seconds: float = Field(25.0, gt=0)
    """Seconds to save and end in, after that the trainer is killed. A Prefect worker kills a cancelled run after 30."""
    stall_minutes: float = Field(30.0, ge=0)
    """Minutes without a sign of life after which the trainer is killed; 0: never."""
    retries: int = Field(3, ge=0)
    """How often the trainer may be started again in one job."""

    @model_validator(mode="after")
    def _nodes_must_meet(self) -> "TrainingJobConfig":
        if self.nodes > 1 and not _ENDPOINT.fullmatch(self.rendezvous):
            raise ValueError(f"{self.nodes} nodes need rendezvous=HOST:PORT, one of them and a port that is free there")
        if self.nodes == 1 and self.rendezvous:
            raise ValueError("one node meets no other; leave rendezvous empty or say how many nodes there are")
        return self

    @model_validator(mode="after")
    def _overrides_are_pairs(self) -> "TrainingJobConfig":
        for override in self.overrides:
            if not override.partition("=")[1] or override.startswith("="):
                raise ValueError(f"override '{override}' must be KEY=VALUE")
        return self


def check_trainer_config(config: TrainingJobConfig) -> None:
    """Refuse a trainer's configuration that is not there.

    Raises:
        InputError: the file is missing.
    """
    if config.config and not config.config.is_file():
        raise InputError(f"training job: config: {config.config} is no file; give the trainer's configuration, or none")
