"""Shares, intervals and agreement against scipy and against counting by hand."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from dashboard.rating.statistics import agreement, fleiss_kappa, over_raters, wilson


@pytest.mark.parametrize(("part", "whole"), [(0, 1), (3, 3), (7, 40), (300, 600)])
def test_wilson_is_scipys(part, whole):
    expected = binomtest(part, whole).proportion_ci(method="wilson")
    assert wilson(part, whole) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_without_answers_there_is_no_interval():
    assert wilson(0, 0) is None
    assert over_raters(np.array([[1, 2], [0, 0]]), np.random.default_rng(0)) is None


def test_raters_of_one_mind_each_are_drawn_like_coins():
    counts = np.array([[30, 30]] * 12 + [[0, 30]] * 8)  # answers of one rater are all the same: 20 answers, not 600
    low, high = over_raters(counts, np.random.default_rng(0))
    expected = binom(20, 0.6).ppf((0.025, 0.975)) / 20
    assert (low, high) == pytest.approx(tuple(expected), abs=0.026)
    assert high - low > 4 * (wilson(360, 600).high - wilson(360, 600).low)


def test_raters_who_answer_alike_leave_nothing_to_draw():
    assert over_raters(np.array([[6, 10]] * 7), np.random.default_rng(0)) == pytest.approx((0.6, 0.6))


def test_the_same_generator_gives_the_same_interval():
    counts = np.array([[3, 10], [9, 10], [5, 10], [2, 10], [7, 10]])
    assert over_raters(counts, np.random.default_rng(4)) == over_raters(counts, np.random.default_rng(4))


def test_agreement_and_kappa_are_those_of_all_pairs():
    answers = [list("aab"), list("abcc"), list("bb"), list("c"), list("aaaa")]
    counts = np.array([[question.count(kind) for kind in "abc"] for question in answers])
    several = [question for question in answers if len(question) > 1]
    each = [np.mean([a == b for a, b in combinations(question, 2)]) for question in several]
    assert agreement(counts) == pytest.approx(np.mean(each))
    said = [answer for question in several for answer in question]
    chance = sum((said.count(kind) / len(said)) ** 2 for kind in "abc")
    assert fleiss_kappa(counts) == pytest.approx((np.mean(each) - chance) / (1 - chance))


def test_kappa_needs_two_answers_and_two_raters():
    assert fleiss_kappa(np.array([[3, 0], [4, 0]])) is None
    assert fleiss_kappa(np.array([[1, 0], [0, 1]])) is None
    assert fleiss_kappa(np.zeros((0, 2), np.int64)) is None
    assert fleiss_kappa(np.array([[3, 0], [0, 3]])) == 1
