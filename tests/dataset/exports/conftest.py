"""A dataset that is awkward to export: splits mixed in its shards, a PNG picture, a hand that cannot be seen, odd names."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataset.manifest import Manifest
from dataset.pictures import photo, png_cell, values
from dataset.shards import iterate_rows
from tests.dataset.synthetic import write_dataset

SPLITS = ("train", "validation", "train", "test", "train")


@pytest.fixture(scope="session")
def split_samples(samples) -> list[dict]:
    """The samples in three splits. The second has a PNG picture and no visible left hand, the third a name with a dot."""
    changed = copy.deepcopy(samples)
    for sample, split in zip(changed, SPLITS, strict=True):
        for table in ("poses", "plan", "images"):
            sample[table]["split"] = split
    second, third = changed[1]["images"], changed[2]["images"]
    second["image"] = png_cell(np.asarray(photo(second["image"])), second["sample_id"])
    hands = values(second["mask_hands"])
    second["mask_hands"] = png_cell(np.where(hands == 2, 0, hands).astype(np.uint8), "no-left-hand")
    second["left"]["visible_fraction"] = 0.0
    second["normals"] = png_cell(np.zeros((*hands.shape, 3), np.uint8), "normals")
    third["sample_id"] = "name.with/odd signs"
    return changed


@pytest.fixture(scope="session")
def manifest(split_samples, tmp_path_factory) -> Manifest:
    """A dataset in several shards; tests must not change it."""
    return write_dataset(tmp_path_factory.mktemp("exported") / "small", split_samples, rows_per_shard=2)


@pytest.fixture(scope="session")
def exported_rows(manifest) -> list[dict[str, Any]]:
    """The rows of `images` as they are stored, in the order of the shards."""
    return list(iterate_rows(manifest.paths("images")))


@pytest.fixture
def altered(split_samples, tmp_path) -> Manifest:
    """A dataset of its own, for tests that damage it."""
    return write_dataset(tmp_path / "altered", split_samples, rows_per_shard=2)


@pytest.fixture
def contents() -> Callable[[Path], dict[str, bytes]]:
    """Gives the files of a folder tree by their name."""
    return lambda folder: {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
