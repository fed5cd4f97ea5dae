"""Batches add up to the whole."""

import math

import numpy as np
import torch

from models.two_hand_metrics.tally import Tally, tallied, together


def test_any_batches_add_up_to_numpys_mean_and_deviation(draws):
    values = 10 * torch.rand(101, generator=draws).double()
    values[::7] = torch.nan
    for size in (1, 8, 101):
        tally = sum((Tally.of(part) for part in values.split(size)), Tally())
        known = values[~values.isnan()].numpy()
        assert tally.count == len(known)
        np.testing.assert_allclose([tally.mean, tally.std], [known.mean(), known.std()], rtol=1e-12)


def test_nothing_has_no_mean():
    empty = Tally.of(torch.tensor([torch.nan]))
    assert empty == Tally() and math.isnan(empty.mean) and math.isnan(empty.std)


def test_of_numbers_of_joints_every_one_counts():
    tally = tallied({"joints": torch.tensor([[1.0, 2.0], [3.0, 4.0]])})["joints"]
    assert (tally.count, tally.mean) == (4, 2.5)


def test_batches_may_have_other_metrics():
    one, other = {"a": Tally.of(torch.ones(2)), "b": Tally.of(torch.ones(1))}, {"a": Tally.of(torch.zeros(2))}
    assert {name: (t.count, t.mean) for name, t in together(one, other).items()} == {"a": (4, 0.5), "b": (1, 1.0)}
    assert together(other, one) == together(one, other) and together({}, one) == one
