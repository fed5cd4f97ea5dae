"""The soak's verdict on measurements whose growth is known."""

import numpy as np
import pytest

from benchmarks.soak import verdict


def test_growth_and_slowdown_are_found_and_the_warm_up_is_left_out():
    number = np.arange(1000)
    noise = np.random.default_rng(0).standard_normal((1000, 2)) * [0.001, 0.5]
    steady = np.stack([np.full(1000, 0.2), np.where(number < 200, number * 3.0, 700)], axis=1) + noise
    slope, slowdown = verdict(steady, 200)
    assert abs(slope) < 0.05 and abs(slowdown) < 0.01
    leaking = steady + np.stack([number * 1e-5, number * 0.02], axis=1)
    slope, slowdown = verdict(leaking, 200)
    assert slope == pytest.approx(2, abs=0.05) and slowdown == pytest.approx(0.03, abs=0.01)
