"""Two small runs of all splits whose names collide, as runs of one recipe with two seeds do."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dataset.manifest import Manifest
from tests.dataset import synthetic
from tests.dataset.synthetic import make_sample, write_dataset

Build = Callable[..., Path]


def of_split(sample: dict, split: str) -> dict:
    """The sample as one of another split, with base pose, environment and skins of that split."""
    sample = copy.deepcopy(sample)
    for row in sample.values():
        row["split"] = split
        for cell in (row, row.get("render", {}), row.get("provenance", {})):
            for name in ("base_pose", "hdri", "skin_right", "skin_left"):
                if name in cell:
                    cell[name] = f"{split}-{cell[name]}"
    return sample


def with_name(sample: dict, number: int) -> dict:
    """The sample under the name that another number would have."""
    sample = copy.deepcopy(sample)
    for row in sample.values():
        row["pose_id"] = f"{number:06d}"
        if "sample_id" in row:
            row["sample_id"] = f"{number:06d}-0"
    return sample


def build(folder: Path, samples: Sequence[dict], seed: int, refused_from: int = 0, rows_per_shard: int = 2) -> Path:
    """A run of that seed; the names of its refused poses count from `refused_from`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "CONFIG", synthetic.CONFIG | {"seed": seed})
        numbered = synthetic.rejected_row
        patch.setattr(synthetic, "rejected_row", lambda number: numbered(number + refused_from))
        return write_dataset(folder, copy.deepcopy(list(samples)), rows_per_shard).folder


@pytest.fixture(scope="session")
def our_samples(samples) -> list[dict]:
    splits = ("train", "train", "validation", "validation", "test")
    return [of_split(sample, split) for sample, split in zip(samples, splits, strict=True)]


@pytest.fixture(scope="session")
def their_samples(hands) -> list[dict]:
    drawn = [make_sample(number, hands) for number in (6, 8, 10)]
    splits = ("train", "train", "test")
    return [of_split(with_name(s, number), split) for number, (s, split) in enumerate(zip(drawn, splits, strict=True))]


@pytest.fixture(scope="session")
def ours(our_samples, tmp_path_factory) -> Path:
    """Tests must not change it."""
    return build(tmp_path_factory.mktemp("growing") / "ours", our_samples, seed=7)


@pytest.fixture(scope="session")
def theirs(their_samples, tmp_path_factory) -> Path:
    """Tests must not change it."""
    return build(tmp_path_factory.mktemp("growing") / "theirs", their_samples, seed=8)


@pytest.fixture
def growing(our_samples, tmp_path) -> Path:
    """A copy of `ours` that a test may change."""
    return build(tmp_path / "growing", our_samples, seed=7)


def state(folder: Path) -> dict[str, bytes]:
    """Every file that somebody who reads the dataset can see."""
    seen = (path for path in folder.rglob("*") if path.is_file() and ".growing" not in str(path))
    return {str(path.relative_to(folder)): path.read_bytes() for path in seen}


def checksum(folder: Path) -> str:
    """Checksum of the configuration of a dataset's only run."""
    return Manifest.read(folder).config_sha256
