"""Figures of IHDiff's evaluation, compared with counting by hand."""

import math

import pytest
import torch

from hands.ray_collision import colliding
from models.ihdiff.metrics import (
    Contact,
    ContactScore,
    align_right_wrist,
    average_pairwise_distance_mm,
    collision_percent,
    contact,
    contact_accuracy_by_sample_percent,
    contact_accuracy_percent,
    contact_score,
    vertex_error_mm,
)

NAN = math.nan
APART = torch.tensor([[[0.0, 0, 0], [1, 0, 0]]])
"""A hand of two vertices, a metre from each other."""


def hand(*points: tuple[float, float, float]) -> torch.Tensor:
    return torch.tensor([points])


def test_alignment_moves_both_hands_by_the_right_wrist_and_turns_nothing():
    vertices = torch.tensor([[[1.0, 2, 3], [4, 5, 6]], [[0.0, 0, 0], [1, 1, 1]]])
    aligned = align_right_wrist(vertices, torch.tensor([[1.0, 2, 3], [0.0, 0, -1]]))
    assert aligned.tolist() == [[[0, 0, 0], [3, 3, 3]], [[0, 0, 1], [1, 1, 2]]]


def test_alignment_takes_out_a_shift_and_keeps_an_error_of_the_left_hand():
    """One vertex of each hand: the prediction is shifted by a metre, and its left hand lies 6 mm beside the truth."""
    truth, wrist = torch.tensor([[[0.0, 0, 0], [0.2, 0, 0]]]), torch.tensor([[0.0, 0, 0]])
    shift = torch.tensor([[1.0, 0, 0]])
    predicted = truth + shift + torch.tensor([[[0.0, 0, 0], [0, 0.006, 0]]])
    error = vertex_error_mm(align_right_wrist(predicted, wrist + shift), align_right_wrist(truth, wrist))
    assert error.item() == pytest.approx((0 + 6) / 2, rel=1e-4)


def test_vertex_error_is_the_mean_euclidean_distance():
    off = torch.tensor([[[0.003, 0.004, 0], [0, 0, 0.001]], [[0.0, 0, 0], [0, 0, 0.002]]])  # 5 and 1 mm; 0 and 2 mm
    truth = torch.rand(2, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert vertex_error_mm(truth + off, truth).tolist() == pytest.approx([3, 1])


def test_a_diverged_sample_has_no_vertex_error_and_leaves_the_others_alone():
    predicted = torch.zeros(2, 4, 3)
    predicted[0, 1, 2] = NAN
    error = vertex_error_mm(predicted, torch.zeros(2, 4, 3))
    assert error[0].isnan() and error[1] == 0


def test_collisions_are_counted_beyond_3_mm_in_the_euclidean_sense():
    """Of four vertices (2.9; 2, 2, 2; 0; −3.1 mm) two are deep: √12 = 3.46 though no coordinate is above 3, and −3.1."""
    offsets = torch.tensor([[[0.0029, 0, 0], [0.002, 0.002, 0.002], [0, 0, 0], [0, 0, -0.0031]]])
    assert collision_percent(offsets).tolist() == [50]
    assert collision_percent(offsets, deeper=0.0032).tolist() == [25]
    assert collision_percent(torch.full((1, 1, 3), 0.25) * torch.tensor([1.0, 0, 0]), deeper=0.25).tolist() == [0]


def test_collisions_are_those_of_the_ray_search(draws):
    offsets = torch.randn(5, 40, 3, generator=draws) * 0.002
    counted = collision_percent(offsets)
    assert counted.min() > 0 and counted.max() < 100
    torch.testing.assert_close(counted, 100 * colliding(offsets).float().mean(1))


def test_an_unknown_depth_makes_the_share_unknown():
    offsets = torch.zeros(2, 4, 3)
    offsets[1, 0, 0] = NAN
    share = collision_percent(offsets)
    assert share[0] == 0 and share[1].isnan()


def test_contact_is_to_the_nearest_vertex_of_the_other_hand():
    """The left hand's first vertex is 2 mm from the right's first, its second 4 mm from the right's second."""
    left = hand((0, 0, 0.002), (1.004, 0, 0))
    touching = contact(APART, left)
    assert touching.right.tolist() == touching.left.tolist() == [[True, False]]
    both = contact(APART, left, within=0.005)
    assert both.right.all() and both.left.all()


def test_several_vertices_may_touch_one():
    """Both left vertices are within 3 mm of the right's first: that one, and both of the left, touch."""
    touching = contact(APART, hand((0.001, 0, 0), (0, 0.002, 0)))
    assert touching.right.tolist() == [[True, False]] and touching.left.tolist() == [[True, True]]


def test_contact_at_exactly_the_limit_is_none():
    """A quarter of a metre and its distances are exact in binary."""
    assert not contact(APART, hand((0, 0.25, 0), (0, 0.5, 0)), within=0.25).right.any()


def test_contact_far_from_the_origin_is_as_exact():
    """2.9 and 3.1 mm, two metres from it on each axis, among enough vertices that squared norms would be used by default."""
    right = torch.arange(100).float()[:, None] * torch.tensor([0.02, 0, 0]) + torch.tensor([2.0, 2, 2])
    gap = torch.tensor([[0.0, 0.0029, 0], [0, 0.0031, 0]]).repeat(50, 1)
    touching = contact(right[None], (right + gap)[None])
    assert touching.right[0].tolist() == touching.left[0].tolist() == [True, False] * 50


def test_a_vertex_that_is_no_number_touches_nothing_and_nothing_touches_its_hand():
    touching = contact(APART, hand((0, 0, 0), (NAN, 0, 0)))
    assert touching.right.tolist() == [[False, False]] and touching.left.tolist() == [[True, False]]


def test_a_batch_is_measured_as_its_samples(draws):
    """More samples than are measured at once, and more than one vertex of each that touches."""
    right, left = (torch.rand(70, 20, 3, generator=draws) * 0.03 for _ in range(2))
    together = contact(right, left)
    alone = [contact(right[[row]], left[[row]]) for row in range(70)]
    assert 0 < together.right.float().mean() < 1
    for side in ("right", "left"):
        assert torch.equal(getattr(together, side), torch.cat([getattr(one, side) for one in alone]))
    errors = torch.stack([vertex_error_mm(right[[row]], left[[row]])[0] for row in range(70)])
    torch.testing.assert_close(vertex_error_mm(right, left), errors)
    shares = torch.stack([collision_percent(right[[row]], 0.02)[0] for row in range(70)])
    torch.testing.assert_close(collision_percent(right, 0.02), shares)


def test_no_samples_give_no_figures():
    none = torch.zeros(0, 6, 3)
    assert vertex_error_mm(none, none).shape == collision_percent(none).shape == (0,)
    touching = contact(none, none)
    assert touching.right.shape == (0, 6)
    assert math.isnan(contact_accuracy_percent(contact_score(touching, touching)))


Y, N = True, False
SAID = Contact(torch.tensor([[Y, Y, N], [N, N, N]]), torch.tensor([[N, Y, Y], [Y, N, N]]))
TRUE = Contact(torch.tensor([[Y, N, Y], [N, N, Y]]), torch.tensor([[N, Y, Y], [N, N, N]]))
"""First sample: annotated right 0, 2 and left 1, 2, of which all but right 2 are said. Second: right 2, which is not said."""


def test_contact_is_scored_among_annotated_vertices_alone():
    score = contact_score(SAID, TRUE)
    assert score.correct.tolist() == [3, 0] and score.annotated.tolist() == [4, 1]


def test_accuracy_is_the_micro_average_and_by_sample_the_macro_one():
    score = contact_score(SAID, TRUE)
    assert contact_accuracy_percent(score) == pytest.approx(100 * (3 + 0) / (4 + 1))
    assert contact_accuracy_by_sample_percent(score) == pytest.approx((75 + 0) / 2)


def test_samples_without_annotated_contact_count_in_neither_average():
    score = ContactScore(torch.tensor([1, 0]), torch.tensor([4, 0]))
    assert contact_accuracy_percent(score) == contact_accuracy_by_sample_percent(score) == 25
    nothing = ContactScore(torch.tensor([0]), torch.tensor([0]))
    assert math.isnan(contact_accuracy_percent(nothing)) and math.isnan(contact_accuracy_by_sample_percent(nothing))


def test_pairwise_distance_of_three_samples():
    """One vertex at 0, 3 and 7 mm: pairs are 3, 7 and 4 mm apart."""
    vertices = torch.tensor([0.0, 0.003, 0.007])[:, None, None] * torch.tensor([1.0, 0, 0])
    assert average_pairwise_distance_mm(vertices) == pytest.approx((3 + 7 + 4) / 3, rel=1e-5)


def test_pairwise_distance_is_that_of_a_double_loop(draws):
    vertices = torch.randn(13, 9, 3, generator=draws)
    pairs = [
        sum(math.dist(a, b) for a, b in zip(vertices[i].tolist(), vertices[j].tolist(), strict=True)) / 9
        for i in range(13)
        for j in range(i)
    ]
    assert average_pairwise_distance_mm(vertices) == pytest.approx(1e3 * sum(pairs) / (13 * 12 / 2), rel=1e-5)


def test_equal_samples_are_not_diverse_and_one_has_no_pairs():
    assert average_pairwise_distance_mm(APART.expand(4, 2, 3)) == 0
    assert math.isnan(average_pairwise_distance_mm(APART)) and math.isnan(average_pairwise_distance_mm(APART[:0]))
    assert math.isnan(average_pairwise_distance_mm(torch.cat([APART, APART * NAN])))
