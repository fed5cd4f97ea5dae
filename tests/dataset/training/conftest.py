"""A dataset of many small row groups in two splits, made of the synthetic rows."""

from pathlib import Path

import pytest

from tests.dataset.training.small_groups import write_images

SHARDS = {"a": 11, "b": 4, "c": 9, "d": 7}
"""Shard to rows; four make a group. Every third row of the last is of validation, like the whole second."""


@pytest.fixture(scope="session")
def many_rows(image_rows) -> dict[str, list[dict]]:
    """The rows of each shard."""
    shards, number = {}, 0
    for name, count in SHARDS.items():
        shards[name] = []
        for place in range(count):
            split = "validation" if name == "b" or (name == "d" and place % 3 == 0) else "train"
            shards[name].append(image_rows[number % len(image_rows)] | {"sample_id": f"{number:03d}", "split": split})
            number += 1
    return shards


@pytest.fixture(scope="session")
def by_id(many_rows) -> dict[str, dict]:
    return {row["sample_id"]: row for rows in many_rows.values() for row in rows}


@pytest.fixture(scope="session")
def train_ids(by_id) -> list[str]:
    """Those of the train split, as stored."""
    return [name for name, row in by_id.items() if row["split"] == "train"]


@pytest.fixture(scope="session")
def many_dir(many_rows, tmp_path_factory) -> Path:
    """31 images: 24 train, 7 validation. Tests must not change it."""
    return write_images(tmp_path_factory.mktemp("training") / "many", many_rows)
