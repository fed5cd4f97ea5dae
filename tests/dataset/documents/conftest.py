"""A dataset with two splits and all that is written about it."""

import copy
from pathlib import Path

import pytest

from dataset.documents.card import write_card
from dataset.documents.croissant import write_croissant
from dataset.manifest import Manifest
from dataset.splits import split_contents
from tests.dataset.synthetic import write_dataset


def in_two_splits(samples: list[dict]) -> list[dict]:
    """The same samples, the last two of them of the test split with assets of its own."""
    changed = copy.deepcopy(samples)
    for number, sample in enumerate(changed[3:]):
        for row in sample.values():
            row["split"] = "test"
        sample["images"]["provenance"]["base_pose"] = sample["poses"]["base_pose"] = f"held out {number}"
        for look in (sample["images"]["render"], sample["plan"]):
            look |= {"hdri": "city", "skin_right": "tan", "skin_left": "tan"}
    return changed


def publish(folder: Path, samples: list[dict]) -> Path:
    """A finished dataset of these samples, three a shard, with its documents."""
    manifest = write_dataset(folder, samples)
    manifest.finish(split_contents(manifest.paths("images")))
    write_card(folder)
    write_croissant(folder)
    return folder


@pytest.fixture(scope="session")
def published(samples, tmp_path_factory) -> Path:
    """Tests must not change it."""
    return publish(tmp_path_factory.mktemp("published") / "small", in_two_splits(samples))


@pytest.fixture(scope="session")
def manifest(published) -> Manifest:
    return Manifest.read(published)
