"""The exact referee against other engines."""

import pytest
import torch
import trimesh

from hands.joints import Side
from hands.mesh import close_wrist, wrist_loop
from hands.pose import HandPose, TwoHandPose
from hands.referee import contains, distance_to_surface, judge, point_triangle_distance


@pytest.fixture(scope="module")
def closed(hands):
    """The right hand at rest, watertight, as tensors and as a trimesh."""
    model = hands[Side.RIGHT]
    vertices, faces = close_wrist(model.v_template[None].double(), model.faces)
    return vertices[0], faces, trimesh.Trimesh(vertices[0].numpy(), faces.numpy(), process=False)


def apart(distance: float) -> TwoHandPose:
    """Flat hands whose wrists are `distance` metres apart along x."""
    zeros = torch.zeros(1, 3)
    hand = lambda x: HandPose(zeros, torch.zeros(1, 45), torch.zeros(1, 10), torch.tensor([[x, 0.0, 0.0]]))  # noqa: E731
    return TwoHandPose(hand(distance / 2), hand(-distance / 2))


def test_the_wrist_closes_watertight(closed, hands):
    assert closed[2].is_watertight
    assert closed[2].volume > 0
    assert len(wrist_loop(hands[Side.RIGHT].arrays.faces)) == 16


def test_a_closed_mesh_has_no_wrist(closed):
    with pytest.raises(ValueError, match="closed"):
        wrist_loop(closed[1].numpy())


def test_inside_agrees_with_ray_parity(closed, generator):
    points = torch.as_tensor(generator.uniform(closed[0].amin(0), closed[0].amax(0), (3000, 3)))
    ours, theirs = contains(points, closed[0], closed[1].numpy()), closed[2].contains(points.numpy())
    assert (ours.numpy() == theirs).mean() > 0.999
    assert 0.05 < theirs.mean() < 0.95


def test_distance_agrees_with_trimesh(closed, generator):
    near = closed[0][generator.integers(len(closed[0]), size=300)] + torch.as_tensor(
        generator.normal(0, 0.006, (300, 3))
    )
    _, expected, _ = trimesh.proximity.closest_point(closed[2], near.numpy())
    ours = distance_to_surface(near, closed[0], closed[0][closed[1]])
    difference = (ours.numpy() - expected)[expected < 0.01]
    assert difference.max() < 1e-9, "never farther than what another engine finds"
    assert difference.min() > -1e-5  # trimesh itself stops at a tolerance of micrometres


def test_point_to_triangle_by_hand():
    triangle = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]])
    points = torch.tensor([[0.2, 0.2, 3.0], [-3.0, -4.0, 0.0], [0.5, -2.0, 0.0], [1.0, 1.0, 0.0]])
    assert torch.allclose(point_triangle_distance(points, triangle)[:, 0], torch.tensor([3.0, 5.0, 2.0, 0.5**0.5]))


def test_hands_far_apart_and_hands_in_each_other(hands):
    far, deep = judge(apart(1.0), hands)[0], judge(apart(0.2), hands)[0]
    assert far.max_penetration_mm == 0 and far.contact_vertices == 0 and far.min_distance_mm > 500
    assert deep.max_penetration_mm > 5 and deep.min_distance_mm == 0 and deep.contact_vertices > 50


def test_a_finger_bent_backwards_is_reported(hands):
    pose = apart(1.0)
    bent = torch.zeros(1, 45)
    bent[0, 3:6] = torch.tensor([0.0, 0.0, -1.0])  # index middle joint, 57 degrees the wrong way
    excess = judge(
        TwoHandPose(HandPose(pose.right.global_orient, bent, pose.right.betas, pose.right.transl), pose.left), hands
    )
    assert excess[0].limit_excess_deg > 40
