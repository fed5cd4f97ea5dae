"""`render-ih sample` as a user calls it, with an untrained network."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import trimesh
from click.testing import CliRunner, Result

from dataset.assets.gestures import load_gestures
from dataset.assets.hand_files import hand_checksum
from dataset.readers.source import Rules, read_source
from flows.cli.prior import sample
from flows.cli.root import InOrder
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.pose import TwoHandPose
from hands.referee import judge
from models.ihdiff.checkpoint import IHDiff
from models.ihdiff.network import Denoiser
from models.ihdiff.representation import Standard, pack
from tasks.ihdiff import sampling
from tasks.ihdiff.sheets import write_poses
from tests.flows.refusals import sentence_of
from tests.tasks.test_ihdiff_sampling import TINY, save

COMMANDS = InOrder("render-ih", commands={"sample": sample})
FAR = Rules(max_distance_mm=1e6)


def call(*words: object) -> Result:
    return CliRunner().invoke(COMMANDS, ["sample", *[str(word) for word in words]])


def refused(*words: object) -> str:
    """The sentence with which the command refuses."""
    return sentence_of(call(*words))


@pytest.fixture(scope="module")
def gestures(hands) -> TwoHandPose:
    return TwoHandPose.stack([gesture_pose(g, hands[Side.RIGHT], hands[Side.LEFT]) for g in load_gestures()[:12]])


@pytest.fixture(scope="module")
def trained(tmp_path_factory, hands, gestures):
    """Not really."""
    model = IHDiff(Denoiser(TINY), Standard.of(pack(gestures, hands).x))
    return save(tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors", model, {"hands": hand_checksum(hands)})


@pytest.fixture
def poses_file(tmp_path, hands, gestures):
    write_poses(tmp_path / "given" / "gestures.parquet", ["first", "second"], gestures[[3, 7]], hands)
    return tmp_path / "given" / "gestures.parquet"


QUICK = ("--steps", 3, "--no-sheet")


def test_a_folder_is_what_a_run_reads(trained, tmp_path, hands):
    out = tmp_path / "samples"
    result = call(trained, "--out", out, "--count", 3, *QUICK, "--meshes")
    assert result.exit_code == 0, result.output
    assert "(3 pairs, " in result.output and f"source.path={out}" in result.output
    raw = read_source("parquet", out, "", hands, FAR)
    assert raw.names == ["ihdiff-000000", "ihdiff-000001", "ihdiff-000002"] and not raw.faults
    rows = pq.read_table(out / "poses.parquet").to_pylist()
    for row, found in zip(rows, judge(raw.poses, hands), strict=True):
        assert row["min_distance_mm"] == pytest.approx(found.min_distance_mm, abs=0.01)
        assert row["max_penetration_mm"] == pytest.approx(found.max_penetration_mm, abs=0.01)
        assert row["contact_vertices"] == found.contact_vertices
    for side in Side:
        mesh = trimesh.load(out / "meshes" / f"ihdiff-000001_{side}.obj", process=False)
        stored = raw.poses.side(side)[[1]].pose(hands[side]).vertices[0].numpy()
        assert np.abs(mesh.vertices - stored).max() < 1e-4
        assert np.array_equal(mesh.faces, hands[side].arrays.faces)
    assert not (out / "sheet.jpg").exists()


def test_the_same_command_goes_on_and_another_one_is_refused(trained, tmp_path):
    out = tmp_path / "samples"
    assert call(trained, "--out", out, "--count", 1, *QUICK).exit_code == 0
    first = (out / "poses.parquet").read_bytes()
    (out / "poses.parquet").unlink()
    assert call(trained, "--out", out, "--count", 1, *QUICK).exit_code == 0
    assert (out / "poses.parquet").read_bytes() == first
    said = refused(trained, "--out", out, "--count", 1, "--seed", 5, *QUICK)
    assert "holds other samples (another seed)" in said
    assert "another condition" in refused(trained, "--out", out, "--count", 1, "--condition", "left", *QUICK)
    (out / "samples.json").write_text("[")
    assert "samples.json: is damaged" in refused(trained, "--out", out, "--count", 1, *QUICK)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    assert "is not empty (it holds thesis.tex)" in refused(trained, "--out", tmp_path / "full", *QUICK)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("side", Side)
def test_a_hand_of_a_file_is_kept(trained, tmp_path, poses_file, side):
    out = tmp_path / side
    result = call(trained, "--out", out, "--count", 2, "--condition", side, "--from", f"{poses_file}:1", *QUICK)
    assert result.exit_code == 0, result.output
    rows, given = (pq.read_table(path).to_pylist() for path in (out / "poses.parquet", poses_file))
    for row in rows:
        assert row[side]["hand_pose"] == given[1][side]["hand_pose"] != given[0][side]["hand_pose"]
    assert rows[0][side] == rows[1][side] and rows[0][side.other] != rows[1][side.other]


def test_a_hand_is_drawn_when_none_is_named(trained, tmp_path):
    assert call(trained, "--out", tmp_path / "out", "--count", 2, "--condition", "right", *QUICK).exit_code == 0
    one, other = pq.read_table(tmp_path / "out" / "poses.parquet").to_pylist()
    assert one["right"] == other["right"] and one["left"] != other["left"]
    assert json.loads((tmp_path / "out" / "samples.json").read_text())["condition"] == "right"


def test_what_cannot_be_is_one_sentence_and_writes_nothing(trained, tmp_path, poses_file):
    out = tmp_path / "out"
    new = ("--out", out, *QUICK)
    assert "add --condition right or left" in refused(trained, *new, "--from", poses_file)
    right = ("--condition", "right", "--from")
    assert "has 2 poses, so there is no row 2" in refused(trained, *new, *right, f"{poses_file}:2")
    assert "holds no Parquet file" in refused(trained, *new, *right, tmp_path / "nowhere.parquet")
    assert "no checkpoint of IHDiff is there" in refused(tmp_path / "none", *new)
    assert "MANO_RIGHT.pkl" in refused(trained, *new, "--mano", tmp_path)
    assert "'abacus' is no device" in refused(trained, *new, "--device", "abacus")
    assert call(trained, *new, "--count", 0).exit_code == call(trained, *new, "--steps", 1001).exit_code == 2
    assert not out.exists()


def test_samples_that_are_no_numbers_are_left_out_and_told(trained, tmp_path, monkeypatch):
    def broken(*args):
        poses = draw(*args)
        poses.left.transl[1] = torch.nan
        return poses

    draw = sampling.draw
    monkeypatch.setattr(sampling, "draw", broken)
    result = call(trained, "--out", tmp_path / "out", "--count", 3, *QUICK)
    assert result.exit_code == 0 and "1 of 3 samples left out" in result.output
    rows = pq.read_table(tmp_path / "out" / "poses.parquet").to_pylist()
    assert [row["pose_id"] for row in rows] == ["ihdiff-000000", "ihdiff-000002"]


def test_help_explains_the_options():
    result = CliRunner().invoke(COMMANDS, ["sample", "--help"])
    assert result.exit_code == 0 and "--condition" in result.output and "POSES.parquet[:ROW]" in result.output
