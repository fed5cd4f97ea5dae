"""Random numbers: NumPy's own Philox, evenly spread, and each a function of what it is for."""

import numpy as np
import pytest
from scipy import stats

from rendering.views.draws import between, choices, normals, philox, pose_keys, uniforms


def test_blocks_are_those_of_numpys_generator(generator):
    counters = generator.integers(1, 2**64, (64, 4), dtype=np.uint64)
    keys = generator.integers(0, 2**64, (64, 2), dtype=np.uint64)
    for counter, key, block in zip(counters, keys, philox(counters, keys), strict=True):
        before = counter - np.array([1, 0, 0, 0], dtype=np.uint64)  # NumPy counts up before each block
        np.testing.assert_array_equal(np.random.Philox(counter=before, key=key).random_raw(4), block)


def test_a_number_does_not_depend_on_those_drawn_with_it():
    keys, view = pose_keys(3, ["a", "b", "c"]), np.array([0, 7, 7])
    many = uniforms(keys, "camera", view, 2, 9)
    for number in range(3):
        one = uniforms(keys[number : number + 1], "camera", view[number : number + 1], 2, 5)
        np.testing.assert_array_equal(one[0], many[number, :5])


@pytest.mark.parametrize(
    "other",
    [
        lambda: uniforms(pose_keys(1, ["a"]), "camera", np.array([0]), 0, 8),
        lambda: uniforms(pose_keys(0, ["b"]), "camera", np.array([0]), 0, 8),
        lambda: uniforms(pose_keys(0, ["a"]), "look", np.array([0]), 0, 8),
        lambda: uniforms(pose_keys(0, ["a"]), "camera", np.array([1]), 0, 8),
        lambda: uniforms(pose_keys(0, ["a"]), "camera", np.array([0]), 1, 8),
    ],
)
def test_seed_pose_purpose_view_and_attempt_each_give_other_numbers(other):
    assert not np.intersect1d(other(), uniforms(pose_keys(0, ["a"]), "camera", np.array([0]), 0, 8)).size


def test_numbers_are_spread_as_they_should_be():
    keys = pose_keys(0, [f"pose-{number}" for number in range(500)])
    drawn = uniforms(keys, "camera", np.zeros(500, int), 0, 8)
    assert drawn.min() > 0 and drawn.max() < 1
    assert stats.kstest(drawn.ravel(), "uniform").pvalue > 0.01
    assert stats.kstest(normals(drawn).ravel(), "norm").pvalue > 0.01
    assert stats.kstest(between(drawn, (-2, 5)).ravel(), stats.uniform(-2, 7).cdf).pvalue > 0.01
    assert abs(np.corrcoef(drawn.T) - np.eye(8)).max() < 0.2
    counts = np.bincount(choices(drawn, 5).ravel(), minlength=5)
    assert len(counts) == 5 and stats.chisquare(counts).pvalue > 0.01
