"""TransHand: what flows where, what its weights come from, and that it learns."""

import json
from dataclasses import asdict
from itertools import pairwise

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn

from hands.joints import Side
from models.transhand.attention import Correlation, attention
from models.transhand.backbone import BackboneConfig
from models.transhand.levels import Meshes
from models.transhand.network import NetworkConfig, TransHand
from models.transhand.upsampling import sampled_surfaces

SMALL = NetworkConfig(64, BackboneConfig("tiny"), image_width=16, widths=(32, 16, 8), heads=2, perceptrons=2)


def sized(**sizes) -> NetworkConfig:
    return NetworkConfig(**{**vars(SMALL), **sizes})


def network(meshes: Meshes, seed: int = 0, **sizes) -> TransHand:
    return TransHand(sized(**sizes), meshes, torch.Generator().manual_seed(seed)).eval()


def images(draws: torch.Generator, count: int = 2, side: int = 64) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=draws)


def pairs(model: TransHand) -> list[nn.ModuleList]:
    """Parts that each hand has one of, the right one's first."""
    found = [model.begin]
    for block in model.blocks:
        found += [block.perceptrons, block.exchange]
        found += (
            [block.correlation.alone, block.correlation.norm, block.correlation.finish] if block.correlation else []
        )
    return found


def lively(model: TransHand, draws: torch.Generator) -> TransHand:
    """With heads of usual size and normalisations that differ, so that no difference hides behind small or equal weights."""
    for name, weight in model.named_parameters():
        if weight.ndim == 1 and not name.startswith("backbone.body"):
            nn.init.normal_(weight.data, 0.5, 0.3, generator=draws)
    for head in (model.heads.coordinates, model.heads.camera):
        nn.init.normal_(head.weight, generator=draws)
    return model


@pytest.mark.parametrize("sizes", [{}, {"image_size": 96, "correlation": False}, {"heads": 4, "widths": (64, 32, 16)}])
def test_both_hands_come_with_vertices_nodes_and_cameras(meshes, draws, sizes):
    model = network(meshes, **sizes)
    prediction = model(images(draws, 3, model.config.image_size))
    for hand in prediction:
        assert hand.vertices.shape == (3, 778, 3) and hand.camera.shape == (3, 3)
        assert hand.coarse.shape == (3, 4 * meshes.nodes(0), 3)
        torch.testing.assert_close(hand.vertices, meshes.upsampling @ hand.coarse)
    assert prediction.side(Side.LEFT) is prediction.left and prediction.side(Side.RIGHT) is prediction.right


def test_the_default_is_as_large_as_the_papers(meshes):
    """34.1 M in the released network, of which 0.07 M are a map's convolution that nothing reads."""
    with torch.device("meta"):
        model = TransHand(NetworkConfig(), meshes)
    count = lambda part: sum(weight.numel() for weight in part.parameters()) / 1e6  # noqa: E731
    assert count(model) == pytest.approx(34.1 - 0.07, abs=0.05)
    assert [count(block) for block in model.blocks] == pytest.approx([5.09, 1.54, 0.88], abs=0.01)
    assert count(model.begin) == pytest.approx(2 * (2049 + 2) * 509 / 1e6)


def test_hands_begin_as_small_clouds_seen_in_the_middle_of_the_crop(meshes, draws):
    for hand in network(meshes)(images(draws)):
        assert 0.001 < hand.coarse.std() < 0.1 and hand.coarse.abs().max() < 0.3
        assert (hand.camera[:, 0] - 3).abs().max() < 0.5 and hand.camera[:, 1:].abs().max() < 0.5


@pytest.mark.parametrize("sizes", [{}, {"correlation": False}, {"train_upsampling": True}])
def test_every_weight_is_trained(meshes, draws, sizes):
    model = network(meshes, **sizes).train()
    sum(part.square().sum() for hand in model(images(draws)) for part in hand).backward()
    assert [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()] == []


def test_the_upsampling_is_a_weight_only_if_that_is_asked_for(meshes, draws):
    fixed, trained, image = network(meshes), network(meshes, train_upsampling=True), images(draws)
    assert "upsampling" not in dict(fixed.named_parameters()) and "upsampling" in dict(trained.named_parameters())
    torch.testing.assert_close(fixed(image).left.vertices, trained(image).left.vertices)
    with torch.no_grad():
        trained.upsampling *= 2
    torch.testing.assert_close(trained(image).left.vertices, 2 * fixed(image).left.vertices)
    assert torch.equal(trained.meshes.upsampling, meshes.upsampling)


def test_each_image_is_read_by_itself(meshes, draws):
    model, image = lively(network(meshes), draws), images(draws, 4)
    order = [2, 0, 3, 1]
    together, shuffled, alone = model(image), model(image[order]), model(image[:1])
    for one, other, first in zip(together, shuffled, alone, strict=True):
        for a, b, c in zip(one, other, first, strict=True):
            torch.testing.assert_close(a[order], b, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(a[:1], c, atol=1e-4, rtol=1e-4)


def test_without_correlation_a_hand_does_not_depend_on_the_others_weights(meshes, draws):
    for correlation in (False, True):
        model, image = lively(network(meshes, correlation=correlation), draws), images(draws)
        before = model(image)
        for left in (pair[1] for pair in pairs(model)):
            for weight in left.parameters():
                nn.init.normal_(weight.data, 0.1, 0.3, generator=draws)
        after = model(image)
        assert torch.equal(before.right.vertices, after.right.vertices) is not correlation
        assert not torch.allclose(before.left.vertices, after.left.vertices)


@pytest.mark.parametrize("correlation", [True, False])
def test_with_equal_weights_both_hands_are_equal_and_each_weight_is_its_hands(meshes, draws, correlation):
    model, image = lively(network(meshes, correlation=correlation), draws), images(draws)
    model.meshes = Meshes(**meshes.state_dict() | {"rest": meshes.rest[:1].repeat(2, 1, 1)})
    for pair in pairs(model):
        pair[1].load_state_dict(pair[0].state_dict())
    same = model(image)
    torch.testing.assert_close(same.right.vertices, same.left.vertices)
    torch.testing.assert_close(same.right.camera, same.left.camera)
    for pair in pairs(model):
        weight = next(pair[1].parameters()).data
        kept = weight.clone()
        weight += torch.randn(weight.shape, generator=draws)
        other = model(image)
        assert not torch.equal(other.left.vertices, same.left.vertices)
        assert correlation or torch.equal(other.right.vertices, same.right.vertices)
        weight.copy_(kept)


def test_nodes_double_between_blocks_and_begin_with_rest_positions(meshes, draws):
    model, seen = network(meshes), []
    for block in model.blocks:
        block.register_forward_hook(lambda module, given, result: seen.append((given, result)))
    model(images(draws))
    for row, hand in enumerate(seen[0][0][:2]):
        assert torch.equal(hand[..., -3:], meshes.rest_at(0)[row].expand(2, -1, -1))
        assert (hand[:, :1, :-3] == hand[..., :-3]).all()
    for (_, before), (given, _) in pairwise(seen):
        for hand, finer in zip(before, given, strict=False):
            assert torch.equal(finer[:, 0::2], hand) and torch.equal(finer[:, 1::2], hand)
    assert [given[2].shape[-1] for given, _ in seen] == [2, 4, 8]


def test_every_piece_of_the_image_matters(meshes, draws):
    model, image = lively(network(meshes), draws), images(draws).requires_grad_()
    for hand in model(image):
        (slope,) = torch.autograd.grad(hand.vertices.square().sum(), image, retain_graph=True)
        assert (slope.unfold(2, 8, 8).unfold(3, 8, 8).abs().amax((1, 4, 5)) > 0).all()


def test_attention_is_softmax_of_products_head_by_head(draws):
    query, key, value = (torch.randn(2, n, 6, generator=draws).double() for n in (3, 4, 4))
    heard = attention(query, key, value, heads=2)
    for head in (slice(0, 3), slice(3, 6)):
        shares = (query[..., head] @ key[..., head].mT / 3**0.5).softmax(-1)
        torch.testing.assert_close(heard[..., head], shares @ value[..., head])


def test_correlation_asks_its_own_sum_and_hears_the_others_values(draws):
    """The encoder written out for the left hand, and for the right one by exchange of everything."""
    part = Correlation(6, 1, 0.5).double().eval()
    for weight in part.parameters():
        nn.init.normal_(weight, 0.3, 0.5, generator=draws)
    right, left = (torch.randn(2, 5, 6, generator=draws).double() for _ in range(2))
    found = part(right, left)
    hands = [part.alone[0](right), part.alone[1](left)]
    for own, other in ((0, 1), (1, 0)):
        mine, theirs = (part.norm[row](hands[0] + hands[1]) for row in (own, other))
        query, key = mine @ part.ask.weight[:6].T + part.ask.bias[:6], mine @ part.ask.weight[6:].T + part.ask.bias[6:]
        heard = part.tell((query @ key.mT / 6**0.5).softmax(-1) @ part.value(theirs))
        torch.testing.assert_close(found[own], part.finish[own](hands[own] + heard))


def test_one_generator_makes_one_network_and_nothing_else_is_drawn(meshes):
    before = torch.get_rng_state()
    first, same, other = (network(meshes, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], same[name]) for name in first)
    for name in ("blocks.0.place", "begin.1.0.weight", "backbone.lateral.0.0.weight", "heads.camera.weight"):
        assert not torch.equal(first[name], other[name])
    assert all(value.isfinite().all() and value.device.type == "cpu" for value in first.values())


def test_dropout_is_of_training_alone(meshes, draws):
    model, image = network(meshes, dropout=0.5), images(draws)
    assert torch.equal(model(image).left.vertices, model(image).left.vertices)
    model.train()
    assert not torch.equal(model(image).left.vertices, model(image).left.vertices)


def test_surfaces_are_float32_whatever_the_rest_is_in(meshes, draws):
    model, image = lively(network(meshes), draws), images(draws)
    exact = model(image)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(image)
    for one, other in zip(exact, rough, strict=True):
        for a, b in zip(one, other, strict=True):
            assert b.dtype == torch.float32 and not torch.equal(a, b)
            assert (a - b).norm() < 0.05 * a.norm()


def test_images_of_another_size_are_refused(meshes, draws):
    with pytest.raises(ValueError, match=r"images are \(96, 96\); this network reads sides of 64"):
        network(meshes)(images(draws, 1, 96))


def test_it_can_be_exported(meshes, draws):
    model, image = network(meshes), images(draws)
    exported = torch.export.export(model, (image,)).module()
    torch.testing.assert_close(exported(image).left.vertices, model(image).left.vertices)


def test_it_learns_two_images_by_heart(meshes, hands, draws):
    """Better than the best answer that does not look at the image: the mean surface of both."""
    model, image = network(meshes, dropout=0.0, widths=(64, 32, 16), perceptrons=1).train(), images(draws)
    surfaces = {side: sampled_surfaces(hands[side], 2, draws) for side in Side}
    true = {side: vertices - vertices.mean(1, keepdim=True) for side, vertices in surfaces.items()}
    blind = sum((true[side] - true[side].mean(0)).abs().mean() for side in Side)
    optimiser, losses = torch.optim.Adam(model.parameters(), lr=3e-3), []
    for step in range(200):
        for group in optimiser.param_groups:
            group["lr"] = 3e-3 * (1 - step / 200)
        prediction = model(image)
        loss = sum((prediction.side(side).vertices - true[side]).abs().mean() for side in Side)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < losses[0] / 10 and losses[-1] < 0.8 * blind


def test_sizes_go_through_json_and_pydantic():
    config = sized(backbone=BackboneConfig("some/model", stages=(1, 2, 4)))
    plain = json.loads(json.dumps(asdict(config)))
    assert NetworkConfig.of(plain) == config == TypeAdapter(NetworkConfig).validate_python(plain)
    assert NetworkConfig.of(json.loads(json.dumps(asdict(SMALL)))) == SMALL


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ({"image_size": 100}, "network.image_size is 100, must be a multiple of 32"),
        ({"image_size": 0}, "network.image_size is 0"),
        ({"widths": (32, 16, 4)}, "must be three even numbers, each half the one before"),
        ({"widths": (20, 10, 5)}, "must be three even numbers"),
        ({"heads": 3}, r"network.heads is 3, must divide half of every width \(4\)"),
        ({"heads": 0}, "network.heads is 0"),
        ({"image_width": 0}, "must be 1 or more"),
        ({"perceptrons": 0}, "must be 1 or more"),
        ({"dropout": 1.0}, r"dropout in \[0, 1\)"),
    ],
)
def test_sizes_that_make_no_network_are_refused(sizes, sentence):
    with pytest.raises(ValueError, match=sentence):
        sized(**sizes)
