"""Datasets that dashboards of tests show."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from dashboard.desk import Desk
from tests.dashboard.serving import client_of, desk_of
from tests.dataset.synthetic import make_sample, write_dataset


@pytest.fixture(scope="session")
def shown_samples(hands) -> list[dict]:
    """Twelve samples, three a shard."""
    return [make_sample(number, hands) for number in range(12)]


@pytest.fixture(scope="session")
def finished(shown_samples, tmp_path_factory) -> Path:
    """A finished dataset; tests must not change it."""
    return write_dataset(tmp_path_factory.mktemp("shown") / "finished", shown_samples).folder


@pytest.fixture(scope="module")
def desk(finished, tmp_path_factory) -> Iterator[Desk]:
    """Over the finished dataset."""
    with desk_of(finished, ratings=tmp_path_factory.mktemp("ratings")) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(desk) -> TestClient:
    return client_of(desk)
