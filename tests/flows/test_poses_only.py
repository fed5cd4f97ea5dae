"""A run that ends when its poses are made, and a network that learns from them without images."""

import pytest
from click.testing import CliRunner

from dataset.errors import InputError
from dataset.manifest import Manifest
from flows.cli import main
from flows.render_ih import run_without_server
from tasks.ihdiff.training.job_config import IHDiffJobConfig
from tasks.ihdiff.training.job_data import check_poses
from tasks.training_job.trainer import IHDIFF
from tests.flows.small_run import SMALL, config


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("poses") / "alone"
    return folder, run_without_server(config("limits.poses_only=true"), folder)


def test_it_ends_with_all_poses_and_no_image(made):
    folder, dataset = made
    manifest = Manifest.read(folder)
    assert dataset.poses == manifest.rows("poses") > 0
    assert dataset.images == manifest.rows("images") == manifest.rows("plan") == 0
    assert dataset.contact_sheet is None and "poses_only" in dataset.stopped and not manifest.is_finished


def test_a_network_may_learn_from_it(made, tmp_path):
    folder, dataset = made
    job = IHDiffJobConfig(dataset=str(folder), out=tmp_path / "out")
    assert check_poses(IHDIFF, job).rows == dataset.poses


def test_not_from_poses_that_are_half_made(made, tmp_path):
    begun = tmp_path / "begun"
    Manifest.open(begun, {"seed": 1})
    with pytest.raises(InputError, match="is not finished"):
        check_poses(IHDIFF, IHDiffJobConfig(dataset=str(begun), out=tmp_path / "out"))


def test_the_command_says_so(tmp_path):
    settings = [word for one in (*SMALL, "source.names=[clap]", "limits.poses_only=true") for word in ("--set", one)]
    result = CliRunner().invoke(main, ["run", "--no-prefect", "--out", str(tmp_path / "alone"), *settings])
    assert result.exit_code == 0, result.output
    assert "0 images of 2 poses" in result.output and "contact sheet" not in result.output
    assert "all poses are made, limits.poses_only=true; the same command goes on from there" in result.output
