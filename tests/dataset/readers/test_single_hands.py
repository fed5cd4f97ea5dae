"""FreiHAND and DexYCB: hands one by one, for a naturalness discriminator; and hands of two-hand sources."""

import json
import math

import numpy as np
import pytest
import yaml

from dataset.errors import InputError
from dataset.readers import dexycb, freihand
from dataset.readers.conventions import FingerAngles
from dataset.readers.formats import ALL
from dataset.readers.frame import Fault
from dataset.readers.natural import natural_hand_poses
from hands.joints import Side
from tests.dataset.readers.writers import (
    example_poses,
    interhand,
    save_dexycb,
    save_freihand,
    save_hic,
    save_interhand,
    save_reinterhand,
)

SEQUENCE = "20200709-weiy/20200709_141754"


@pytest.fixture(scope="module")
def poses(hands):
    return example_poses(hands, 4)


def faults(found) -> list[tuple[str, str, str]]:
    return [(f.reason, f.file, f.key) for f in found if isinstance(f, Fault)]


def test_freihand_angles_get_the_mean_and_all_hands_are_right(poses, hands, tmp_path):
    found = natural_hand_poses("freihand", save_freihand(tmp_path, poses.right, hands), hands)
    np.testing.assert_allclose(found.hand_pose, poses.right.hand_pose.numpy(), atol=1e-6)
    np.testing.assert_allclose(found.betas, poses.right.betas.numpy(), atol=1e-6)
    assert found.hand_pose.dtype == np.float32 and found.sides == (Side.RIGHT,) * 4 and not found.faults


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda rows: rows[2][0].__setitem__(7, math.nan), "not a finite number"),
        (lambda rows: rows[2][0].pop(), "wrong length"),
        (lambda rows: rows[2][0].__setitem__(7, 90.0), "wrong unit"),
        (lambda rows: rows.__setitem__(2, None), "wrong type"),
        (lambda rows: rows.__setitem__(2, {"pose": 1}), "wrong type"),
    ],
)
def test_freihand_faults_are_named_and_the_others_read(poses, hands, tmp_path, spoil, reason):
    path = save_freihand(tmp_path, poses.right, hands) / "training_mano.json"
    rows = json.loads(path.read_text())
    spoil(rows)
    path.write_text(json.dumps(rows))
    found = natural_hand_poses("freihand", tmp_path, hands)
    assert faults(found.faults) == [(reason, "training_mano.json", "[2]")] and len(found.hand_pose) == 3


def test_freihand_truncated_file_gives_what_came_before(poses, hands, tmp_path):
    path = save_freihand(tmp_path, poses.right, hands) / "training_mano.json"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    found = natural_hand_poses("freihand", tmp_path, hands)
    assert faults(found.faults) == [("unreadable file", "training_mano.json", "")] and len(found.hand_pose) == 2


def test_freihand_subsets_are_its_two_files(poses, hands, tmp_path):
    save_freihand(tmp_path, poses.right, hands)
    with pytest.raises(InputError, match=r"holds no evaluation_mano\.json"):
        natural_hand_poses("freihand", tmp_path, hands, "test")
    with pytest.raises(InputError, match="subset is 'val'; FreiHAND has train, test"):
        natural_hand_poses("freihand", tmp_path, hands, "val")
    assert list(freihand.files(tmp_path, "train")) == ["training_mano.json"]


@pytest.mark.parametrize("side", Side)
def test_dexycb_coefficients_are_pca_of_the_side_that_the_sequence_names(poses, hands, tmp_path, side):
    found = natural_hand_poses("dexycb", save_dexycb(tmp_path, poses.side(side), side, hands), hands)
    np.testing.assert_allclose(found.hand_pose, poses.side(side).hand_pose.numpy(), atol=1e-5)
    assert found.sides == (side,) * 4 and not found.faults
    np.testing.assert_allclose(found.betas, poses.side(side).betas.numpy(), atol=1e-6)


def test_dexycb_left_shapedirs_betas_are_the_person_s_for_both_hands(poses, hands, tmp_path):
    """They were calibrated once for both hands (dex-ycb-toolkit issue 28), so they are not fitted anew."""
    save_dexycb(tmp_path, poses.right, Side.RIGHT, hands)
    save_dexycb(tmp_path, poses.left, Side.LEFT, hands, "20200709_150000")
    found = natural_hand_poses("dexycb", tmp_path, hands)
    assert len(found.betas) == 8 and np.ptp(found.betas, axis=0).max() == 0


def test_dexycb_frames_without_a_hand_are_no_faults_and_one_camera_is_read(poses, hands, tmp_path):
    items = list(dexycb.read(save_dexycb(tmp_path, poses.left, Side.LEFT, hands), "", hands))
    assert items[0] is None and len(items) == 5
    assert items[1].name == "dexycb-20200709-weiy-20200709_141754-000001"


def _labels(folder):
    return folder / SEQUENCE / "836212060125" / "labels_000002.npz"


@pytest.mark.parametrize(
    ("arrays", "reason", "key"),
    [
        ({"pose_m": np.full((1, 51), np.nan)}, "not a finite number", "pose_m"),
        ({"pose_m": np.ones((1, 48))}, "wrong length", "pose_m"),
        ({"pose_m": np.array(["a"] * 51)}, "wrong type", "pose_m"),
        ({"pose_m": np.full((1, 51), 300.0)}, "wrong unit", "pose_m"),
        ({"pose_y": np.ones((1, 51))}, "missing key", "pose_m"),
        ({"pose_m": np.array([None] * 51)}, "unreadable file", ""),
    ],
)
def test_dexycb_spoilt_labels_are_named(poses, hands, tmp_path, arrays, reason, key):
    save_dexycb(tmp_path, poses.left, Side.LEFT, hands)
    np.savez(_labels(tmp_path), **arrays)
    file = str(_labels(tmp_path).relative_to(tmp_path))
    assert faults(dexycb.read(tmp_path, "", hands)) == [(reason, file, key)]
    assert len(natural_hand_poses("dexycb", tmp_path, hands).hand_pose) == 3


@pytest.mark.parametrize("share", [0.0, 0.2, 0.7, 0.98])
def test_dexycb_truncated_npz_is_named(poses, hands, tmp_path, share):
    save_dexycb(tmp_path, poses.left, Side.LEFT, hands)
    path = _labels(tmp_path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert [(r, k) for r, _, k in faults(dexycb.read(tmp_path, "", hands))] == [("unreadable file", "")]


@pytest.mark.parametrize(
    ("change", "reason", "key"),
    [
        ({"mano_sides": []}, "wrong type", "mano_sides"),
        ({"mano_sides": ["both"]}, "wrong type", "mano_sides"),
        ({"serials": "836212060125"}, "wrong type", "serials"),
        ({"mano_calib": [5]}, "wrong type", "mano_calib"),
        ({"mano_calib": ["nobody"]}, "missing file", "mano_calib"),
        ({"mano_calib": None}, "wrong type", "mano_calib"),
    ],
)
def test_dexycb_spoilt_description_costs_the_sequence_and_is_named(poses, hands, tmp_path, change, reason, key):
    save_dexycb(tmp_path, poses.left, Side.LEFT, hands)
    meta = tmp_path / SEQUENCE / "meta.yml"
    meta.write_text(yaml.safe_dump(yaml.safe_load(meta.read_text()) | change))
    assert faults(dexycb.read(tmp_path, "", hands)) == [(reason, f"{SEQUENCE}/meta.yml", key)]
    with pytest.raises(InputError, match=r"no hand of dexycb can be used \(1 faults\)"):
        natural_hand_poses("dexycb", tmp_path, hands)


@pytest.mark.parametrize("content", [b"serials: [1, 2", b"\xff\xfe", b"", b"- 1", b"a: b: c"])
def test_dexycb_truncated_yml_is_named(poses, hands, tmp_path, content):
    save_dexycb(tmp_path, poses.left, Side.LEFT, hands)
    (tmp_path / SEQUENCE / "meta.yml").write_bytes(content)
    ((reason, file, _),) = faults(dexycb.read(tmp_path, "", hands))
    assert reason in ("unreadable file", "wrong type") and file == f"{SEQUENCE}/meta.yml"


@pytest.mark.parametrize("betas", [[0.0] * 9, [float("nan")] * 10, "none", [90.0] * 10])
def test_dexycb_spoilt_calibration_is_named(poses, hands, tmp_path, betas):
    save_dexycb(tmp_path, poses.left, Side.LEFT, hands)
    (tmp_path / "calibration" / "mano_someone_left" / "mano.yml").write_text(yaml.safe_dump({"betas": betas}))
    ((_, file, key),) = faults(dexycb.read(tmp_path, "", hands))
    assert file == f"{SEQUENCE}/meta.yml" and key == "mano_calib.betas"


@pytest.mark.parametrize("kind", ["interhand26m", "reinterhand", "hic"])
def test_two_hand_sources_give_both_hands(poses, hands, tmp_path, kind):
    {
        "interhand26m": lambda: save_interhand(tmp_path, interhand(poses, hands)),
        "reinterhand": lambda: save_reinterhand(tmp_path, poses, hands),
        "hic": lambda: save_hic(tmp_path, poses, hands, FingerAngles.MINUS_MEAN),
    }[kind]()
    found = natural_hand_poses(kind, tmp_path, hands)
    assert found.sides == tuple(Side) * 4
    both = np.stack([poses.right.hand_pose.numpy(), poses.left.hand_pose.numpy()], axis=1).reshape(8, 45)
    np.testing.assert_allclose(found.hand_pose, both, atol=1e-5)


def test_hands_of_frames_that_do_not_interact_count_too(poses, hands, tmp_path):
    content = interhand(poses, hands)
    del content["joint_3d"], content["data"]
    content["MANO_NeuralAnnot"]["13"]["101"]["right"] = None
    found = natural_hand_poses("interhand26m", save_interhand(tmp_path, content), hands)
    assert len(found.sides) == 7 and found.sides.count(Side.LEFT) == 4


@pytest.mark.parametrize("kind", ALL)
def test_a_folder_of_something_else_is_one_sentence(kind, hands, tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match=r"(holds no .*|no capture .*)docs/pose-sources\.md"):
            natural_hand_poses(kind, folder, hands)
