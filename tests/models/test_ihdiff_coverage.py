"""Precision, recall and diversity, compared with counting by hand and by loops."""

import math

import pytest
import torch

from models.ihdiff import coverage
from models.ihdiff.coverage import Coverage, diversity_mm, precision_recall

REAL = torch.tensor([[0.0, 0], [1, 0], [3, 0]])
"""On a line. With k = 1 the balls reach 1 (of 0), 1 (of 1) and 2 (of 3): they hold [−1, 1], [0, 2] and [1, 5]."""


def counted(generated: list, real: list, k: int) -> Coverage:
    """By the definition, one point after the other."""
    radii = {
        which: [sorted(math.dist(p, q) for j, q in enumerate(points) if j != i)[k - 1] for i, p in enumerate(points)]
        for which, points in (("generated", generated), ("real", real))
    }
    holding = lambda p, centres, which: sum(math.dist(p, c) <= r for c, r in zip(centres, radii[which], strict=True))  # noqa: E731
    around_generated = [holding(p, real, "real") for p in generated]
    around_real = [holding(p, generated, "generated") for p in real]
    return Coverage(
        sum(n > 0 for n in around_generated) / len(generated),
        sum(n > 0 for n in around_real) / len(real),
        sum(around_generated) / (k * len(generated)),
    )


def test_balls_on_a_line():
    """Generated −1, 1.5 and 9 lie in 1, 2 and 0 real balls; their own hold [−3.5, 1.5], [−1, 4] and [1.5, 16.5]."""
    found = precision_recall(torch.tensor([[-1.0, 0], [1.5, 0], [9, 0]]), REAL, k=1)
    assert found == Coverage(precision=pytest.approx(2 / 3), recall=1, density=pytest.approx((1 + 2 + 0) / 3))


def test_what_is_generated_in_one_place_is_precise_and_recalls_little():
    """Around 0.5 the two samples are in the balls of 0 and of 1; their own reach 0.1 and hold no real one."""
    found = precision_recall(torch.tensor([[0.45, 0], [0.55, 0]]), REAL, k=1)
    assert found == Coverage(precision=1, recall=0, density=2)


def test_a_set_covers_itself_and_a_far_one_covers_nothing(draws):
    points = torch.randn(50, 6, generator=draws)
    assert precision_recall(points, points)[:2] == (1, 1)
    assert precision_recall(points + 1e3, points) == Coverage(0, 0, 0)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("at_once", [7, 1024])
def test_balls_in_the_plane_are_those_of_loops(k, at_once, draws, monkeypatch):
    """Two clouds that overlap in part, of unequal sizes, in chunks and at once."""
    monkeypatch.setattr(coverage, "AT_ONCE", at_once)
    generated = torch.randn(40, 2, generator=draws, dtype=torch.float64)
    real = torch.randn(29, 2, generator=draws, dtype=torch.float64) + 1.5
    found = precision_recall(generated, real, k)
    assert 0 < found.precision < 1 and 0 < found.recall < 1
    assert found == pytest.approx(counted(generated.tolist(), real.tolist(), k))


def test_neighbours_far_from_the_origin_are_as_exact(draws):
    """Integer coordinates are exact in float32, their differences too: a shift changes nothing."""
    generated, real = (torch.randint(0, 40, (60, 2), generator=draws).float() for _ in range(2))
    found = precision_recall(generated, real)
    assert (
        precision_recall(generated + 1e5, real + 1e5)
        == found
        == pytest.approx(counted(generated.tolist(), real.tolist(), 3))
    )


def test_a_diverged_sample_is_in_no_ball_and_holds_nothing():
    good = torch.tensor([[0.0, 0], [0.5, 0], [1.0, 0]])
    found, without = (
        precision_recall(torch.cat([good, bad]), REAL, k=1) for bad in (torch.full((1, 2), math.nan), good[:0])
    )
    assert without.precision == 1 and found.precision == 3 / 4
    assert found.recall == without.recall


@pytest.mark.parametrize(("generated", "real", "k"), [(3, 9, 3), (9, 3, 3), (0, 9, 1), (9, 9, 0)])
def test_too_few_samples_are_refused(generated, real, k):
    with pytest.raises(ValueError, match=f"k = {k} .* {generated} generated and {real} real"):
        precision_recall(torch.zeros(generated, 2), torch.zeros(real, 2), k)


def test_diversity_of_two_samples_is_their_distance(draws):
    assert diversity_mm(torch.tensor([[0.0, 0], [30, 40]]), draws, pairs=1) == pytest.approx(50)


def test_pairs_are_disjoint(draws):
    """Of 2ⁱ the sum of disjoint pairs' distances says which samples were taken with which sign: all six, once each."""
    powers = 2 ** torch.arange(6).double()
    total = round(3 * diversity_mm(powers[:, None], draws, pairs=3), 6)
    signed = {sum(s * p for s, p in zip(signs, powers.tolist(), strict=True)) for signs in _balanced_signs(6)}
    assert total in signed


def _balanced_signs(count: int) -> list[tuple[int, ...]]:
    every = [tuple(1 if code >> bit & 1 else -1 for bit in range(count)) for code in range(2**count)]
    return [signs for signs in every if sum(signs) == 0]


def test_diversity_approaches_the_mean_over_all_pairs(draws):
    features = torch.randn(4000, 3, generator=draws)
    every = torch.pdist(features).mean().item()
    assert diversity_mm(features, draws, pairs=2000) == pytest.approx(every, rel=0.05)


def test_diversity_goes_by_its_generator():
    features = torch.randn(500, 3, generator=torch.Generator().manual_seed(1))
    first, again, other = (diversity_mm(features, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6))
    assert first == again != other


@pytest.mark.parametrize(("samples", "pairs"), [(399, 200), (0, 1), (9, 0)])
def test_pairs_that_samples_do_not_suffice_for_are_refused(samples, pairs, draws):
    with pytest.raises(ValueError, match=f"pairs = {pairs} .* there are {samples}"):
        diversity_mm(torch.zeros(samples, 2), draws, pairs)
