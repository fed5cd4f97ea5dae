"""The denoising network: what flows where, and what its weights come from."""

import math

import pytest
import torch

from models.ihdiff.network import CrossLayer, Denoiser, NetworkConfig, sinusoid
from models.ihdiff.representation import constant_entries

SMALL = {"width": 16, "heads": 2, "depth": 2, "shape_width": 8}
ATTENTION = ("cross", "self")


def network(seed: int = 0, **sizes) -> Denoiser:
    """A small one that drops nothing."""
    return Denoiser(NetworkConfig(**SMALL | sizes), torch.Generator().manual_seed(seed)).eval()


def hands(draws: torch.Generator, count: int = 3) -> torch.Tensor:
    return torch.randn(count, 42, 9, generator=draws)


def parameters(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize("depth", [1, 4])
def test_both_variants_are_equally_large(depth):
    cross, alone = (parameters(Denoiser(NetworkConfig(kind, depth=depth))) for kind in ATTENTION)
    assert alone == pytest.approx(cross, rel=0.01)


@pytest.mark.parametrize("attention", ATTENTION)
def test_each_hand_hears_the_other_and_itself(attention, draws):
    denoise, noised = network(attention=attention), hands(draws)
    noised.requires_grad_()
    clean = denoise(noised, torch.tensor([3, 500, 999])).scaled
    assert clean.shape == (3, 42, 9)
    for out in (slice(0, 21), slice(21, 42)):
        (slope,) = torch.autograd.grad(clean[:, out].square().sum(), noised, retain_graph=True)
        assert (slope.abs().amax(-1) > 1e-8).all()  # of every joint of both hands


def test_the_hands_cross_at_the_same_time(draws):
    """With one set of weights for both hands, swapped hands come out swapped; they would not if one crossed first."""
    denoise, noised, step = network(), hands(draws), torch.tensor([3, 500, 999])
    with torch.no_grad():
        denoise.mixer.place[1] = denoise.mixer.place[0]
    mixer = denoise.mixer
    for pair in (denoise.enter, denoise.leave, mixer.first, mixer.cross, mixer.second, mixer.norm):
        pair[1].load_state_dict(pair[0].state_dict())
    swapped = denoise(noised.roll(21, 1), step).scaled
    straight, varies = denoise(noised, step).scaled, ~constant_entries()
    both = varies & varies.roll(21, 0)  # the right wrist never varies, the left one does
    torch.testing.assert_close(swapped.roll(21, 1)[:, both], straight[:, both])
    assert not torch.allclose(swapped[:, :21], swapped[:, 21:], atol=1e-2)


def test_the_asking_hand_goes_on_and_the_other_is_only_heard(draws):
    layer = CrossLayer(NetworkConfig(**SMALL)).eval()
    asking, other = (torch.randn(2, n, 16, generator=draws) for n in (5, 7))
    assert not torch.allclose(layer(asking, other), layer(asking, other.flip(0)))
    for last in (layer.attention.out_proj, layer.perceptron[-1]):
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.zeros_(last.bias)
    assert torch.equal(layer(asking, other), asking)


@pytest.mark.parametrize("attention", ATTENTION)
def test_the_noise_step_matters_to_both_hands(attention, draws):
    denoise, noised = network(attention=attention), hands(draws)
    early, late = (denoise(noised, torch.full((3,), step)).scaled for step in (10, 900))
    apart = (early - late).abs()
    assert (apart.amax((0, 2))[1:] > 1e-4).all()  # all joints but the right wrist, which is where it is


@pytest.mark.parametrize("attention", ATTENTION)
def test_entries_that_never_vary_are_zero_whatever_the_weights(attention, draws):
    clean = network(attention=attention)(hands(draws), torch.tensor([3, 500, 999])).scaled
    assert (clean[:, constant_entries()] == 0).all() and (clean[:, ~constant_entries()] != 0).all()


@pytest.mark.parametrize("attention", ATTENTION)
def test_joints_are_told_apart_by_their_place(attention, draws):
    denoise = network(attention=attention)
    alike = torch.randn(1, 1, 9, generator=draws).expand(1, 42, 9)
    clean = denoise(alike, torch.tensor([5])).scaled[0]
    for hand in clean.split(21):
        assert torch.pdist(hand).min() > 1e-5


def test_steps_become_sines_and_cosines():
    code = sinusoid(torch.tensor([0, 7]), 8).double()
    rates = [10_000 ** (-i / 4) for i in range(4)]
    expected = [[0.0] * 4 + [1.0] * 4, [math.sin(7 * r) for r in rates] + [math.cos(7 * r) for r in rates]]
    torch.testing.assert_close(code, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-6)


def test_shape_is_read_off_the_clean_matrix_alone(draws):
    denoise, noised = network(), hands(draws)
    clean = denoise(noised, torch.tensor([3, 500, 999]))
    assert clean.betas.shape == (3, 20)
    assert torch.equal(denoise.shape(clean.scaled), clean.betas)


@pytest.mark.parametrize("attention", ATTENTION)
def test_each_pair_is_denoised_by_itself(attention, draws):
    denoise, noised, step = network(attention=attention), hands(draws, 4), torch.tensor([3, 500, 999, 20])
    order = [2, 0, 3, 1]
    clean, other = denoise(noised, step), denoise(noised[order], step[order])
    torch.testing.assert_close(other.scaled, clean.scaled[order])
    torch.testing.assert_close(other.betas, clean.betas[order])
    torch.testing.assert_close(denoise(noised[:1], step[:1]).scaled, clean.scaled[:1])


@pytest.mark.parametrize("attention", ATTENTION)
def test_every_weight_is_trained(attention, draws):
    denoise = network(attention=attention).train()
    clean = denoise(hands(draws), torch.tensor([3, 500, 999]))
    (clean.scaled.square().sum() + clean.betas.square().sum()).backward()
    assert [name for name, weight in denoise.named_parameters() if not weight.grad.any()] == []


@pytest.mark.parametrize("attention", ATTENTION)
def test_one_generator_makes_one_network_and_nothing_else_is_drawn(attention):
    before = torch.get_rng_state()
    first, same, other = (network(seed, attention=attention).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["enter.0.weight"], other["enter.0.weight"])
    assert all(value.isfinite().all() and value.device.type == "cpu" for value in first.values())


def test_without_a_generator_the_weights_are_fixed():
    torch.rand(3)
    first, second = Denoiser(NetworkConfig(**SMALL)), Denoiser(NetworkConfig(**SMALL))
    assert torch.equal(first.enter[0].weight, second.enter[0].weight)


def test_dropout_is_of_training_alone(draws):
    denoise, noised, step = network(dropout=0.5), hands(draws), torch.tensor([3, 500, 999])
    assert torch.equal(denoise(noised, step).scaled, denoise(noised, step).scaled)
    denoise.train()
    assert not torch.equal(denoise(noised, step).scaled, denoise(noised, step).scaled)


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ({"width": 30, "heads": 4}, r"network.width is 30: must be even and a multiple of network.heads \(4\)"),
        ({"width": 15, "heads": 5}, "network.width is 15: must be even"),
        ({"heads": 0}, "network.width is 256"),
        ({"width": 0}, "network.width is 0"),
        ({"depth": 0}, "must be 1 or more"),
        ({"ratio": 0}, "must be 1 or more"),
        ({"shape_width": 0}, "must be 1 or more"),
        ({"dropout": 1.0}, r"dropout in \[0, 1\)"),
        ({"dropout": -0.1}, r"dropout in \[0, 1\)"),
    ],
)
def test_sizes_that_make_no_network_are_refused(sizes, sentence):
    with pytest.raises(ValueError, match=sentence):
        NetworkConfig(**sizes)


def test_an_attention_that_there_is_not_is_refused():
    config = NetworkConfig()
    object.__setattr__(config, "attention", "both")  # past the checker of annotations, which only tests have
    with pytest.raises(ValueError, match=r"network\.attention is 'both', must be cross or self"):
        config.__post_init__()
