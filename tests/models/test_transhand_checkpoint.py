"""Checkpoints of TransHand: what comes back, and one sentence for every file that is none."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from models.ihdiff.checkpoint import load as load_ihdiff
from models.transhand.backbone import BackboneConfig
from models.transhand.checkpoint import TrainedTransHand, load, save
from models.transhand.levels import Meshes
from models.transhand.network import NetworkConfig, TransHand
from models.weight_files import FILE

NOTES = {"steps": 12, "hands": "abc", "figures": {"mpjpe": 1.5}, "name": "Öl"}
SIZES = {"image_size": 64, "image_width": 8, "widths": (32, 16, 8), "heads": 2, "perceptrons": 1}


def network(meshes: Meshes, **sizes) -> TransHand:
    config = NetworkConfig(**{"backbone": BackboneConfig("tiny"), **SIZES, **sizes})
    model = TransHand(config, meshes, torch.Generator().manual_seed(3))
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer += 0.1  # as after some training
    return model


def written(path: Path, model: TransHand) -> Path:
    with path.open("wb") as file:
        save(file, model, NOTES)
    return path


@pytest.fixture(scope="module")
def original(meshes, tmp_path_factory) -> bytes:
    return written(tmp_path_factory.mktemp("transhand") / FILE, network(meshes)).read_bytes()


@pytest.fixture
def checkpoint(tmp_path, original) -> Path:
    path = tmp_path / FILE
    path.write_bytes(original)
    return path


def rewritten(path: Path, change: Callable[[dict, dict], object]) -> Path:
    """The same file after `change` had its way with what it says of itself and with its tensors."""
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["transhand"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(about, tensors)
    save_file(tensors, path, {"transhand": json.dumps(about)})
    return path


def refusal(path: Path) -> str:
    """What is said; one sentence that begins with the file and ends with what to do."""
    with pytest.raises(ValueError) as caught:
        load(path)
    said = str(caught.value)
    assert said.endswith("; `render-ih train transhand` makes one") and "\n" not in said
    assert said.startswith(str(path))
    return said


@pytest.mark.parametrize("sizes", [{}, {"correlation": False, "train_upsampling": True}])
def test_transhand_comes_back(tmp_path, meshes, draws, sizes):
    model = network(meshes, **sizes)
    trained = load(written(tmp_path / "x.safetensors", model))
    assert isinstance(trained, TrainedTransHand) and trained.notes == NOTES
    assert trained.network.config == model.config and not trained.network.training
    assert not any(weight.requires_grad for weight in trained.network.parameters())
    weights, back = model.state_dict(), trained.network.state_dict()
    assert weights.keys() == back.keys()
    assert all(torch.equal(weights[name], back[name]) and weights[name].dtype == back[name].dtype for name in weights)
    image = torch.rand(2, 3, 64, 64, generator=draws)
    for one, other in zip(trained.network(image), model.eval()(image), strict=True):
        for a, b in zip(one, other, strict=True):
            torch.testing.assert_close(a, b)


def test_a_network_that_began_with_read_weights_needs_them_no_more(tmp_path, meshes, draws):
    from transformers import ResNetConfig, ResNetForImageClassification

    from models.transhand.backbone import PRESETS

    ResNetForImageClassification(ResNetConfig(**PRESETS["tiny"])).save_pretrained(tmp_path / "read")
    model = network(meshes, backbone=BackboneConfig("tiny", weights=str(tmp_path / "read")))
    path = written(tmp_path / "x.safetensors", model)
    for file in (tmp_path / "read").iterdir():
        file.unlink()
    trained, image = load(path).network, torch.rand(1, 3, 64, 64, generator=draws)
    torch.testing.assert_close(trained(image).left.vertices, model.eval()(image).left.vertices)
    assert trained.config == model.config


def test_a_trainings_folder_stands_for_its_checkpoint(checkpoint):
    assert load(checkpoint.parent).notes == load(checkpoint).notes


def test_the_same_network_is_the_same_bytes(tmp_path, meshes, original):
    assert written(tmp_path / "again", network(meshes)).read_bytes() == original


def test_no_file_and_no_checkpoint_in_a_folder(tmp_path):
    assert "no checkpoint of TransHand that can be read here" in refusal(tmp_path / "missing.safetensors")
    with pytest.raises(ValueError, match=f"{FILE}: no checkpoint of TransHand"):
        load(tmp_path)


@pytest.mark.parametrize("kept", [0, 5, 300, -1])
def test_a_file_that_was_cut_off(checkpoint, kept):
    checkpoint.write_bytes(checkpoint.read_bytes()[:kept])
    assert "is damaged or no safetensors file, and nothing else is loaded" in refusal(checkpoint)


def test_a_pickle_is_not_loaded(checkpoint):
    torch.save({"network": torch.zeros(3)}, checkpoint)
    assert "is damaged or no safetensors file, and nothing else is loaded" in refusal(checkpoint)


@pytest.mark.parametrize("metadata", [None, {"ihdiff": "{}"}, {"transhand": "no JSON"}, {"transhand": "[" * 100_000}])
def test_safetensors_of_another_network(checkpoint, metadata):
    save_file({"weight": torch.zeros(3)}, checkpoint, metadata)
    assert "holds another network than TransHand" in refusal(checkpoint)


def test_ihdiff_does_not_take_it(checkpoint):
    with pytest.raises(ValueError, match="holds another network than IHDiff"):
        load_ihdiff(checkpoint)


@pytest.mark.parametrize("kind", [None, "ihdiff", ["transhand"]])
def test_a_kind_that_there_is_not(checkpoint, kind):
    rewritten(checkpoint, lambda about, tensors: about.update(kind=kind))
    assert "holds another network than TransHand" in refusal(checkpoint)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_file_of_another_version(checkpoint, version):
    rewritten(checkpoint, lambda about, tensors: about.update(format=version))
    assert "is a checkpoint of another version of render-ih" in refusal(checkpoint)


@pytest.mark.parametrize("name", ["network.heads.camera.weight", "network.meshes.upsampling"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(checkpoint, name, value):
    rewritten(checkpoint, lambda about, tensors: tensors[name].view(-1)[-1:].fill_(value))
    assert "has weights that are no numbers" in refusal(checkpoint)


HUGE = 10**9
MISFITS: dict[str, Callable[[dict, dict], object]] = {
    "wider": lambda about, tensors: about["network"].update(widths=[64, 32, 16]),
    "as wide as memory": lambda about, tensors: about["network"].update(image_width=HUGE),
    "an image as large": lambda about, tensors: about["network"].update(image_size=32 * HUGE),
    "deeper": lambda about, tensors: about["network"].update(perceptrons=HUGE),
    "no widths": lambda about, tensors: about["network"].update(widths=None),
    "no network": lambda about, tensors: about["network"].update(heads=0),
    "sizes that are words": lambda about, tensors: about["network"].update(image_size="large"),
    "unknown size": lambda about, tensors: about["network"].update(colour=1),
    "another encoder": lambda about, tensors: about["network"].update(correlation=False),
    "upsampling missing": lambda about, tensors: about["network"].update(train_upsampling=True),
    "sizes missing": lambda about, tensors: about.pop("network"),
    "no sizes": lambda about, tensors: about.update(network=None),
    "backbone missing": lambda about, tensors: about.pop("backbone"),
    "another backbone": lambda about, tensors: about["backbone"].update(hidden_sizes=[16, 32, 64, 256]),
    "a backbone as wide as memory": lambda about, tensors: about["backbone"].update(hidden_sizes=[HUGE] * 4),
    "a deeper backbone": lambda about, tensors: about["backbone"].update(depths=[1, 1, 1, HUGE]),
    "a backbone of many stages": lambda about, tensors: about["backbone"].update(depths=[1] * 10_000),
    "an unknown backbone": lambda about, tensors: about["backbone"].update(model_type="dinosaur"),
    "a backbone without maps": lambda about, tensors: about["backbone"].update(model_type="bert"),
    "a backbone that is fetched": lambda about, tensors: about["backbone"].update(model_type="timm_backbone"),
    "maps of other stages": lambda about, tensors: about["backbone"].update(out_features=None, out_indices=[1, 3, 4]),
    "notes missing": lambda about, tensors: about.pop("notes"),
    "notes of no kind": lambda about, tensors: about.update(notes=5),
    "weight missing": lambda about, tensors: tensors.pop("network.heads.camera.weight"),
    "weight too many": lambda about, tensors: tensors.update({"network.more": torch.zeros(1)}),
    "weight of nothing": lambda about, tensors: tensors.update({"other": torch.zeros(1)}),
    "hands missing": lambda about, tensors: tensors.pop("network.meshes.leaves"),
    "hands of another size": lambda about, tensors: tensors.update({"network.meshes.tips": torch.zeros(2, 6).long()}),
    "a vertex twice": lambda about, tensors: tensors["network.meshes.leaves"].fill_(0),
    "vertices that are fractions": lambda about, tensors: tensors.update(
        {"network.meshes.leaves": tensors["network.meshes.leaves"] + 0.5}
    ),
    "an upsampling of no nodes": lambda about, tensors: tensors.update(
        {"network.meshes.upsampling": torch.zeros(778, 0)}
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_weights_that_do_not_fit(checkpoint, name):
    rewritten(checkpoint, MISFITS[name])
    assert "its weights do not fit the network it describes" in refusal(checkpoint)


def test_rewriting_alone_breaks_nothing(checkpoint):
    assert load(rewritten(checkpoint, lambda about, tensors: None)).notes == NOTES
