"""Drawing hands from IHDiff: an untrained network's hands are rubbish, but what is promised of any network's holds for them."""

import dataclasses
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from dataset.assets.gestures import load_gestures
from dataset.assets.hand_files import hand_checksum
from dataset.errors import InputError
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.pose import TwoHandPose
from hands.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from models.ihdiff import checkpoint
from models.ihdiff.network import Denoiser, NetworkConfig
from models.ihdiff.representation import Standard, pack
from tasks.ihdiff import sheets
from tasks.ihdiff.checkpoints import checkpoint_file, load_ihdiff
from tasks.ihdiff.sampling import Draws, Given, draw, draw_given, sound, standing

TINY = NetworkConfig(width=16, heads=2, depth=1)


@pytest.fixture(scope="module")
def gestures(hands) -> TwoHandPose:
    return TwoHandPose.stack([gesture_pose(g, hands[Side.RIGHT], hands[Side.LEFT]) for g in load_gestures()])


@pytest.fixture(scope="module")
def model(hands, gestures):
    network = Denoiser(TINY).eval().requires_grad_(False)
    return checkpoint.IHDiff(network, Standard.of(pack(gestures, hands).x))


def save(path, model, notes):
    with path.open("wb") as file:
        checkpoint.save(file, model.network, model.standard, notes)
    return path


def largest_difference(one: TwoHandPose, other: TwoHandPose, hands) -> float:
    """Between vertices, metres."""
    meshes = [[poses.side(side).pose(hands[side]).vertices for side in Side] for poses in (one, other)]
    return max(float((a - b).abs().max()) for a, b in zip(*meshes, strict=True))


def test_a_seed_and_a_name_decide_a_pair_whatever_count_and_batch(model, hands):
    all_at_once = draw(model, hands, Draws(5, steps=4, seed=3))
    assert largest_difference(all_at_once, draw(model, hands, Draws(5, steps=4, seed=3, batch=2)), hands) < 1e-5
    assert largest_difference(all_at_once[[0, 1]], draw(model, hands, Draws(2, steps=4, seed=3)), hands) < 1e-5
    assert largest_difference(all_at_once, draw(model, hands, Draws(5, steps=4, seed=4)), hands) > 1e-3
    assert largest_difference(all_at_once[[0]], all_at_once[[1]], hands) > 1e-3


def test_global_random_state_plays_no_part(model, hands):
    before = torch.random.get_rng_state()
    draw(model, hands, Draws(1, steps=2))
    assert torch.equal(before, torch.random.get_rng_state())


def test_free_samples_are_centred(model, hands):
    poses = draw(model, hands, Draws(3, steps=4))
    joints = torch.cat([hands[s].joints_21(poses.side(s).pose(hands[s])) for s in Side], dim=1)
    assert joints.mean(1).abs().max() < 1e-5 and sound(poses).all()


def test_standing_hands_up_is_a_rotation_that_comes_near_to_how_people_hold_them(hands, gestures):
    packed = pack(gestures, hands)
    turned = standing(packed.x, hands)
    assert torch.allclose(turned @ turned.mT, torch.eye(3).expand_as(turned), atol=1e-5)
    assert torch.allclose(torch.linalg.det(turned), torch.ones(len(turned)), atol=1e-5)
    degrees = lambda R: torch.rad2deg(matrix_to_axis_angle(R).norm(dim=-1))  # noqa: E731
    off = degrees(turned @ packed.placement.orient.mT)
    lying = degrees(packed.placement.orient.mT)
    assert off.median() < 45 < 80 < lying.median(), "most gestures nearly stand as their authors had them"


def test_standing_does_not_depend_on_where_the_hands_were(hands, gestures):
    turn = axis_angle_to_matrix(torch.tensor([0.4, -1.1, 2.0]))
    few = gestures[[0, 5, 9]]
    x = pack(few, hands).x
    turned = [
        dataclasses.replace(
            p,
            global_orient=matrix_to_axis_angle(turn @ axis_angle_to_matrix(p.global_orient)),
            transl=(hands[s].rest_joints(p.betas)[:, 0] + p.transl) @ turn.T - hands[s].rest_joints(p.betas)[:, 0],
        )
        for s, p in ((s, few.side(s)) for s in Side)
    ]
    assert torch.allclose(standing(x, hands), standing(pack(TwoHandPose(*turned), hands).x, hands), atol=1e-4)


@pytest.mark.parametrize("side", Side)
def test_a_given_hand_is_kept_to_the_bit_and_the_other_one_varies(model, hands, gestures, side):
    pose = gestures[[7]]
    poses = draw(model, hands, Draws(3, steps=4, seed=1, batch=2), Given(side, pose))
    for name, values in vars(pose.side(side)).items():
        assert torch.equal(getattr(poses.side(side), name), values.expand(3, -1)), name
    other = poses.side(side.other)
    assert (other.hand_pose[0] - other.hand_pose[1]).abs().max() > 1e-3
    if side is Side.LEFT:  # how it lies beside the right wrist is known too (appendix A.2)
        wrist = lambda p: hands[Side.RIGHT].rest_joints(p.betas)[:, 0] + p.transl  # noqa: E731
        assert torch.allclose(wrist(poses.right), wrist(pose.right).expand(3, 3), atol=1e-5)
        rotations = [axis_angle_to_matrix(p.global_orient) for p in (poses.right, pose.right)]
        assert torch.allclose(rotations[0], rotations[1].expand(3, 3, 3), atol=1e-5)


def test_a_hand_that_is_not_given_is_drawn_and_is_no_sample(model, hands):
    draws = Draws(2, steps=4)
    given = draw_given(model, hands, draws, Side.RIGHT)
    assert largest_difference(given.pose, draw_given(model, hands, draws, Side.LEFT).pose, hands) == 0
    assert largest_difference(given.pose, draw(model, hands, draws)[[0]], hands) > 1e-3


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"count": 0}, "0 hand pairs"),
        ({"count": 1, "batch": 0}, "batches of 0"),
        ({"count": 1, "steps": 0}, "0 sampling steps: must be between 1 and 1000"),
        ({"count": 1, "steps": 1001}, "1001 sampling steps"),
        ({"count": 1, "device": "abacus"}, "device: 'abacus' is no device"),
    ],
)
def test_impossible_draws_are_refused(wrong, sentence):
    with pytest.raises(InputError, match=sentence):
        Draws(**wrong)


def test_without_diffusers_the_sentence_says_how_to_get_it(model, hands, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    monkeypatch.delitem(sys.modules, "diffusers.schedulers", raising=False)
    with pytest.raises(InputError, match=r"pip install 'render-ih\[train\]'"):
        draw(model, hands, Draws(1, steps=1))


def test_a_checkpoint_is_found_in_its_folder_and_belongs_to_its_hands(tmp_path, model, hands, capsys):
    assert checkpoint_file(save(tmp_path / checkpoint.FILE, model, {"hands": hand_checksum(hands)}).parent).is_file()
    loaded = load_ihdiff(tmp_path, hands)
    assert torch.equal(loaded.network.enter[0].weight, model.network.enter[0].weight)
    assert "hand model" not in capsys.readouterr().err
    load_ihdiff(save(tmp_path / "silent", model, {}), hands)
    assert "does not say which hand model" in capsys.readouterr().err
    with pytest.raises(
        InputError, match=r"another hand model than the built-in free hand; name the folder.*--mano DIR"
    ):
        load_ihdiff(save(tmp_path / "mano", model, {"hands": "0" * 64}), hands)
    with pytest.raises(InputError, match="no checkpoint of IHDiff is there"):
        load_ihdiff(tmp_path / "nowhere", hands)
    (tmp_path / "damaged").write_bytes(b"\x08")
    with pytest.raises(InputError, match="damaged: "):
        load_ihdiff(tmp_path / "damaged", hands)


def test_the_checksum_is_of_the_surface(hands):
    arrays = hands[Side.RIGHT].arrays
    fatter = type(hands[Side.RIGHT])(dataclasses.replace(arrays, v_template=1.01 * arrays.v_template))
    assert hand_checksum(hands) == hand_checksum(dict(reversed(hands.items()))) and len(hand_checksum(hands)) == 64
    assert hand_checksum(hands) != hand_checksum(hands | {Side.RIGHT: fatter})


@pytest.mark.render
def test_pictures_show_both_hands_in_a_grid(tmp_path, hands, gestures):
    pose, size = gestures[[0]], (96, 80)
    (jpeg, png) = sheets.write_sheet(tmp_path / "sheet", ["one"], pose, hands, size)
    assert jpeg.read_bytes().startswith(b"\xff\xd8")
    with Image.open(png) as sheet:
        assert sheet.size[0] == 96 + 2 * sheets._GAP
        inside = np.asarray(sheet)[sheets._GAP : sheets._GAP + 80, sheets._GAP : sheets._GAP + 96]
    assert inside.std() > 10, "a picture, not an empty field"


def test_what_cannot_be_drawn_is_an_empty_field():
    whole = Image.new("RGB", (20, 10), (200, 0, 0))
    sheet = sheets._grid([str(k) for k in range(9)], [whole, *[None] * 8], (20, 10))
    step = (20 + sheets._GAP, 10 + sheets._CAPTION + sheets._GAP)
    assert sheet.size == (sheets._GAP + 8 * step[0], sheets._GAP + 2 * step[1])
    at = lambda k: sheet.getpixel((sheets._GAP + 5 + k % 8 * step[0], sheets._GAP + 5 + k // 8 * step[1]))  # noqa: E731
    assert at(0) == (200, 0, 0) and at(1) == at(8) == sheets._EMPTY
