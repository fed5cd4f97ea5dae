"""Each change of colour does the one thing that it is called for."""

import pytest
import torch

from dataset.training.colour import ColourChange, recoloured

LUMA = torch.tensor([0.299, 0.587, 0.114])


@pytest.fixture
def pictures() -> torch.Tensor:
    return 0.2 + 0.5 * torch.rand(4, 3, 9, 11, generator=torch.Generator().manual_seed(3))


def change(brightness=1.0, contrast=1.0, saturation=1.0, hue=0.0) -> ColourChange:
    return ColourChange(*(torch.full((4,), value) for value in (brightness, contrast, saturation, hue)))


def grey(pictures: torch.Tensor) -> torch.Tensor:
    return torch.einsum("bchw,c->bhw", pictures, LUMA)


def test_no_change_is_none(pictures):
    assert torch.allclose(recoloured(pictures, change()), pictures, atol=1e-6)


def test_brightness_is_a_factor(pictures):
    assert torch.allclose(recoloured(pictures, change(brightness=1.2)), pictures * 1.2, atol=1e-6)


def test_contrast_stretches_about_the_mean_grey(pictures):
    new = recoloured(pictures, change(contrast=0.6))
    mean = grey(pictures).mean((1, 2)).view(4, 1, 1, 1)
    assert torch.allclose(new - mean, 0.6 * (pictures - mean), atol=1e-6)


def test_saturation_stretches_about_each_pixels_grey(pictures):
    new = recoloured(pictures, change(saturation=0.7))
    assert torch.allclose(new - grey(pictures)[:, None], 0.7 * (pictures - grey(pictures)[:, None]), atol=1e-6)
    assert recoloured(pictures, change(saturation=0.0)).std(1).max() < 1e-6


def test_hue_turns_colours_and_keeps_greys(pictures):
    level = pictures[:, :1].expand(-1, 3, -1, -1)
    assert torch.allclose(recoloured(level, change(hue=0.8)), level, atol=1e-6)
    red = torch.tensor([0.8, 0.1, 0.1]).view(1, 3, 1, 1).expand(4, 3, 2, 2)
    third = recoloured(red, change(hue=2 * torch.pi / 3))
    assert torch.allclose(third, red[:, [1, 0, 2]], atol=1e-5)


def test_changes_follow_each_other(pictures):
    together = recoloured(pictures, change(1.1, 0.8, 0.9, 0.2))
    steps = recoloured(recoloured(pictures, change(brightness=1.1)), change(contrast=0.8))
    steps = recoloured(recoloured(steps, change(saturation=0.9)), change(hue=0.2))
    assert torch.allclose(together, steps, atol=1e-5)


def test_each_picture_has_its_own_and_stays_in_range(pictures):
    mixed = ColourChange(*(torch.tensor([0.5, 1.0, 3.0, 1.0]) for _ in range(3)), torch.zeros(4))
    new = recoloured(pictures, mixed)
    assert torch.allclose(new[1], pictures[1], atol=1e-6)
    assert torch.allclose(new[:1], recoloured(pictures[:1], ColourChange(*(part[:1] for part in mixed))), atol=1e-6)
    assert new.min() >= 0
    assert new.max() <= 1
