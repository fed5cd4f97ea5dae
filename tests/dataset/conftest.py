"""A small dataset of synthetic rows for every test that reads one."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dataset.synthetic import make_sample, write_dataset


@pytest.fixture(scope="session")
def samples(hands) -> list[dict]:
    return [make_sample(number, hands) for number in range(5)]


@pytest.fixture(scope="session")
def image_rows(samples) -> list[dict]:
    return [sample["images"] for sample in samples]


@pytest.fixture(scope="session")
def dataset_dir(samples, tmp_path_factory) -> Path:
    """A sound dataset; tests must not change it."""
    return write_dataset(tmp_path_factory.mktemp("dataset") / "small", samples).folder


@pytest.fixture
def broken_dataset(samples, tmp_path) -> Callable[[Callable[[dict], None]], Path]:
    """Writes a dataset whose second image row was changed by a function before it was stored."""

    def build(change: Callable[[dict], None]) -> Path:
        changed = copy.deepcopy(samples)
        change(changed[1]["images"])
        return write_dataset(tmp_path / "broken", changed).folder

    return build
