"""The built-in library of two-hand interactions, and what its reader says about broken files."""

from pathlib import Path

import pytest
import torch
import yaml

from dataset.assets.gestures import load_gesture, load_gestures
from dataset.assets.hand_files import load_hands
from dataset.errors import InputError
from hands.anatomy import limit_excess
from hands.gestures import Gesture, gesture_angles, gesture_pose
from hands.joints import FINGER_JOINTS, FINGERS, Side
from hands.pose import TwoHandPose
from hands.referee import judge

LIBRARY = load_gestures()
HANDS = load_hands()
FLAT_HAND = {"centre": [5, 0, 0], "points": [0, 0, 1], "faces": [0, 1, 0], **{f: [0, 0, 0, 0] for f in FINGERS}}
BUILT_IN = pytest.mark.parametrize("gesture", LIBRARY, ids=lambda gesture: gesture.name)


def _surfaces(gesture: Gesture) -> tuple[torch.Tensor, torch.Tensor]:
    pose = gesture_pose(gesture, HANDS[Side.RIGHT], HANDS[Side.LEFT])
    return tuple(pose.side(side).pose(HANDS[side]).vertices for side in Side)


def _write(folder: Path, change: dict | None = None, right: dict | None = None, drop: str = "") -> Path:
    content = {"description": "Two flat hands.", "touching": False, "tags": ["test"], "left": "mirror"}
    content |= {"right": FLAT_HAND | (right or {})} | (change or {})
    content.pop(drop, None)
    file = folder / "flat.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def test_the_library_has_many_gestures_each_with_its_own_name_and_description():
    assert len(LIBRARY) >= 40
    assert len({gesture.name for gesture in LIBRARY}) == len(LIBRARY)
    assert len({gesture.description for gesture in LIBRARY}) == len(LIBRARY)


@BUILT_IN
def test_a_built_in_gesture_is_described_and_tagged(gesture: Gesture):
    assert gesture.description.endswith(".") and len(gesture.description) > 20
    assert gesture.tags and all(isinstance(tag, str) for tag in gesture.tags)


@BUILT_IN
def test_a_built_in_gesture_keeps_every_joint_inside_its_limits(gesture: Gesture):
    for hand in (gesture.right, gesture.left):
        assert limit_excess(gesture_angles(hand, torch.float64)).abs().max() < 1e-12


@BUILT_IN
def test_a_built_in_gesture_has_independent_palm_directions(gesture: Gesture):
    for hand in (gesture.right, gesture.left):
        points, faces = (torch.tensor(v, dtype=torch.float64) for v in (hand.points, hand.faces))
        assert points.norm() > 0.9 and abs(torch.cosine_similarity(points, faces, dim=0)) < 0.5


def test_touching_hands_meet_without_sinking_into_each_other():
    poses = TwoHandPose.stack([gesture_pose(g, HANDS[Side.RIGHT], HANDS[Side.LEFT]) for g in LIBRARY])
    for gesture, verdict in zip(LIBRARY, judge(poses, HANDS), strict=True):
        if gesture.touching:
            assert verdict.min_distance_mm <= 5, gesture.name
            assert verdict.max_penetration_mm <= 9, gesture.name
        else:
            assert verdict.min_distance_mm > 0, gesture.name


def test_no_two_built_in_gestures_are_the_same_pose():
    """Joints relative to their common centre: at least one joint of 42 differs by more than 2 cm."""
    joints = []
    for gesture in LIBRARY:
        pose = gesture_pose(gesture, HANDS[Side.RIGHT], HANDS[Side.LEFT])
        both = torch.cat([HANDS[side].joints_21(pose.side(side).pose(HANDS[side]))[0] for side in Side])
        joints.append(both - both.mean(0))
    joints = torch.stack(joints)
    distance = (joints[:, None] - joints[None]).norm(dim=-1).amax(-1)
    distance.fill_diagonal_(torch.inf)
    first, second = divmod(int(distance.argmin()), len(LIBRARY))
    assert distance.min() > 0.02, f"{LIBRARY[first].name} and {LIBRARY[second].name}"


def test_a_mirrored_hand_is_the_reflection_of_the_other_one(tmp_path: Path):
    right, left = _surfaces(load_gesture(_write(tmp_path)))
    assert torch.allclose(left * torch.tensor([-1.0, 1.0, 1.0]), right, atol=1e-6)


def test_the_palm_lies_where_the_file_says_and_faces_and_points_as_written(tmp_path: Path):
    gesture = load_gesture(_write(tmp_path, right={"centre": [3, -4, 5], "points": [0, 1, 0], "faces": [0, 0, -1]}))
    right = HANDS[Side.RIGHT]
    posed = gesture_pose(gesture, right, HANDS[Side.LEFT]).right.pose(right)
    knuckles = posed.joints[0, [FINGER_JOINTS[finger][0] for finger in FINGERS[1:]]]
    wrist = posed.joints[0, 0]
    assert torch.allclose((wrist + knuckles.mean(0)) / 2, torch.tensor([0.03, -0.04, 0.05]), atol=1e-6)
    assert torch.cosine_similarity((knuckles[1] + knuckles[2]) / 2 - wrist, torch.tensor([0.0, 1, 0]), dim=0) > 0.9999
    thumb_side = knuckles[0] - knuckles[3]
    assert thumb_side[0] < -0.05, "palm down and fingers forward, a right thumb is on the left"


def test_field_defaults(tmp_path: Path):
    file = _write(tmp_path)
    content = yaml.safe_load(file.read_text())
    del content["touching"], content["tags"]
    file.write_text(yaml.safe_dump(content))
    gesture = load_gesture(file)
    assert (gesture.name, gesture.touching, gesture.tags) == ("flat", True, ())


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"change": {"descripton": "typing slip"}}, "descripton"),
        ({"right": {"thum": [0, 0, 0, 0]}}, "thum"),
        ({"drop": "description"}, "description"),
        ({"change": {"right": {}}}, "centre"),
        ({"change": {"right": [1, 2]}}, "right"),
        ({"change": {"left": "mirrored"}}, "left"),
        ({"right": {"centre": [1, 2]}}, "right.centre"),
        ({"right": {"pinky": [1, 2, 3]}}, "right.pinky"),
        ({"right": {"faces": [0, "up", 1]}}, "right.faces"),
        ({"right": {"middle": [0, 16, 0, 0]}}, "right.middle"),
        ({"right": {"index": [-26, 0, 0, 0]}}, "right.index"),
        ({"right": {"thumb": [float("nan"), 0, 0, 0]}}, "right.thumb"),
    ],
)
def test_a_broken_gesture_file_is_named_with_its_field(tmp_path: Path, fault: dict, field: str):
    file = _write(tmp_path, **fault)
    with pytest.raises(InputError) as error:
        load_gesture(file)
    assert str(file) in str(error.value) and field in str(error.value)


@pytest.mark.parametrize("content", [b"right: [1, 2", b"\xff\xfe\xfa", b"a: b: c"])
def test_a_file_that_is_not_yaml_is_named(tmp_path: Path, content: bytes):
    file = tmp_path / "torn.yaml"
    file.write_bytes(content)
    with pytest.raises(InputError, match="YAML") as error:
        load_gestures(tmp_path)
    assert str(file) in str(error.value)


def test_a_folder_without_gestures_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"source\.gestures") as error:
        load_gestures(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_a_folder_of_ones_own_replaces_the_library(tmp_path: Path):
    _write(tmp_path)
    assert [gesture.name for gesture in load_gestures(tmp_path)] == ["flat"]
