"""`render-ih fit` as a user calls it, with an untrained network."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import trimesh
from click.testing import CliRunner, Result
from PIL import Image

from dataset.assets.gestures import load_gestures
from dataset.assets.hand_files import hand_checksum
from dataset.readers.source import Rules, read_source
from dataset.rows import pose_cell, pose_of
from flows.cli import main
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.pose import TwoHandPose
from models.ihdiff import checkpoint
from models.ihdiff.network import Denoiser, NetworkConfig
from models.ihdiff.representation import Standard, pack
from models.ihdiff.vae import VAE, VAEConfig
from tasks.ihdiff import fit_pictures
from tests.flows.refusals import sentence_of

QUICK = ("--steps", 3, "--no-sheet")
FAR = Rules(max_distance_mm=1e6)


def call(*words: object) -> Result:
    return CliRunner().invoke(main, ["fit", *[str(word) for word in words]])


def refused(*words: object) -> str:
    """The sentence with which the command refuses."""
    return sentence_of(call(*words))


@pytest.fixture(scope="module")
def gestures(hands) -> TwoHandPose:
    return TwoHandPose.stack([gesture_pose(g, hands[Side.RIGHT], hands[Side.LEFT]) for g in load_gestures()[:12]])


@pytest.fixture(scope="module")
def trained(tmp_path_factory, hands, gestures) -> Path:
    """Not really."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    network, standard = Denoiser(NetworkConfig(width=16, heads=2, depth=1)), Standard.of(pack(gestures, hands).x)
    with path.open("wb") as file:
        checkpoint.save(file, network, standard, {"hands": hand_checksum(hands)})
    return path


@pytest.fixture(scope="module")
def seen(tmp_path_factory, hands, gestures) -> Path:
    """Joints of three gestures; of one of them a joint is not known."""
    joints = joints_of(gestures[[0, 1, 2]], hands)
    joints[1, 30] = torch.nan
    path = tmp_path_factory.mktemp("seen") / "seen.parquet"
    pq.write_table(pa.table({"pose_id": ["a", "b", "c"], "joints_3d": joints.flatten(1).tolist()}), path)
    return path


def joints_of(poses: TwoHandPose, hands) -> torch.Tensor:
    return torch.cat([hands[side].joints_21(poses.side(side).pose(hands[side])) for side in Side], dim=1)


def fits_of(out: Path) -> tuple[TwoHandPose, list[dict]]:
    rows = pq.read_table(out / "poses.parquet").to_pylist()
    return TwoHandPose(*(pose_of([row[side] for row in rows]) for side in Side)), rows


def test_the_table_holds_fits_and_their_distances(trained, seen, tmp_path, hands):
    out = tmp_path / "fits"
    result = call(trained, seen, "--out", out, *QUICK, "--meshes")
    assert result.exit_code == 0, result.output
    poses, rows = fits_of(out)
    assert [row["pose_id"] for row in rows] == ["a", "b", "c"] and "(3 pairs, median distance" in result.output
    wanted = torch.tensor(pq.read_table(seen)["joints_3d"].to_pylist()).unflatten(1, (42, 3))
    apart = (joints_of(poses, hands) - wanted).abs().flatten(1)
    for row, distance in zip(rows, apart, strict=True):
        assert row["distance_mm"] == pytest.approx(1e3 * float(distance.nanmean()), rel=1e-3), "mean over what is known"
    assert float(apart[1].isnan().sum()) == 3
    assert read_source("parquet", out, "", hands, FAR).names == ["a", "b", "c"], "a run could read it"
    mesh = trimesh.load(out / "meshes" / "b_left.obj", process=False)
    assert np.abs(mesh.vertices - poses.left[[1]].pose(hands[Side.LEFT]).vertices[0].numpy()).max() < 1e-4
    assert not (out / "sheet.jpg").exists()


def test_fits_lie_where_the_observations_lie(trained, tmp_path, hands, gestures):
    """Moved observations have moved fits: nothing is centred or turned."""
    joints = joints_of(gestures[[0]], hands)
    offset = torch.tensor([0.3, -0.2, 0.5])
    found = []
    for name, points in (("here", joints), ("there", joints + offset)):
        pq.write_table(pa.table({"joints_3d": points.flatten(1).tolist()}), tmp_path / f"{name}.parquet")
        assert call(trained, tmp_path / f"{name}.parquet", "--out", tmp_path / name, *QUICK).exit_code == 0
        found.append(joints_of(fits_of(tmp_path / name)[0], hands))
    assert torch.allclose(found[1] - found[0], offset.expand(1, 42, 3), atol=2e-3)


def test_the_same_command_goes_on_and_another_one_is_refused(trained, seen, tmp_path):
    out = tmp_path / "fits"
    assert call(trained, seen, "--out", out, *QUICK).exit_code == 0
    first = (out / "poses.parquet").read_bytes()
    (out / "poses.parquet").unlink()
    assert call(trained, seen, "--out", out, *QUICK).exit_code == 0
    assert (out / "poses.parquet").read_bytes() == first
    assert "another seed" in refused(trained, seen, "--out", out, "--seed", 5, *QUICK)
    assert "another step_size" in refused(trained, seen, "--out", out, "--step-size", 0.5, *QUICK)


def test_a_regressors_answer_is_where_a_fit_starts(trained, tmp_path, hands, gestures):
    cells = {str(side): [pose_cell(gestures.side(side)[[0]])] for side in Side}
    columns = {
        side: [{name: value.tolist() for name, value in cell.items()} for cell in rows] for side, rows in cells.items()
    }
    pq.write_table(pa.table(columns), tmp_path / "answer.parquet")
    out = tmp_path / "out"
    words = (trained, tmp_path / "answer.parquet", "--steps", 20, "--start", 0.1, "--no-sheet", "--out", out)
    assert call(*words).exit_code == 0
    (row,) = fits_of(out)[1]
    assert row["pose_id"] == "answer-000000" and np.isfinite(row["distance_mm"])
    record = (out / "samples.json").read_text()
    assert '"step_size": 10.0' in record and '"start": 0.1' in record


def test_a_sheet_shows_what_was_seen_beside_the_fit(trained, seen, tmp_path, monkeypatch):
    """The renderer is replaced: it has tests of its own."""
    drawn = []

    def grey(poses, hands):
        drawn.append(len(poses))
        return [Image.new("RGB", fit_pictures.SIZE, (90, 90, 90))] * (len(poses) - 1) + [None]

    monkeypatch.setattr(fit_pictures, "draw_pairs", grey)
    result = call(trained, seen, "--out", tmp_path / "out", "--steps", 2)
    assert result.exit_code == 0 and "sheet.jpg" in result.output and drawn == [3]
    sheet = np.asarray(Image.open(tmp_path / "out" / "sheet.png").convert("RGB")).astype(int)
    width, height = fit_pictures.SIZE
    assert sheet.shape[1] >= 3 * 2 * width and (sheet[:height, width : 2 * width] == 90).all()
    seen_joints = sheet[:height, :width]
    for ink in fit_pictures._INKS:
        assert (np.abs(seen_joints - ink).sum(-1) == 0).sum() > 200, "both hands' joints and bones"


@pytest.mark.parametrize("what", ["checkpoint", "vae", "observations", "start"])
def test_bad_input_is_one_sentence(what, trained, seen, tmp_path, hands):
    out = ("--out", tmp_path / "out", *QUICK)
    if what == "checkpoint":
        assert "nowhere: no checkpoint" in refused("nowhere", seen, *out)
    elif what == "vae":
        network = VAE(VAEConfig(width=16, heads=2, layers=1, latents=2))
        with (tmp_path / "vae").open("wb") as file:
            checkpoint.save(file, network, Standard(), {"hands": hand_checksum(hands)})
        assert "holds the VAE baseline" in refused(tmp_path / "vae", seen, *out)
    elif what == "observations":
        assert "nowhere.parquet: no such file" in refused(trained, tmp_path / "nowhere.parquet", *out)
    else:
        assert "has no regressor's answer to start at" in refused(trained, seen, *out, "--start", 0.5)
    assert not (tmp_path / "out").exists(), "nothing was begun"
