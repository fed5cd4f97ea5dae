"""Writes datasets that have images alone, in groups of four rows."""

from pathlib import Path

import pytest

import dataset.shards
from dataset.manifest import Manifest
from dataset.schema import TABLES
from dataset.shards import write_shard


def write_images(folder: Path, shards: dict[str, list[dict]]) -> Path:
    """A dataset of these shards."""
    manifest = Manifest.open(folder, {"seed": 1})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset.shards, "ROWS_PER_GROUP", 4)
        for name, rows in shards.items():
            manifest.add("images", write_shard(manifest.path("images", name), rows, TABLES["images"]))
    return folder
