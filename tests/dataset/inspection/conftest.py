"""Datasets with more rows than pictures were drawn for: copies of a few samples under other names."""

import copy
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.dataset.synthetic import write_dataset


def copied(sample: dict, number: int, split: str = "train", **provenance: object) -> dict:
    """The same pose and picture under other ids, in another split, perhaps of another origin."""
    new = copy.deepcopy(sample)
    for row in new.values():
        row |= {key: value for key, value in (("pose_id", f"c{number:03d}"), ("split", split)) if key in row}
        row |= {"sample_id": f"c{number:03d}-0"} if "sample_id" in row else {}
    new["poses"] |= provenance
    new["images"]["provenance"] |= provenance
    return new


@pytest.fixture
def written(tmp_path) -> Callable[[list[dict]], Path]:
    """Writes samples as a dataset, each time another one."""
    numbers = count()
    return lambda samples: write_dataset(tmp_path / f"written-{next(numbers)}", samples).folder
