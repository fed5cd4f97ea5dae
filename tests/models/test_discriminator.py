"""The natural discriminator: one number a pose, the same for both hands, smooth; checkpoints that explain themselves."""

import pytest
import torch
from safetensors.torch import save

from hands.anatomy import anatomical_rotations, angles_to_hand_pose, joint_frames
from hands.joints import Side
from hands.rotations import axis_angle_to_matrix
from models.discriminator import (
    NaturalDiscriminator,
    discriminator_notes,
    load_discriminator,
    save_discriminator,
)
from tests.models.everyday import NATURAL, UNNATURAL, angles


@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 3)])
def test_every_pose_of_any_batch_gets_one_probability(shape, draws):
    network = NaturalDiscriminator()
    probability = network(anatomical_rotations(torch.randn(*shape, 15, 3, generator=draws)))
    assert probability.shape == shape
    assert ((probability >= 0) & (probability <= 1)).all()


def test_it_is_small():
    assert sum(weight.numel() for weight in load_discriminator().parameters()) <= 60_000


def test_mirrored_hands_get_the_same_probability(hands):
    network, poses = load_discriminator().double(), angles(NATURAL)
    said = {}
    for side in Side:
        frames = joint_frames(hands[side]).double()
        local = axis_angle_to_matrix(angles_to_hand_pose(poses, frames).unflatten(-1, (15, 3)))
        said[side] = network(frames.mT @ local @ frames)
    torch.testing.assert_close(said[Side.RIGHT], said[Side.LEFT])
    torch.testing.assert_close(said[Side.RIGHT], network(anatomical_rotations(poses)))


def test_single_and_double_precision_agree(draws):
    poses = torch.randn(50, 15, 3, generator=draws)
    single = load_discriminator()(anatomical_rotations(poses))
    double = load_discriminator().double()(anatomical_rotations(poses.double()))
    assert single.dtype == torch.float32 and double.dtype == torch.float64
    torch.testing.assert_close(single.double(), double, atol=1e-4, rtol=0)


def test_its_slope_by_joint_angles_is_right(draws):
    network = load_discriminator().double()
    poses = (0.3 * torch.randn(2, 15, 3, generator=draws, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: network(anatomical_rotations(a)), poses)


def test_hand_shapes_that_everybody_knows_are_natural_and_nonsense_is_not():
    network = load_discriminator().double()
    natural = dict(zip(NATURAL, network(anatomical_rotations(angles(NATURAL))).tolist(), strict=True))
    unnatural = dict(zip(UNNATURAL, network(anatomical_rotations(angles(UNNATURAL))).tolist(), strict=True))
    assert min(natural.values()) > 0.8, natural
    assert max(unnatural.values()) < 0.3, unnatural


def test_every_built_in_gesture_is_natural(library):
    assert load_discriminator().double()(anatomical_rotations(library.angles)).min() > 0.7


def test_making_and_reading_one_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    NaturalDiscriminator()
    load_discriminator()
    assert torch.equal(before, torch.get_rng_state())


def test_the_generator_decides_the_first_weights():
    one, same, other = (NaturalDiscriminator(generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(one.first.weight, same.first.weight) and torch.equal(one.last.weight, same.last.weight)
    assert not torch.equal(one.first.weight, other.first.weight)


def test_a_saved_network_comes_back_with_its_notes(tmp_path, draws):
    network, path = NaturalDiscriminator(width=16, blocks=3, generator=draws), tmp_path / "mine.safetensors"
    with path.open("wb") as file:
        save_discriminator(network.double(), file, {"seed": 7, "data": {"about": "two poses"}})
    back = load_discriminator(path)
    poses = anatomical_rotations(torch.randn(5, 15, 3, generator=draws))
    torch.testing.assert_close(back(poses), network.float()(poses))
    assert not any(weight.requires_grad for weight in back.parameters())
    notes = discriminator_notes(path)
    assert notes == {"architecture": {"width": 16, "blocks": 3}, "seed": 7, "data": {"about": "two poses"}}


def test_the_same_network_is_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        with (tmp_path / name).open("wb") as file:
            save_discriminator(NaturalDiscriminator(), file, {"seed": 1, "about": "x", "more": [1, 2]})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def tensors(**replaced: torch.Tensor) -> bytes:
    """A checkpoint with some tensors replaced."""
    return save({**NaturalDiscriminator().state_dict(), **replaced})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "no checkpoint that can be read"),
        (b"", "is damaged"),
        (b"no tensors at all, just some words", "is damaged"),
        (tensors()[:-100], "is damaged"),
        (save({"weight": torch.zeros(3)}), "another network"),
        (tensors(extra=torch.zeros(3)), "another network"),
        (tensors(**{"last.weight": torch.zeros(1, 64)}), "another network"),
        (tensors(**{"first.weight": torch.tensor(0.0)}), "another network"),
        (tensors(**{"last.bias": torch.tensor([float("nan")])}), "weights that are no numbers"),
    ],
)
def test_what_is_no_checkpoint_is_refused_in_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "bad.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=sentence) as caught:
        load_discriminator(path)
    assert str(path) in str(caught.value) and "render-ih train naturalness" in str(caught.value)
    assert "\n" not in str(caught.value)
