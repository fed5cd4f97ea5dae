"""Checkpoints: what comes back, and one sentence for every file that is none."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from models.ihdiff.checkpoint import FILE, IHDiff, TrainedVAE, load, load_vae, save
from models.ihdiff.network import Denoiser, NetworkConfig
from models.ihdiff.representation import Standard
from models.ihdiff.vae import VAE, VAEConfig

NOTES = {"steps": 12, "hands": "abc", "figures": {"mpvpe": 1.5}, "name": "Öl"}


def denoiser(attention: str = "cross") -> Denoiser:
    return Denoiser(NetworkConfig(attention, 16, 2, 1, shape_width=8), torch.Generator().manual_seed(3))


def vae() -> VAE:
    return VAE(VAEConfig(16, 2, 1, 5, shape_width=8, kl=0.02), torch.Generator().manual_seed(3))


@pytest.fixture
def standard(draws) -> Standard:
    return Standard(torch.randn(42, 9, generator=draws), torch.rand(42, 9, generator=draws) + 0.1)


@pytest.fixture
def checkpoint(tmp_path, standard) -> Path:
    """A file of IHDiff."""
    return written(tmp_path / FILE, denoiser(), standard)


@pytest.fixture
def baseline(tmp_path, standard) -> Path:
    """A file of the VAE baseline."""
    return written(tmp_path / "vae.safetensors", vae(), standard)


def written(path: Path, network: Denoiser | VAE, standard: Standard) -> Path:
    with path.open("wb") as file:
        save(file, network, standard, NOTES)
    return path


def rewritten(path: Path, change: Callable[[dict, dict], None]) -> Path:
    """The same file after `change` had its way with what it says of itself and with its tensors."""
    with safe_open(path, "pt") as file:
        about, tensors = json.loads(file.metadata()["ihdiff"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(about, tensors)
    save_file(tensors, path, {"ihdiff": json.dumps(about)})
    return path


def refusal(load: Callable, path: Path) -> str:
    """What is said; one sentence that begins with the file and ends with what to do."""
    with pytest.raises(ValueError) as caught:
        load(path)
    said = str(caught.value)
    kind = "vae" if load is load_vae else "ihdiff"
    assert said.endswith(f"; `render-ih train {kind}` makes one") and "\n" not in said
    assert said.startswith(str(path))
    return said


@pytest.mark.parametrize("attention", ["cross", "self"])
def test_ihdiff_comes_back(tmp_path, standard, attention, draws):
    network = denoiser(attention)
    model = load(written(tmp_path / "x.safetensors", network, standard))
    assert isinstance(model, IHDiff) and model.notes == NOTES and model.network.config == network.config
    check_same(model, network, standard)
    noised, step = torch.randn(2, 42, 9, generator=draws), torch.tensor([1, 900])
    torch.testing.assert_close(model.network(noised, step).scaled, network.eval()(noised, step).scaled)


def test_the_baseline_comes_back(baseline, standard, draws):
    network, model = vae(), load_vae(baseline)
    assert isinstance(model, TrainedVAE) and model.notes == NOTES and model.network.config == network.config
    check_same(model, network, standard)
    z = torch.randn(2, 5, 16, generator=draws)
    torch.testing.assert_close(model.network.decode(z).scaled, network.eval().decode(z).scaled)


def check_same(model: IHDiff | TrainedVAE, network: Denoiser | VAE, standard: Standard) -> None:
    back, weights = model.network.state_dict(), network.state_dict()
    assert back.keys() == weights.keys() and all(torch.equal(back[name], weights[name]) for name in weights)
    assert torch.equal(model.standard.mean, standard.mean) and torch.equal(model.standard.std, standard.std)
    assert not model.network.training
    assert not any(weight.requires_grad for weight in model.network.parameters())


def test_a_trainings_folder_stands_for_its_checkpoint(checkpoint):
    assert load(checkpoint.parent).notes == load(checkpoint).notes


def test_weights_of_other_precisions_are_written_as_float32(tmp_path, standard):
    model = load(written(tmp_path / "x.safetensors", denoiser().double(), standard.double()))
    assert {value.dtype for value in model.network.state_dict().values()} == {torch.float32}
    check_same(model, denoiser(), standard.float())


def test_the_same_network_is_the_same_bytes(tmp_path, standard):
    first, second = (written(tmp_path / name, denoiser(), standard).read_bytes() for name in ("a", "b"))
    assert first == second


def test_no_file_and_no_checkpoint_in_a_folder(tmp_path):
    assert "no checkpoint of IHDiff that can be read here" in refusal(load, tmp_path / "missing.safetensors")
    assert f"{tmp_path / FILE}: no checkpoint of the VAE baseline" in refusal(load_vae, tmp_path)


@pytest.mark.parametrize("kept", [0, 5, 300, -1])
def test_a_file_that_was_cut_off(checkpoint, kept):
    checkpoint.write_bytes(checkpoint.read_bytes()[:kept])
    assert "is damaged or no safetensors file, and nothing else is loaded" in refusal(load, checkpoint)


def test_a_pickle_is_not_loaded(checkpoint):
    torch.save({"network": denoiser().state_dict()}, checkpoint)
    assert "is damaged or no safetensors file, and nothing else is loaded" in refusal(load, checkpoint)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"ihdiff": "no JSON"}])
def test_safetensors_of_another_network(checkpoint, metadata):
    save_file({"weight": torch.zeros(3)}, checkpoint, metadata)
    assert "holds another network than IHDiff" in refusal(load, checkpoint)
    assert "holds another network than the VAE baseline" in refusal(load_vae, checkpoint)


def test_one_network_for_the_other(checkpoint, baseline):
    assert "holds the VAE baseline, not IHDiff" in refusal(load, baseline)
    assert "holds IHDiff, not the VAE baseline" in refusal(load_vae, checkpoint)


@pytest.mark.parametrize("kind", [None, "gan", ["vae"]])
def test_a_kind_that_there_is_not(checkpoint, kind):
    rewritten(checkpoint, lambda about, tensors: about.update(kind=kind))
    assert "holds another network than IHDiff" in refusal(load, checkpoint)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_file_of_another_version(checkpoint, version):
    rewritten(checkpoint, lambda about, tensors: about.update(format=version))
    assert "is a checkpoint of another version of render-ih" in refusal(load, checkpoint)


@pytest.mark.parametrize("name", ["network.enter.0.weight", "standard.mean"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(checkpoint, name, value):
    rewritten(checkpoint, lambda about, tensors: tensors[name].view(-1)[-1:].fill_(value))
    assert "has weights that are no numbers" in refusal(load, checkpoint)


MISFITS: dict[str, Callable[[dict, dict], object]] = {
    "wider": lambda about, tensors: about["network"].update(width=32),
    "no network": lambda about, tensors: about["network"].update(width=0),
    "sizes that are words": lambda about, tensors: about["network"].update(width="wide"),
    "unknown size": lambda about, tensors: about["network"].update(colour=1),
    "other attention": lambda about, tensors: about["network"].update(attention="self"),
    "unknown attention": lambda about, tensors: about["network"].update(attention="both"),
    "sizes missing": lambda about, tensors: about.pop("network"),
    "no sizes": lambda about, tensors: about.update(network=None),
    "notes missing": lambda about, tensors: about.pop("notes"),
    "notes of no kind": lambda about, tensors: about.update(notes=5),
    "weight missing": lambda about, tensors: tensors.pop("network.enter.0.weight"),
    "weight too many": lambda about, tensors: tensors.update({"network.more": torch.zeros(1)}),
    "weight of nothing": lambda about, tensors: tensors.update({"other": torch.zeros(1)}),
    "scale missing": lambda about, tensors: tensors.pop("standard.std"),
    "scale of another size": lambda about, tensors: tensors.update({"standard.std": torch.ones(1, 9)}),
    "scale of 0": lambda about, tensors: tensors["standard.std"].zero_(),
}


@pytest.mark.parametrize("name", MISFITS)
def test_weights_that_do_not_fit(checkpoint, name):
    rewritten(checkpoint, MISFITS[name])
    assert "its weights do not fit the network it describes" in refusal(load, checkpoint)


def test_rewriting_alone_breaks_nothing(checkpoint):
    assert load(rewritten(checkpoint, lambda about, tensors: None)).notes == NOTES


def test_a_flipped_header_is_no_safetensors_file(checkpoint):
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(re.sub(rb'"F32"', b'"X32"', content, count=1))
    assert "is damaged or no safetensors file" in refusal(load, checkpoint)
