"""Contact deviation: worked by hand, and against a search tree; occlusion by masks."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from models.two_hand_metrics.contact import Surfaces, contact_deviation
from models.two_hand_metrics.occlusion import BINS, Bins, mask_iou


def surfaces(right: list[list[float]], left: list[list[float]]) -> Surfaces:
    """One image; millimetres in, metres out."""
    return Surfaces(*(1e-3 * torch.tensor([points], dtype=torch.float64) for points in (right, left)))


def test_by_hand():
    """Two of three right vertices touch, both the same left one; of the left two, one touches. The second is 3 mm off."""
    true = surfaces([[0, 0, 0], [0, 0, 3], [50, 0, 0]], [[0, 0, 1], [90, 0, 0]])
    told = surfaces([[0, 0, 0], [0, 4, 0], [50, 0, 0]], [[0, 0, 0], [70, 0, 0]])
    found = contact_deviation(told, true)
    assert found.right_to_left.item() == pytest.approx((0 + 4) / 2)
    assert found.left_to_right.item() == pytest.approx(0), "its nearest is the first right vertex"
    assert found.symmetric.item() == pytest.approx(1)


def test_the_limit_itself_touches():
    at, beyond = (surfaces([[0, 0, 0]], [[0, 0, z]]) for z in (2.9999999, 3.00001))
    assert contact_deviation(at, at).right_to_left.item() == pytest.approx(3)
    assert contact_deviation(beyond, beyond).right_to_left.isnan().all()
    assert contact_deviation(beyond, beyond, within=0.0031).left_to_right.item() == pytest.approx(3, abs=1e-4)


def test_truth_itself_deviates_by_the_distances_of_what_touches(draws):
    """So CDev of a perfect prediction is not 0, but below the limit."""
    true = Surfaces(*(0.01 * torch.randn(3, n, 3, generator=draws).double() for n in (80, 70)))
    found = contact_deviation(true, true).symmetric
    assert ((found > 0) & (found < 3)).all()


def by_tree(told: Surfaces, true: Surfaces, image: int) -> float:
    """From right to left, as ARCTIC and RenderIH define it."""
    distance, partner = cKDTree(true.left[image].numpy()).query(true.right[image].numpy())
    off = np.linalg.norm(told.left[image].numpy()[partner] - told.right[image].numpy(), axis=1)
    return 1e3 * off[distance <= 0.003].mean() if (distance <= 0.003).any() else np.nan


@pytest.mark.parametrize("apart", [0.0, 0.02, 0.05])
def test_a_search_tree_finds_the_same(draws, apart):
    """Where hands overlap, touch at their borders, and hardly; both ways, and far from the origin in float32."""
    true = Surfaces(*(0.01 * torch.randn(6, n, 3, generator=draws).double() for n in (200, 150)))
    true = Surfaces(true.right + torch.tensor([apart, 0.0, 0.0]), true.left)
    told = Surfaces(*(v + 0.005 * torch.randn(v.shape, generator=draws).double() for v in true))
    found = contact_deviation(told, true)
    expected = [by_tree(told, true, image) for image in range(6)]
    np.testing.assert_allclose(found.right_to_left, expected, atol=1e-6)
    back = [by_tree(Surfaces(told.left, told.right), Surfaces(true.left, true.right), image) for image in range(6)]
    np.testing.assert_allclose(found.left_to_right, back, atol=1e-6)
    far = [Surfaces(*((v + 0.8).float() for v in hands)) for hands in (told, true)]
    np.testing.assert_allclose(contact_deviation(*far).right_to_left, expected, rtol=0.05)


def test_surfaces_that_are_not_known_touch_nothing(draws):
    true = Surfaces(*(0.005 * torch.randn(2, 50, 3, generator=draws) for _ in range(2)))
    told = Surfaces(*(v.clone() for v in true))
    true.left[1] = torch.nan
    found = contact_deviation(told, true)
    assert found.symmetric.isnan().tolist() == [False, True]


def test_overlap_of_masks_by_hand():
    """2 × 2 and 2 × 3 pixels that share 2: 2 of 8. Nothing in the image: no number. One hand alone: 0."""
    right, left = torch.zeros(2, 3, 4, 4, dtype=torch.bool)
    right[0, :2, :2] = True
    left[0, 1:3, 0:3] = True
    right[2, 0, 0] = True
    found = mask_iou(right, left)
    assert found[0] == 2 / 8 and found[1].isnan() and found[2] == 0


@pytest.mark.parametrize(
    ("name", "iou", "labels"),
    [
        ("interhand", [0, 0.3299, 0.33, 0.6699, 0.67, 1], "001122"),
        ("tzionas", [0, 1 / 4096**2, 0.1999, 0.2, 0.3999, 0.4, 1], "0112233"),
    ],
)
def test_classes_begin_at_their_limits(name, iou, labels):
    values = torch.tensor([*iou, torch.nan], dtype=torch.float64)
    assert BINS[name].of(values).tolist() == [*map(int, labels), -1]
    assert len(BINS[name].labels) == len(BINS[name].limits) + 1


def test_classes_can_be_others():
    assert Bins((0.5,), ("little", "much")).of(torch.tensor([0.4, 0.5])).tolist() == [0, 1]
