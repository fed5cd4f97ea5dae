"""Figures, compared with counting by hand."""

import pytest
import torch

from models.discriminator import NaturalDiscriminator
from models.labelled_poses import LabelConfig
from models.naturalness_metrics import (
    Judged,
    area_under_curve,
    by_offset,
    calibration,
    calibration_error,
    force_metrics,
    rank_correlation,
)


def test_the_area_under_the_curve_is_the_share_of_pairs_in_the_right_order(draws):
    high, low = (torch.rand(40, generator=draws).mul(10).round() for _ in range(2))
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in high for b in low]
    assert area_under_curve(high, low) == pytest.approx(sum(pairs) / len(pairs))
    assert area_under_curve(torch.tensor([3.0, 4]), torch.tensor([1.0, 2])) == 1


def test_rank_correlation_sees_order_alone():
    values = torch.tensor([1.0, 2, 3, 50])
    assert rank_correlation(values, -values.exp()) == pytest.approx(-1)
    assert rank_correlation(torch.tensor([1.0, 2, 3, 4]), torch.tensor([1.0, 3, 2, 4])) == pytest.approx(0.8)


def test_calibration_compares_means_within_tenths():
    predicted, labels = torch.tensor([0.05, 0.07, 0.55, 1.0]), torch.tensor([0.0, 0.2, 0.65, 0.8])
    rows = calibration(predicted, labels)
    assert [row["poses"] for row in rows] == [2, 1, 1]
    assert [row["predicted"] for row in rows] == pytest.approx([0.06, 0.55, 1.0])
    assert [row["label"] for row in rows] == pytest.approx([0.1, 0.65, 0.8])
    assert calibration_error(predicted, labels) == pytest.approx((2 * 0.04 + 0.1 + 0.2) / 4)


def test_offsets_are_grouped_and_natural_poses_left_out():
    offsets = torch.tensor([0.0, 2.0, 4.0, 12.0])
    judged = Judged(torch.tensor([1.0, 0.9, 0.7, 0.5]), torch.tensor([1.0, 0.9, 0.9, 0.6]), offsets, offsets, offsets)
    assert [(row["degrees"], row["poses"]) for row in by_offset(judged)] == [(2.5, 2), (12.5, 1)]
    assert [row["predicted"] for row in by_offset(judged)] == pytest.approx([0.8, 0.5])


def test_a_network_that_says_nothing_moves_nothing(library, draws):
    silent = NaturalDiscriminator().double()
    torch.nn.init.zeros_(silent.last.weight)
    figures = force_metrics(silent, library, LabelConfig(), draws, count=5)
    assert figures["gradient_far_median"] == 0 and figures["moved"] == 0
    assert figures["mean_before"] == figures["mean_after"] == 0.5
    assert figures["nearest_natural_before"] == figures["nearest_natural_after"] > 10
