"""Measures of quality against slow, independent computations and values that follow by hand; one tiny benchmark run."""

import subprocess
import sys

import numpy as np
import pytest

from benchmarks.render_baseline.quality import flip_map, scores, ssim_map


def noise(seed: int, level: float = 20.0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    smooth = 120 + 60 * np.sin(np.arange(40)[:, None, None] / 5) * np.cos(np.arange(48)[None, :, None] / 7) * np.ones(3)
    return smooth.astype(np.uint8), (smooth + level * draw.standard_normal(smooth.shape)).clip(0, 255).astype(np.uint8)


def plain(*colour: int) -> np.ndarray:
    return np.full((24, 24, 3), colour, dtype=np.uint8)


def test_psnr_is_ten_logarithms_of_the_squared_error():
    region = np.zeros((24, 24), dtype=bool)
    region[:5] = True
    assert scores(plain(100, 100, 100), plain(110, 110, 110), region)["psnr"] == pytest.approx(20 * np.log10(25.5))


def test_ssim_equals_its_definition_window_by_window():
    first, second = noise(0)
    offsets = np.arange(-5, 6)
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    x, y = (image.astype(float) @ [0.2126, 0.7152, 0.0722] for image in (first, second))
    row, column = 17, 23
    a, b = (image[row - 5 : row + 6, column - 5 : column + 6] for image in (x, y))
    mean_a, mean_b = (window * a).sum(), (window * b).sum()
    covariance = (window * (a - mean_a) * (b - mean_b)).sum()
    spread = (window * (a - mean_a) ** 2).sum() + (window * (b - mean_b) ** 2).sum()
    c1, c2 = 6.5025, 58.5225
    expected = (2 * mean_a * mean_b + c1) * (2 * covariance + c2) / ((mean_a**2 + mean_b**2 + c1) * (spread + c2))
    assert ssim_map(first, second)[row, column] == pytest.approx(expected, rel=1e-9)


def test_equal_pictures_differ_in_nothing_and_more_noise_is_worse():
    first, _ = noise(1)
    everywhere = np.ones(first.shape[:2], dtype=bool)
    same = scores(first, first, everywhere)
    assert same["flip"] == 0 and same["ssim"] == pytest.approx(1) and same["psnr"] > 100
    graded = [scores(noise(1, level)[1], first, everywhere) for level in (5, 15, 45)]
    assert [g["flip"] for g in graded] == sorted(g["flip"] for g in graded)
    assert [g["ssim"] for g in graded] == sorted((g["ssim"] for g in graded), reverse=True)


def test_flip_of_plain_colours_follows_from_the_paper_by_hand():
    """Green beside blue is the largest difference there is; white and black differ by 100 in lightness alone."""
    assert flip_map(plain(0, 255, 0), plain(0, 0, 255)) == pytest.approx(1.0, abs=1e-6)
    most = 203.26**0.7  # HyAB of green (87.74, −75.6, 73.0) and blue (32.3, 25.6, −34.8) after Hunt's adjustment
    expected = 0.95 + 0.05 * (100**0.7 - 0.4 * most) / (0.6 * most)
    assert flip_map(plain(255, 255, 255), plain(0, 0, 0)) == pytest.approx(expected, abs=1e-3)


def test_flip_is_symmetric_and_forgives_what_the_eye_blurs():
    first, second = noise(2)
    np.testing.assert_allclose(flip_map(first, second), flip_map(second, first), atol=1e-9)
    fine = np.where(np.indices((24, 24)).sum(0)[..., None] % 2, 140, 116) * np.ones(3)
    coarse = np.where(np.indices((24, 24))[1][..., None] < 12, 140, 116) * np.ones(3)
    grey = plain(128, 128, 128)
    assert flip_map(fine.astype(np.uint8), grey).mean() < flip_map(coarse.astype(np.uint8), grey).mean()


@pytest.mark.render
def test_the_benchmark_runs_small_and_goes_on_from_its_references(tmp_path):
    words = (
        "--scenes",
        "1",
        "--size",
        "96",
        "64",
        "--reference-samples",
        "32",
        "--baseline-samples",
        "8",
        "--grid",
        "4",
    )
    command = [sys.executable, "-m", "benchmarks.rendering", "--out", str(tmp_path), *words]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=170).stdout
    for words in (
        "baseline",
        "OIDN high, prefilter accurate",
        "outside Cycles",
        "cycles render",
        "samples a pixel of a hand",
    ):
        assert words in said, said
    references = list(tmp_path.glob("*.npz"))
    assert len(references) == 1 and (tmp_path / "table.json").is_file()
