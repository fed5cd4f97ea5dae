"""Cuts: what lies at a place of the image lies where the moved camera says it does."""

import numpy as np
import pytest
from PIL import Image

from dataset.exports.crops import Square


def ramp(width: int, height: int) -> Image.Image:
    """A picture whose red grows with x, its green with y, both linearly over the pixels' centres."""
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return Image.fromarray(np.stack([255 * x / width, 255 * y / height, 0 * x + 255], axis=-1).round().astype(np.uint8))


@pytest.mark.parametrize("side", [40.0, 97.3, 150.0, 333.0])
def test_colours_are_where_the_camera_says(side):
    """Enlarged, reduced a little, and so much that several pixels become one."""
    size, square = 64, Square(31.7, 18.2, side)
    K = square.seen_by(np.eye(3), size)
    cut = np.asarray(square.cut(ramp(400, 360), size), dtype=float)
    for place in ((50.0, 40.0), (60.5, 33.0)):
        u, v = (K @ [*place, 1.0])[:2]
        expected = [255 * place[0] / 400, 255 * place[1] / 360, 255]
        below, right = int(np.floor(v - 0.5)), int(np.floor(u - 0.5))
        a, b = u - 0.5 - right, v - 0.5 - below
        corners = cut[below : below + 2, right : right + 2]
        found = (1 - b) * ((1 - a) * corners[0, 0] + a * corners[0, 1]) + b * (
            (1 - a) * corners[1, 0] + a * corners[1, 1]
        )
        np.testing.assert_allclose(found, expected, atol=1.0)


@pytest.mark.parametrize(("left", "top", "side"), [(50.0, 31.0, 8.0), (10.5, 20.25, 96.0), (3.0, 2.0, 32.0)])
def test_pixels_are_squares_and_colours_belong_to_their_centres(left, top, side):
    """Half a pixel aside the colours of this steep ramp would be one off."""
    x = 2 * (np.arange(127) + 0.5)
    steep = Image.fromarray(np.stack(np.broadcast_arrays(x, x[:, None], 0 * x), axis=-1).astype(np.uint8))
    cut = np.asarray(Square(left, top, side).cut(steep, 32), dtype=float)
    centres = (np.arange(32) + 0.5) * side / 32
    np.testing.assert_allclose(cut[:, :, 0], np.broadcast_to(2 * (left + centres), (32, 32)), atol=0.76)
    np.testing.assert_allclose(cut[:, :, 1], np.broadcast_to(2 * (top + centres)[:, None], (32, 32)), atol=0.76)


def test_outside_the_picture_is_black():
    cut = np.asarray(Square(-50.0, -50.0, 100.0).cut(ramp(200, 200), 50))
    assert not cut[:24, :24].any() and cut[26:, 26:, 2].min() == 255


def test_the_square_is_around_the_points():
    square = Square.around(np.array([[10.0, 20.0], [50.0, 30.0]]), 0.8)
    assert (square.left, square.top, square.side) == pytest.approx((5.0, 0.0, 50.0))


def test_many_pixels_become_their_mean():
    stripes = np.zeros((320, 320, 3), dtype=np.uint8)
    stripes[:, ::8] = 255
    cut = np.asarray(Square(0.0, 0.0, 320.0).cut(Image.fromarray(stripes), 40), dtype=float)
    np.testing.assert_allclose(cut, 255 / 8, atol=1)
