"""What can be set: a YAML file of a few lines, or nothing."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dataset.errors import InputError


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Alarms(_Part):
    """When a run is called off course. 0 turns an alarm off."""

    refused: float = Field(0.2, ge=0, le=1)
    """Share of the last images that were refused."""
    refused_poses: float = Field(0.9, ge=0, le=1)
    """Share of optimised poses that were refused."""
    black: float = Field(0.02, ge=0, le=1)
    """Share of looked-at images that are nearly black."""
    drop: float = Field(0.5, ge=0, le=1)
    """Part of its earlier pace by which a run has slowed down."""
    stalled_minutes: float = Field(30.0, ge=0)
    """Minutes without a finished shard while workers work."""
    penetration_mm: float = Field(2.0, ge=0)
    """Depth that no accepted pose may exceed."""
    disk_gib: float = Field(5.0, ge=0)
    """Room that must be left where the dataset lies, if it lies in a folder."""


class Settings(_Part):
    """Of the dashboard."""

    refresh_seconds: float = Field(2.0, ge=0.2, le=60)
    """Between looks at the runs."""
    price_per_hour: float = Field(0.0, ge=0)
    """Of one worker's device, in any currency; 0: hours are shown, and no cost."""
    mano: Path | None = None
    """MANO folder, to show hands of datasets that were made with MANO in space."""
    alarms: Alarms = Alarms()


def read_settings(path: Path | None) -> Settings:
    """Settings of a file, or the defaults.

    Raises:
        InputError: it cannot be read, or says something that cannot be.
    """
    if path is None:
        return Settings()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return Settings.model_validate(content)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); name a file of settings, see docs/dashboard.md"
        ) from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: is not YAML ({' '.join(str(error).split())})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"{path}: {where}: {first['msg']}; docs/dashboard.md lists the settings") from error
