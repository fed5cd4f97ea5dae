"""The hand layer against `smplx.MANO`, and what follows from its definition."""

from dataclasses import replace

import numpy as np
import pytest
import smplx
import torch
from scipy.spatial.transform import Rotation
from smplx.utils import Struct

from hands.joints import JOINTS_21, MANO_JOINTS, MANO_PARENTS, TIP_VERTICES, Side
from hands.model import HandArrays, HandModel, mirrored


def with_pose_directions(arrays: HandArrays, generator: np.random.Generator) -> HandArrays:
    """The free hand has no pose correctives and MANO has: give it some, and a mean pose."""
    posedirs = generator.normal(size=(778, 3, 135)) * 2e-3
    return replace(arrays, posedirs=posedirs, hands_mean=generator.normal(size=45) * 0.3)


def reference(arrays: HandArrays, flat_hand_mean: bool) -> smplx.MANO:
    parents = np.array([2**32 - 1, *MANO_PARENTS[1:]])
    data = Struct(
        f=arrays.faces,
        kintree_table=np.stack([parents, np.arange(16)]),
        **{name: getattr(arrays, name) for name in ("v_template", "shapedirs", "posedirs", "weights", "J_regressor")},
        **{name: getattr(arrays, name) for name in ("hands_mean", "hands_components")},
    )
    is_right = arrays.side is Side.RIGHT
    return smplx.MANO(
        "", is_right, data, use_pca=False, flat_hand_mean=flat_hand_mean, num_pca_comps=45, dtype=torch.float64
    )


def random_pose(generator: np.random.Generator, batch: int = 6) -> dict[str, torch.Tensor]:
    scales = {"global_orient": (3, 1.5), "hand_pose": (45, 0.6), "betas": (10, 2.0), "transl": (3, 0.4)}
    return {name: torch.from_numpy(generator.normal(size=(batch, n)) * s) for name, (n, s) in scales.items()}


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("correctives", [False, True])
def test_agrees_with_smplx(hands, generator, side: Side, correctives: bool) -> None:
    arrays = hands[side].arrays
    arrays = with_pose_directions(arrays, generator) if correctives else arrays
    pose = random_pose(generator)
    expected = reference(arrays, flat_hand_mean=True)(**pose)
    posed = HandModel(arrays, torch.float64)(**pose)
    torch.testing.assert_close(posed.vertices, expected.vertices, atol=1e-6, rtol=0)
    torch.testing.assert_close(posed.joints, expected.joints, atol=1e-6, rtol=0)


def test_poses_are_full_so_smplx_relative_ones_need_the_mean_added(hands, generator) -> None:
    arrays = with_pose_directions(hands[Side.RIGHT].arrays, generator)
    pose = random_pose(generator)
    expected = reference(arrays, flat_hand_mean=False)(**pose)
    full = pose | {"hand_pose": pose["hand_pose"] + torch.from_numpy(arrays.hands_mean)}
    model = HandModel(arrays, torch.float64)
    torch.testing.assert_close(model(**full).vertices, expected.vertices, atol=1e-6, rtol=0)
    assert (model(**pose).vertices - expected.vertices).abs().max() > 5e-3


@pytest.mark.parametrize("side", Side)
def test_world_rotation_turns_about_the_rest_wrist_not_the_origin(hands, generator, side: Side) -> None:
    """x' = R x + t in the world is global_orient' = R·orient, transl' = R (J0 + transl) + t - J0."""
    model = HandModel(with_pose_directions(hands[side].arrays, generator), torch.float64)
    pose = random_pose(generator)
    turn = Rotation.random(6, random_state=generator)
    R, t = torch.from_numpy(turn.as_matrix()), torch.from_numpy(generator.normal(size=(6, 3)))
    wrist = model.rest_joints(pose["betas"])[:, 0]
    orient = (turn * Rotation.from_rotvec(pose["global_orient"].numpy())).as_rotvec()
    transl = torch.einsum("bkl,bl->bk", R, wrist + pose["transl"]) + t - wrist
    moved = model(**pose | {"global_orient": torch.from_numpy(orient), "transl": transl})
    expected = torch.einsum("bkl,bvl->bvk", R, model(**pose).vertices) + t[:, None]
    torch.testing.assert_close(moved.vertices, expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(moved.joints[:, 0], wrist + transl, atol=1e-12, rtol=0)


def test_zero_pose_is_the_template_plus_shape(hands, generator) -> None:
    model = HandModel(with_pose_directions(hands[Side.RIGHT].arrays, generator), torch.float64)
    betas = torch.from_numpy(generator.normal(size=(3, 10)))
    zero = torch.zeros(3, 48, dtype=torch.float64)
    posed = model(zero[:, :3], zero[:, 3:], betas, zero[:, :3])
    expected = model.arrays.v_template + np.einsum("bl,vkl->bvk", betas.numpy(), model.arrays.shapedirs)
    np.testing.assert_allclose(posed.vertices.numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(posed.joints.numpy(), model.arrays.J_regressor @ expected, atol=1e-12)


def test_transforms_carry_rest_joints_to_posed_joints(hands, generator) -> None:
    model = HandModel(hands[Side.LEFT].arrays, torch.float64)
    pose = random_pose(generator)
    posed = model(**pose)
    rest = model.rest_joints(pose["betas"])
    carried = torch.einsum("bjkl,bjl->bjk", posed.transforms[..., :3], rest) + posed.transforms[..., 3]
    torch.testing.assert_close(carried, posed.joints, atol=1e-12, rtol=0)


def test_a_batch_is_its_rows(hands, generator) -> None:
    model = HandModel(hands[Side.RIGHT].arrays, torch.float64)
    pose = random_pose(generator, 5)
    together = model(**pose).vertices
    for row in range(5):
        alone = model(**{name: value[row : row + 1] for name, value in pose.items()}).vertices
        torch.testing.assert_close(alone[0], together[row], atol=1e-13, rtol=0)


def test_joints_21_order(hands, generator) -> None:
    model = HandModel(hands[Side.RIGHT].arrays, torch.float64)
    posed = model(**random_pose(generator, 2))
    joints = model.joints_21(posed)
    tips = dict(zip(("thumb", "index", "middle", "ring", "pinky"), TIP_VERTICES, strict=True))
    for index, name in enumerate(JOINTS_21):
        finger, _, part = name.partition("_")
        expected = posed.vertices[:, tips[finger]] if part == "tip" else posed.joints[:, MANO_JOINTS.index(name)]
        assert torch.equal(joints[:, index], expected), name
    assert JOINTS_21[4] == "thumb_tip" and JOINTS_21[13:17] == ("ring_1", "ring_2", "ring_3", "ring_tip")


def test_gradients_through_the_layer(hands, generator) -> None:
    model = HandModel(with_pose_directions(hands[Side.RIGHT].arrays, generator), torch.float64)
    pose = [value.requires_grad_() for value in random_pose(generator, 1).values()]
    pick = torch.from_numpy(generator.normal(size=(1, 778, 3)))
    assert torch.autograd.gradcheck(lambda *p: (model(*p).vertices * pick).sum(), pose)


@pytest.mark.parametrize("side", Side)
def test_mirroring_mirrors_every_pose_and_undoes_itself(hands, generator, side: Side) -> None:
    arrays = with_pose_directions(hands[side].arrays, generator)
    other = mirrored(arrays)
    pose = random_pose(generator)
    flip = torch.tensor([-1.0, 1, 1], dtype=torch.float64)
    reflected = pose | {
        "global_orient": pose["global_orient"] * -flip,
        "hand_pose": pose["hand_pose"] * (-flip).repeat(15),
        "transl": pose["transl"] * flip,
    }
    posed = HandModel(arrays, torch.float64)(**pose)
    torch.testing.assert_close(HandModel(other, torch.float64)(**reflected).vertices, posed.vertices * flip)
    for name in ("hands_mean", "hands_components"):
        directions = torch.from_numpy(np.atleast_2d(getattr(arrays, name))[:6])
        mirrored_directions = torch.from_numpy(np.atleast_2d(getattr(other, name))[:6])
        torch.testing.assert_close(mirrored_directions, directions * (-flip).repeat(15))
    again = mirrored(other)
    for name in ("v_template", "faces", "shapedirs", "posedirs", "hands_mean", "hands_components", "uv_faces"):
        np.testing.assert_array_equal(getattr(again, name), getattr(arrays, name), err_msg=name)
