"""Anchors, pairs and attraction."""

import numpy as np
import torch

from hands.contact import REACH, AnchorPairs, attraction_loss, pair_anchors, select_anchors
from hands.joints import Side
from hands.mesh import adjacency


def test_anchors_are_more_than_two_hops_apart_and_leave_no_gap(hands):
    arrays = hands[Side.RIGHT].arrays
    anchors = select_anchors(arrays.faces, len(arrays.v_template))
    near = np.linalg.matrix_power((adjacency(arrays.faces, 778) | np.eye(778, dtype=bool)).astype(int), 2) > 0
    among = near[np.ix_(anchors, anchors)]
    assert np.array_equal(among, np.eye(len(anchors), dtype=bool))
    assert near[anchors].any(axis=0).all()


def test_most_frequent_vertex_is_always_an_anchor(hands):
    arrays = hands[Side.RIGHT].arrays
    frequency = np.zeros(778)
    frequency[123] = 5
    assert select_anchors(arrays.faces, 778, frequency)[0] == 123


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
