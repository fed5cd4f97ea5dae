"""Random numbers depend on names alone."""

import subprocess
import sys

import numpy as np

from hands.random_streams import stream


def test_same_names_same_numbers_whatever_was_drawn_before() -> None:
    first = stream(7, "pose-3", 2, "camera").random(5)
    stream(7, "pose-3", 2, "light").random(1000)
    np.testing.assert_array_equal(stream(7, "pose-3", 2, "camera").random(5), first)


def test_every_part_of_the_name_matters() -> None:
    keys = [
        (7, "a", 1, "camera"),
        (8, "a", 1, "camera"),
        (7, "b", 1, "camera"),
        (7, "a", 2, "camera"),
        (7, "a", 1, "light"),
        (7, "a", "1/camera"),
        (7, "a", "1camera"),
        (7, "a1", "camera"),
    ]
    draws = {tuple(stream(*key).integers(0, 2**62, 4)) for key in keys}
    assert len(draws) == len(keys)


def test_order_of_use_does_not_matter() -> None:
    names = [f"pose-{i}" for i in range(20)]
    forwards = {name: stream(1, name).random() for name in names}
    backwards = {name: stream(1, name).random() for name in reversed(names)}
    assert forwards == backwards


def test_another_process_draws_the_same() -> None:
    """Python's own `hash` differs from one process to the next."""
    code = "from hands.random_streams import stream; print(stream(7, 'pose', 1).integers(0, 2**62))"
    runs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in "ab"
    }
    assert runs == {f"{stream(7, 'pose', 1).integers(0, 2**62)}\n"}


def test_neighbouring_streams_are_independent() -> None:
    rows = np.stack([stream(1, f"pose-{i}").random(2000) for i in range(30)])
    correlation = np.corrcoef(rows) - np.eye(30)
    assert np.abs(correlation).max() < 0.12  # five standard deviations of 1/sqrt(2000)
    assert abs(rows.mean() - 0.5) < 0.01 and abs(rows[:, 0].mean() - 0.5) < 0.25
