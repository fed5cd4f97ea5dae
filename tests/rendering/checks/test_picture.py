"""Pictures that no network should see are refused with the rule that they broke."""

import numpy as np
import pytest

from rendering.checks.environment import judge
from rendering.checks.picture import LEAST_HAND_LEVEL, check_picture
from rendering.failures import Failure, RenderError
from rendering.job import RenderedImage


def picture(background: float, hands: float, spread: float = 20.0) -> RenderedImage:
    """A grey square of hands on a grey background, with a ripple."""
    mask = np.zeros((40, 60), dtype=np.uint8)
    mask[10:30, 20:40] = 1
    levels = np.where(mask > 0, hands, background) + spread * np.sin(np.arange(60)) * (mask == 0)
    return RenderedImage(np.repeat(levels.clip(0, 255)[..., None], 3, 2).astype(np.uint8), mask, 1.0, "CPU", "4.5")


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (picture(0, 0, 0), "black"),
        (picture(128, 128, 0), "one colour"),
        (picture(128, LEAST_HAND_LEVEL - 2), "hands too dark"),
    ],
)
def test_bad_pictures_are_refused(image, said):
    with pytest.raises(RenderError, match=said) as caught:
        check_picture(image)
    assert caught.value.failure is Failure.BAD_PICTURE and caught.value.value < caught.value.limit


def test_a_picture_without_hands_is_refused():
    image = picture(128, 100)
    image.hands[:] = 0
    with pytest.raises(RenderError, match="no hand is seen"):
        check_picture(image)


def test_dark_hands_that_can_be_seen_pass():
    check_picture(picture(200, LEAST_HAND_LEVEL + 3))


def test_an_environment_with_one_broken_value_is_refused(tmp_path):
    radiance = np.ones((64, 128, 3), dtype=np.float32)
    assert judge(radiance, tmp_path) == pytest.approx(1, abs=1e-5)
    radiance[3, 4, 0] = np.nan
    with pytest.raises(RenderError, match="1 pixels that are no finite numbers"):
        judge(radiance, tmp_path)


def test_the_poles_of_a_map_count_less_than_its_horizon(tmp_path):
    radiance = np.zeros((64, 128, 3), dtype=np.float32)
    radiance[:6] = radiance[-6:] = 1
    cap = 1 - np.cos(6 / 64 * np.pi)  # the share of the sphere above the sixth row
    assert judge(radiance, tmp_path) == pytest.approx(cap, rel=1e-3)
