"""The baselines that are fitted by plain optimisation."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from gaussian_hands import varied_gestures

from models.ihdiff.direct import DirectConfig, fit_vae, regress_collisions
from models.ihdiff.fitting import Fitted
from models.ihdiff.observations import Observations
from models.ihdiff.placing import into_world
from models.ihdiff.representation import PackedHands, Placement, Standard, at_origin, constant_entries, surfaces
from models.ihdiff.vae import VAE, VAEConfig, latent_noise

WALL = 0.03
"""Metres; left hands collide with everything that is farther than this from the right hand's middle in x."""


@pytest.fixture(scope="module")
def packed(hands) -> PackedHands:
    """Varied gestures; more than are used in one test."""
    return varied_gestures(hands, 1, torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def standard(packed) -> Standard:
    return Standard.of(packed.x)


@pytest.fixture(scope="module")
def network() -> VAE:
    """Untrained: what it decodes is no hand, but can be found again."""
    config = VAEConfig(width=16, heads=2, layers=1, latents=3, shape_width=8)
    return VAE(config, torch.Generator().manual_seed(1)).eval().requires_grad_(False)


def few(packed: PackedHands, count: int = 4) -> PackedHands:
    return PackedHands(
        packed.x[:count], packed.betas[:count], Placement(*(value[:count] for value in packed.placement))
    )


@pytest.fixture(scope="module")
def decoded(network, standard, hands) -> torch.Tensor:
    """Joints of hands that the network can make."""
    clean = network.decode(latent_noise(network.config, 4, torch.Generator().manual_seed(9)))
    return surfaces(standard.restore(clean.scaled), clean.betas, hands).joints


def vae_fit(network, standard, hands, seen: Observations, **config) -> Fitted:
    return fit_vae(network, standard, hands, seen, DirectConfig(**config), torch.Generator().manual_seed(5))


def test_the_distance_falls_the_longer_it_is_fitted(network, standard, hands, decoded) -> None:
    heard: list[int] = []
    seen = Observations(joints_3d=decoded)
    left = [vae_fit(network, standard, hands, seen, steps=steps, step_size=0.03).distance for steps in (1, 15, 40, 120)]
    assert all((later < sooner).all() for sooner, later in pairwise(left))
    assert left[-1].mean() < 0.2 * left[0].mean()
    fit_vae(network, standard, hands, seen, DirectConfig(steps=3), torch.Generator(), heard.append)
    assert heard == [1, 1, 1]


def test_outcome_and_distance_belong_together(network, standard, hands, decoded) -> None:
    result = vae_fit(network, standard, hands, Observations(joints_3d=decoded), steps=10)
    joints = surfaces(standard.restore(result.scaled), result.betas, hands).joints
    torch.testing.assert_close(result.distance, (joints - decoded).abs().mean((1, 2)))
    assert not result.scaled.requires_grad


def test_pairs_of_the_vae_do_not_know_of_each_other(network, standard, hands, decoded) -> None:
    moved = decoded.clone()
    moved[1:] += 0.2
    one, other = (vae_fit(network, standard, hands, Observations(joints_3d=j), steps=15) for j in (decoded, moved))
    assert torch.equal(one.scaled[0], other.scaled[0])
    assert not torch.equal(one.scaled[1], other.scaled[1])


def test_the_vae_starts_at_noise_or_at_the_regressors_answer(network, standard, hands, packed, decoded) -> None:
    start = few(packed)
    noise = latent_noise(network.config, 4, torch.Generator().manual_seed(5))
    for seen, latent in (
        (Observations(joints_3d=decoded), noise),
        (Observations(regressed=start), network.encode(standard.scale(start.x)).mean),
    ):
        unmoved = vae_fit(network, standard, hands, seen, steps=1, step_size=0.0)
        torch.testing.assert_close(unmoved.scaled, network.decode(latent).scaled)


def test_the_vae_finds_hands_in_the_world(network, standard, hands, packed, decoded) -> None:
    placement = few(packed).placement
    world = into_world(decoded, placement)
    seen = Observations(joints_3d=world, placed=True)
    first, last = (vae_fit(network, standard, hands, seen, steps=steps, step_size=0.03) for steps in (1, 80))
    assert (last.distance < first.distance).all()
    assert last.distance.mean() < 0.5 * first.distance.mean()
    assert not last.placement.wrist.requires_grad
    joints = surfaces(standard.restore(last.scaled), last.betas, hands).joints
    torch.testing.assert_close(last.distance, (into_world(joints, last.placement) - world).abs().mean((1, 2)))


def beyond(right: torch.Tensor, left: torch.Tensor) -> torch.Tensor:
    """v − t of left vertices beyond the wall; their targets lie on it."""
    deep = (left[..., :1] - right[..., :1].mean(1, keepdim=True) - WALL).clamp_min(0)
    return torch.cat([torch.zeros_like(right), torch.cat([deep, torch.zeros_like(left[..., 1:])], dim=-1)], dim=1)


@pytest.fixture(scope="module")
def crossing(packed, hands) -> PackedHands:
    """Hands whose left one reaches a few centimetres beyond the wall."""
    x = few(packed).x.clone()
    posed = surfaces(x, few(packed).betas, hands)
    reach = posed.left[..., 0].amax(-1) - posed.right[..., 0].mean(-1)
    x[:, 21:, 0] += (WALL + 0.02 - reach)[:, None]
    return at_origin(x, few(packed).betas)


def test_collisions_are_taken_out(standard, hands, crossing) -> None:
    before = surfaces(crossing.x, crossing.betas, hands)
    seen = Observations(regressed=crossing, vertices=before.both)
    result = regress_collisions(standard, hands, seen, beyond, DirectConfig(steps=60, step_size=0.004))
    after = surfaces(standard.restore(result.scaled), result.betas, hands)
    deep = lambda posed: beyond(posed.right, posed.left).sum((1, 2))  # noqa: E731
    assert (deep(before) > 0.1).all()
    assert (deep(after) < 0.05 * deep(before)).all()
    assert 0 < result.distance.max() < 0.02
    assert (after.right - before.right).norm(dim=-1).max() < 0.02
    assert torch.equal(
        standard.restore(result.scaled)[:, 0, :3], crossing.x[:, 0, :3]
    )  # it is the left wrist that gives way


def test_what_comes_out_is_a_matrix_of_hands(standard, hands, crossing) -> None:
    placement = Placement(torch.eye(3).expand(4, 3, 3), torch.full((4, 3), 0.5))
    answer = crossing._replace(placement=placement)
    elsewhere = into_world(crossing.x[..., :3], placement) + 0.1  # the wrist stays all the same
    seen = Observations(joints_3d=elsewhere, regressed=answer, placed=True)
    result = regress_collisions(standard, hands, seen, beyond, DirectConfig(steps=5))
    x = standard.restore(result.scaled)
    torch.testing.assert_close(x[:, 1:, :3], surfaces(x, result.betas, hands).joints[:, 1:], atol=1e-6, rtol=0)
    constant = constant_entries()
    torch.testing.assert_close(x[:, constant], answer.x[:, constant], atol=1e-6, rtol=0)
    torch.testing.assert_close(result.placement.wrist, placement.wrist)
    assert not torch.allclose(x, answer.x)


def test_without_collisions_the_answer_stays(standard, hands, crossing) -> None:
    nothing = lambda right, left: 0 * torch.cat([right, left], dim=1)  # noqa: E731
    seen = Observations(regressed=crossing)
    result = regress_collisions(standard, hands, seen, nothing, DirectConfig(steps=3))
    torch.testing.assert_close(standard.restore(result.scaled)[..., 3:], crossing.x[..., 3:], atol=1e-5, rtol=0)
    assert result.distance.max() < 1e-6


def test_what_cannot_be_fitted_is_refused(standard, hands, decoded) -> None:
    with pytest.raises(ValueError, match="and there is none: give one"):
        regress_collisions(standard, hands, Observations(joints_3d=decoded), beyond, DirectConfig())
    with pytest.raises(ValueError, match=r"direct\.collision is -1"):
        DirectConfig(collision=-1)
    with pytest.raises(ValueError, match=r"direct\.steps"):
        replace(DirectConfig(), steps=0)
