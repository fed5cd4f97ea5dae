"""A run that takes seconds, for every test that needs one."""

from pathlib import Path

import pyarrow.parquet as pq

from dataset.manifest import Manifest
from tasks.config import DEMO, RenderIHConfig, load_config

SMALL = (
    "source.names=[prayer, hand_heart]",
    "augmentation.copies=1",
    "augmentation.bend_degrees=5",
    "optimisation.iterations=12",
    "validation.max_penetration_mm=20",
    "camera={views: 1, width: 128, height: 84}",
    "look.samples=2",
)


def config(*more: str) -> RenderIHConfig:
    """A run of four images that takes seconds."""
    return load_config(DEMO, SMALL + more)


def rows(folder: Path, table: str) -> list[dict]:
    """All rows of a table in id order."""
    found = [row for path in Manifest.read(folder).paths(table) for row in pq.read_table(path).to_pylist()]
    return sorted(found, key=lambda row: row.get("sample_id", row["pose_id"]))
