"""The exact referee against other engines."""

import numpy as np
import pytest
import torch
import trimesh

from hands.joints import Side
from hands.mesh import close_wrist, wrist_loop
from hands.parts import subdivide
from hands.pose import HandPose, TwoHandPose
from hands.referee import Referee, contains, judge, winding_number
from hands.surface_bvh import SurfaceTree
from tests.hands.posed import varied_gestures


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
    ours, theirs = contains(points, closed[0], closed[1]), closed[2].contains(points.numpy())
    assert (ours.numpy() == theirs).mean() > 0.999
    assert 0.05 < theirs.mean() < 0.95


def test_closest_points_agree_with_trimesh(closed, hands, generator):
    parts = subdivide(hands[Side.RIGHT].arrays)
    tree = SurfaceTree.build(hands[Side.RIGHT], parts, torch.device("cpu"))
    tree.place(closed[0])
    points = closed[0][generator.integers(len(closed[0]), size=300)]
    points = points + torch.as_tensor(generator.normal(0, 0.006, (300, 3)))
    _, expected, _ = trimesh.proximity.closest_point(closed[2], points.numpy())
    found = tree.closest(points, wind=True)
    assert abs(found.distance.numpy() - expected).max() < 1e-5  # trimesh stops at a tolerance of micrometres
    assert np.array_equal(found.winding.numpy() < 0, closed[2].contains(points.numpy()))


def test_winding_numbers_count_how_often_a_point_is_enclosed(closed):
    vertices, faces, mesh = closed
    inner = torch.as_tensor(mesh.center_mass)[None]
    triangles = vertices[faces]
    turns = lambda t: float(winding_number(inner, t))  # noqa: E731
    assert turns(triangles) == pytest.approx(1, abs=1e-9)
    assert turns(torch.cat([triangles, triangles])) == pytest.approx(2, abs=1e-9)
    assert float(winding_number(inner + 1, triangles)) == pytest.approx(0, abs=1e-9)


def test_a_vertex_that_a_hand_encloses_twice_is_inside(hands):
    """Fingers that run into their own palm: counting crossings alone would call what both enclose outside."""
    poses = varied_gestures(hands, 1, 90, ("gassho_offset", "interlocked_fingers", "fingertips_together"))
    referee, twice = Referee(hands), 0
    for row in range(len(poses)):
        vertices = {side: referee._closed(poses[slice(row, row + 1)].to(torch.float64), side)[0] for side in Side}
        for side in Side:
            distance, inside = referee._measure(vertices, side)
            near = (distance > 1e-4) & (distance < 0.02)
            turns = winding_number(vertices[side][:-1][near], vertices[side.other][referee.faces[side.other]]).round()
            assert torch.equal(inside[near], turns > 0)
            twice += int((turns == 2).sum())
    assert twice > 0, "the case occurs"


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
