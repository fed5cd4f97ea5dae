"""Anchors, pairs and attraction."""

import numpy as np
import torch

from dataset.assets.anchors import load_anchors
from hands.anatomy import palm_frame
from hands.contact import REACH, AnchorPairs, attraction_loss, contact_frequency, pair_anchors, select_anchors
from hands.joints import Side
from hands.mesh import adjacency
from tests.hands.posed import varied_gestures


def test_anchors_are_no_neighbours_and_leave_no_gap(hands):
    arrays = hands[Side.RIGHT].arrays
    anchors = select_anchors(arrays.faces, np.zeros(778))
    connected = adjacency(arrays.faces, 778) | np.eye(778, dtype=bool)
    assert np.array_equal(connected[np.ix_(anchors, anchors)], np.eye(len(anchors), dtype=bool))
    assert (np.linalg.matrix_power(connected.astype(int), 2) > 0)[anchors].any(axis=0).all()


def test_the_gesture_library_gives_about_the_papers_108_anchors(hands):
    built_in = load_anchors(hands)
    assert 100 <= len(built_in.right) <= 115
    assert np.array_equal(built_in.right, built_in.left), "mirrored hands share them"


def test_most_frequent_vertex_is_always_an_anchor(hands):
    frequency = np.zeros(778)
    frequency[123] = 5
    assert select_anchors(hands[Side.RIGHT].arrays.faces, frequency)[0] == 123


def test_contact_is_counted_where_surfaces_face_each_other(hands):
    poses = varied_gestures(hands, 1, 0, ("prayer", "waving_both"))
    counts = contact_frequency(poses, hands)
    palm, back = palm_and_back(hands[Side.RIGHT])
    assert counts[Side.RIGHT].max() == 1, "only the prayer touches"
    assert counts[Side.RIGHT][palm] == 1 and counts[Side.RIGHT][back] == 0


def palm_and_back(model) -> tuple[int, int]:
    """The vertices that stand out most on either side of the middle of the palm."""
    frame = palm_frame(model)
    offset = model.v_template - frame.centre
    height, aside = offset @ frame.palmar, (offset - (offset @ frame.palmar)[:, None] * frame.palmar).norm(dim=-1)
    near = torch.where(aside < 0.015, height, torch.nan)
    return int(near.nan_to_num(-1).argmax()), int(near.nan_to_num(1).argmin())


def test_stiffness_follows_equation_5():
    a = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [2, 0, 0]]], dtype=torch.float64)
    b = a + torch.tensor([0, 0, 1.0]) * torch.tensor([0.0, REACH / 2, 2 * REACH])[None, :, None]
    up = torch.tensor([0.0, 0, 1], dtype=torch.float64).expand_as(a)
    pairs = pair_anchors(a, up, b, -up)
    assert pairs.partner.tolist() == [[0, 1, 2]]
    assert torch.allclose(pairs.stiffness, torch.tensor([[1.0, 0.5, 0.0]], dtype=torch.float64), atol=1e-12)


def test_surfaces_that_face_the_same_way_do_not_pair():
    a = torch.zeros(1, 1, 3)
    up = torch.tensor([[[0.0, 0, 1]]])
    assert pair_anchors(a, up, a + 0.001, up).stiffness.item() == 0


def test_attraction_is_half_k_d_squared():
    a, b = torch.zeros(1, 2, 3), torch.tensor([[[0.0, 0, 0.01], [0.0, 0.02, 0]]])
    pairs = AnchorPairs(torch.tensor([[0, 1]]), torch.tensor([[1.0, 0.5]]))
    assert torch.isclose(attraction_loss(a, b, pairs), torch.tensor([0.5 * 1e-4 + 0.5 * 0.5 * 4e-4])).all()
