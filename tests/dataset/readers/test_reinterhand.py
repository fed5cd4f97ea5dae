"""Re:InterHand: pairs of small files become poses, and every fault is named."""

import json
import math

import pytest

from dataset.errors import InputError
from dataset.readers import reinterhand
from dataset.readers.frame import UP, Fault, Frame
from dataset.readers.source import Rules, read_source
from hands.joints import Side
from tests.dataset.readers.writers import example_poses, save_reinterhand, surfaces

CAPTURE = "m--20230101--0000--AAA000--hands"
PARAMS = f"{CAPTURE}/mano_fits/params"


@pytest.fixture
def folder(hands, tmp_path):
    return save_reinterhand(tmp_path, example_poses(hands, 3), hands)


def read(folder, hands, subset="train") -> list:
    return list(reinterhand.read(folder, subset, hands))


def faults(folder, hands) -> list[tuple[str, str, str]]:
    return [(f.reason, f.file, f.key) for f in read(folder, hands) if isinstance(f, Fault)]


@pytest.mark.parametrize("named", ["all captures", "data", "one capture"])
def test_poses_survive_whichever_folder_is_named(folder, hands, tmp_path, named):
    if named == "data":
        (tmp_path / "above" / "data").mkdir(parents=True)
        (folder / CAPTURE).rename(tmp_path / "above" / "data" / CAPTURE)
    place = {"all captures": folder, "data": tmp_path / "above", "one capture": folder / CAPTURE}[named]
    raw = read_source("reinterhand", place, "train", hands, Rules())
    assert raw.names == [f"reinterhand-{CAPTURE}-{n}" for n in (7, 8, 9)] and not raw.faults
    assert (surfaces(raw.poses, hands) - surfaces(example_poses(hands, 3), hands)).abs().max() < 1e-6


def test_frames_come_in_the_order_of_their_numbers(hands, tmp_path):
    folder = save_reinterhand(tmp_path, example_poses(hands, 5), hands)
    assert [frame.name.rsplit("-", 1)[1] for frame in read(folder, hands)] == ["7", "8", "9", "10", "11"]


def test_the_test_captures_are_held_back(folder, hands):
    held_back = reinterhand.TEST_CAPTURES[1]
    (folder / CAPTURE).rename(folder / held_back)
    with pytest.raises(InputError, match="no capture of the subset 'train'"):
        read(folder, hands)
    assert len(read(folder, hands, "test")) == len(read(folder, hands, "all")) == 3
    with pytest.raises(InputError, match=r"source\.subset is 'val'; Re:InterHand has train, test, all"):
        read(folder, hands, "val")


@pytest.mark.parametrize(
    ("spoil", "reason", "key"),
    [
        (lambda hand: hand.update(pose=None), "wrong type", "pose"),
        (lambda hand: hand.update(pose=hand["pose"][:45]), "wrong length", "pose"),
        (lambda hand: hand["trans"].__setitem__(1, math.nan), "not a finite number", "trans"),
        (lambda hand: hand.update(trans=[1000 * x for x in hand["trans"]]), "wrong unit", "trans"),
        (lambda hand: hand.pop("shape"), "missing key", "shape"),
    ],
)
def test_a_spoilt_hand_costs_its_frame_and_is_named(folder, hands, spoil, reason, key):
    path = folder / PARAMS / "8_left.json"
    hand = json.loads(path.read_text())
    spoil(hand)
    path.write_text(json.dumps(hand))
    assert faults(folder, hands) == [(reason, f"{PARAMS}/8_left.json", key)]
    raw = read_source("reinterhand", folder, "train", hands, Rules())
    assert [name[-1] for name in raw.names] == ["7", "9"]


@pytest.mark.parametrize("content", [b"", b'{"pose": [0.1, 0.2', b"\xff\xff", b'{"pose": 1}}'])
def test_truncated_and_invalid_files_are_named(folder, hands, content):
    (folder / PARAMS / "8_left.json").write_bytes(content)
    assert faults(folder, hands) == [("unreadable file", f"{PARAMS}/8_left.json", "")]


def test_a_missing_hand_is_named(folder, hands):
    (folder / PARAMS / "9_left.json").unlink()
    assert faults(folder, hands) == [("missing hand", PARAMS, "left")]


def test_a_frame_that_occurs_twice_is_named(folder, hands):
    (folder / PARAMS / "0008_left.json").write_bytes((folder / PARAMS / "8_left.json").read_bytes())
    assert [fault[0] for fault in faults(folder, hands)] == ["duplicate frame"]


def test_cameras_are_millimetres_and_their_faults_are_named(folder, hands):
    path = folder / CAPTURE / "Mugsy_cameras" / "cam_params.json"
    cameras = json.loads(path.read_text())
    for camera in cameras.values():
        camera["t"] = [x / 1000 for x in camera["t"]]
    path.write_text(json.dumps(cameras))
    assert faults(folder, hands) == [("wrong unit", f"{CAPTURE}/Mugsy_cameras/cam_params.json", "")]
    frames = [item for item in read(folder, hands) if isinstance(item, Frame)]
    assert len(frames) == 3 and frames[0].up == UP


def test_without_cameras_the_world_stays_as_it_is(folder, hands):
    (folder / CAPTURE / "Mugsy_cameras" / "cam_params.json").unlink()
    assert {frame.up for frame in read(folder, hands)} == {UP}


def test_other_files_beside_the_parameters_are_passed_over(folder, hands):
    (folder / PARAMS / "notes.txt").write_text("hello")
    (folder / PARAMS / "x_left.json").write_text("{}")
    assert len(read(folder, hands)) == 3
    assert len(reinterhand.files(folder, "train")) == 7
    assert set(read(folder, hands)[0].hands) == set(Side)
