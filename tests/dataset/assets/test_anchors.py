"""Anchor files: the built-in one, one's own, and what is said of bad ones."""

import json
from dataclasses import replace

import numpy as np
import pytest

from dataset.assets.anchors import BUILT_IN, load_anchors, write_anchors
from dataset.assets.gestures import load_gestures
from dataset.errors import InputError
from hands.contact import Anchors
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.model import HandModel
from hands.pose import TwoHandPose
from tests.hands.posed import varied_gestures


def test_the_built_in_file_is_what_the_gesture_library_gives(hands, tmp_path):
    library = [gesture_pose(gesture, hands[Side.RIGHT], hands[Side.LEFT]) for gesture in load_gestures()]
    made = write_anchors(tmp_path / "anchors.json", TwoHandPose.stack(library), hands, "gestures")
    built_in = load_anchors(hands, BUILT_IN)
    assert np.array_equal(made.right, built_in.right) and np.array_equal(made.left, built_in.left)


def test_a_file_is_read_back(hands, tmp_path):
    made = write_anchors(tmp_path / "mine.json", varied_gestures(hands, 1, 20, ("clasp", "prayer")), hands, "two")
    read = load_anchors(hands, tmp_path / "mine.json")
    assert np.array_equal(read.right, made.right) and np.array_equal(read.left, made.left)


def test_another_mesh_gets_even_anchors_and_no_foreign_file(hands):
    turned = {
        side: HandModel(replace(model.arrays, faces=np.roll(model.arrays.faces, 1, axis=0)))
        for side, model in hands.items()
    }
    assert np.array_equal(load_anchors(turned).right, Anchors.even(turned).right)
    with pytest.raises(InputError, match="another hand mesh"):
        load_anchors(turned, BUILT_IN)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such anchor file"),
        ("{", "is not an anchor file"),
        (json.dumps({"faces_sha256": "", "right": [1]}), "is not an anchor file"),
        (json.dumps({"faces_sha256": "", "right": ["a"], "left": [1]}), "is not an anchor file"),
    ],
)
def test_a_bad_file_is_one_sentence(hands, tmp_path, content, said):
    file = tmp_path / "anchors.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError, match=said):
        load_anchors(hands, file)
