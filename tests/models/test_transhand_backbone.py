"""What is taken from images: which model, whose weights, which maps. All models are small and made here."""

import json

import pytest
import torch
from transformers import (
    BertConfig,
    ConvNextConfig,
    ConvNextForImageClassification,
    Dinov2Config,
    ResNetConfig,
    ResNetForImageClassification,
    SwinConfig,
)

from models.transhand.backbone import MEAN, PRESETS, STD, Backbone, BackboneConfig

OTHERS = {
    "convnext": ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1]),
    "dinov2": Dinov2Config(hidden_size=32, num_hidden_layers=4, num_attention_heads=2, image_size=56),
    "swin": SwinConfig(embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, image_size=64),
}


@pytest.fixture(params=["tiny", *OTHERS])
def config(request, tmp_path) -> BackboneConfig:
    """Each a name, or a folder with a configuration alone."""
    if request.param in PRESETS:
        return BackboneConfig(request.param)
    OTHERS[request.param].save_pretrained(tmp_path / request.param)
    return BackboneConfig(str(tmp_path / request.param))


@pytest.fixture
def classifier(tmp_path) -> ResNetForImageClassification:
    """A trained network of the preset `tiny` in the folder `trained`, with the head of its task."""
    model = ResNetForImageClassification(ResNetConfig(**PRESETS["tiny"])).eval()
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer += 0.1
    model.save_pretrained(tmp_path / "trained")
    return model


def backbone(config: BackboneConfig, seed: int = 0, architecture: dict | None = None) -> Backbone:
    return Backbone(config, 16, torch.Generator().manual_seed(seed), architecture).eval()


def test_maps_have_the_networks_grids_and_one_width(config, draws):
    features = backbone(config)(torch.rand(2, 3, 96, 96, generator=draws))
    assert [tuple(map_.shape) for map_ in features.maps] == [(2, 16, g, g) for g in (3, 6, 12)]
    assert features.overall.ndim == 2 and features.overall.shape[1] == backbone(config).channels


@pytest.mark.parametrize(("name", "published", "head"), [("resnet50", 25_557_032, 2048), ("resnet18", 11_689_512, 512)])
def test_residual_networks_are_as_large_as_published_but_for_their_thousand_classes(name, published, head):
    with torch.device("meta"):
        model = Backbone(BackboneConfig(name), 16, torch.Generator())
    assert sum(weight.numel() for weight in model.body.parameters()) == published - 1000 * (head + 1)
    assert model.channels == head


def test_every_weight_that_asks_for_a_gradient_gets_one(config, draws):
    model = backbone(config).train()
    features = model(torch.rand(2, 3, 96, 96, generator=draws))
    (sum(map_.square().sum() for map_ in features.maps) + features.overall.square().sum()).backward()
    asking = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    assert [name for name, weight in asking.items() if weight.grad is None or not weight.grad.any()] == []
    assert len(asking) > 0.9 * len(list(model.parameters()))


def test_one_generator_makes_one_backbone_and_nothing_else_is_drawn(config):
    before = torch.get_rng_state()
    first = backbone(config, 1).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)  # the global state is another one now
    same, other = backbone(config, 1).state_dict(), backbone(config, 2).state_dict()
    torch.set_rng_state(before)
    assert all(torch.equal(first[name], same[name]) for name in first)
    drawn = [name for name, value in first.items() if value.ndim > 1 and value.unique().numel() > 1]
    equal = [name for name in drawn if torch.equal(first[name], other[name])]
    assert all("relative_position_index" in name for name in equal) and len(drawn) > 10


def test_what_a_checkpoint_holds_is_enough_to_build_it_again(config, draws):
    model, image = backbone(config), torch.rand(1, 3, 64, 64, generator=draws)
    architecture = json.loads(json.dumps(model.architecture))
    again = backbone(BackboneConfig("not/there", weights="not/there/either"), 5, architecture)
    again.load_state_dict(model.state_dict())
    for one, other in zip(model(image).maps, again(image).maps, strict=True):
        assert torch.equal(one, other)


def test_images_are_standardised_as_published_weights_expect(draws):
    model, seen = backbone(BackboneConfig("tiny")), []
    model.body.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    image = torch.rand(2, 3, 64, 64, generator=draws)
    model(image)
    for channel in range(3):
        torch.testing.assert_close(seen[0][:, channel], (image[:, channel] - MEAN[channel]) / STD[channel])


def test_maps_come_from_coarse_to_fine_and_the_vector_from_the_last_one(draws):
    model = backbone(BackboneConfig("tiny"))
    image = torch.rand(2, 3, 64, 64, generator=draws)
    maps = model.body((image - model.mean) / model.std).feature_maps
    features = model(image)
    torch.testing.assert_close(features.overall, maps[2].mean((2, 3)))
    for found, lateral, map_ in zip(features.maps, model.lateral, maps[::-1], strict=True):
        torch.testing.assert_close(found, lateral(map_))


def test_weights_of_a_folder_are_read(tmp_path, classifier, draws):
    model = backbone(BackboneConfig("tiny", weights=str(tmp_path / "trained")))
    image = torch.rand(1, 3, 64, 64, generator=draws)
    standard = (image - model.mean) / model.std
    last = classifier.resnet(standard).last_hidden_state
    torch.testing.assert_close(model(image).overall, last.mean((2, 3)))


def test_normalisations_that_a_backbone_has_beside_a_classifiers_begin_as_they_are(tmp_path):
    ConvNextForImageClassification(OTHERS["convnext"]).save_pretrained(tmp_path)
    model = backbone(BackboneConfig(str(tmp_path), weights=str(tmp_path)))
    norms = dict(model.body.hidden_states_norms.named_parameters())
    assert norms and all((value == (1 if name.endswith("weight") else 0)).all() for name, value in norms.items())


def test_stages_of_a_model_of_many_are_chosen(tmp_path, draws):
    OTHERS["dinov2"].save_pretrained(tmp_path)
    image = torch.rand(1, 3, 56, 56, generator=draws)
    early, late = (backbone(BackboneConfig(str(tmp_path), stages=stages)) for stages in ((0, 2, 4), (2, 3, 4)))
    maps = [model.body(image).feature_maps for model in (early, late)]
    torch.testing.assert_close(maps[0][1], maps[1][0])
    assert not torch.allclose(maps[0][0], maps[1][0])


def refusal(config: BackboneConfig) -> str:
    with pytest.raises(ValueError) as caught:
        backbone(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_models_that_there_are_not_are_refused(tmp_path):
    said = refusal(BackboneConfig(str(tmp_path / "none")))
    assert (
        "none': not resnet50, resnet18, tiny, efficientnet-lite0, and no model of transformers that can be read here"
        in said
    )
    BertConfig().save_pretrained(tmp_path)
    assert "this model has no maps of three stages to read" in refusal(BackboneConfig(str(tmp_path)))
    OTHERS["convnext"].save_pretrained(tmp_path)
    assert "frozen must be 0" in refusal(BackboneConfig(str(tmp_path), frozen=1))


def test_weights_that_there_are_not_are_refused(tmp_path):
    assert "no weights of this model can be read there" in refusal(BackboneConfig("tiny", str(tmp_path / "none")))
    torch.save({"weight": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    ResNetConfig(**PRESETS["tiny"]).save_pretrained(tmp_path)
    assert "no weights of this model can be read there" in refusal(BackboneConfig("tiny", str(tmp_path)))


@pytest.mark.parametrize("change", [{"depths": (1, 2, 1, 1)}, {"hidden_sizes": (16, 32, 64, 256)}, {}])
def test_weights_of_another_model_are_refused(tmp_path, change):
    if change:
        ResNetForImageClassification(ResNetConfig(**PRESETS["tiny"] | change)).save_pretrained(tmp_path)
    else:
        ConvNextForImageClassification(OTHERS["convnext"]).save_pretrained(tmp_path)
    assert "network.backbone.weights is" in refusal(BackboneConfig("tiny", str(tmp_path)))


def test_a_file_cannot_name_a_model_that_is_fetched():
    with pytest.raises(ValueError, match="cannot have"):
        backbone(BackboneConfig("tiny"), 0, {"model_type": "timm_backbone", "backbone": "resnet18"})


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ({"name": ""}, "must not be empty"),
        ({"weights": ""}, "must not be empty"),
        ({"stages": (1, 1, 2)}, "must be three rising numbers"),
        ({"stages": (-1, 1, 2)}, "must be three rising numbers"),
    ],
)
def test_settings_that_mean_nothing_are_refused(sizes, sentence):
    with pytest.raises(ValueError, match=sentence):
        BackboneConfig(**sizes)


@pytest.mark.parametrize("stages", [(1, 2, 3), (2, 3, 5)])
def test_stages_end_with_the_models_last(stages):
    assert "must end with 4, the last stage of tiny" in refusal(BackboneConfig("tiny", stages=stages))
