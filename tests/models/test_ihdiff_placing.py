"""Alignments are exact where an exact one exists, and the view moves downhill."""

import pytest
import torch

from hands.rotations import axis_angle_to_matrix
from models.ihdiff.observations import Observations
from models.ihdiff.placing import (
    Orthographic,
    View,
    align,
    align_in_image,
    begin,
    camera_for,
    into_world,
    project,
    without_intrinsics,
)
from models.ihdiff.representation import PackedHands, Placement, Surfaces


@pytest.fixture
def points(draws) -> torch.Tensor:
    return 0.05 * torch.randn(5, 42, 3, generator=draws, dtype=torch.float64)


@pytest.fixture
def rotation(draws) -> torch.Tensor:
    return axis_angle_to_matrix(2 * torch.randn(5, 3, generator=draws, dtype=torch.float64))


def test_points_are_brought_back_exactly(points, rotation, draws) -> None:
    wrist = torch.randn(5, 3, generator=draws, dtype=torch.float64)
    onto = into_world(points, Placement(rotation, wrist))
    seen = (torch.rand(5, 42, generator=draws) < 0.3).double()
    onto = onto + 100 * (1 - seen)[..., None]  # what has no weight plays no part
    found, shift = align(points, onto, seen)
    torch.testing.assert_close(found, rotation)
    torch.testing.assert_close(shift, wrist)


def test_a_mirror_image_is_no_rotation(points) -> None:
    flipped = points * torch.tensor([-1.0, 1, 1], dtype=torch.float64)
    found, _ = align(points, flipped, torch.ones(5, 42, dtype=torch.float64))
    torch.testing.assert_close(torch.linalg.det(found), torch.ones(5, dtype=torch.float64))


def test_heavier_points_decide(points, rotation) -> None:
    onto = into_world(points, Placement(rotation, points[:, 0]))
    onto[:, 21:] += 0.05
    weights = torch.ones(5, 42, dtype=torch.float64)
    weights[:, :21] = 1e9
    torch.testing.assert_close(align(points, onto, weights)[0], rotation, atol=1e-6, rtol=0)


def test_an_image_tells_rotation_shift_and_scale(points, rotation, draws) -> None:
    shift, scale = torch.randn(5, 2, generator=draws, dtype=torch.float64), torch.arange(1, 6, dtype=torch.float64)
    image = scale[:, None, None] * (points @ rotation.mT)[..., :2] + shift[:, None]
    weights = torch.rand(5, 42, generator=draws, dtype=torch.float64) + 0.1
    found = align_in_image(points, image, weights)
    for value, true in zip(found, (rotation, shift, scale), strict=True):
        torch.testing.assert_close(value, true)


def test_a_camera_is_found_exactly(points) -> None:
    pixels = 700 * (points[..., :2] + torch.tensor([0.3, -0.1], dtype=torch.float64))
    found = camera_for(points[..., :2], pixels, torch.ones(5, 42, dtype=torch.float64))
    torch.testing.assert_close(found.scale, torch.full_like(found.scale, 700.0))
    torch.testing.assert_close(found.offset, torch.tensor([[0.3, -0.1]], dtype=torch.float64).expand(5, 2))
    assert (camera_for(points[..., :2], -pixels, torch.ones(5, 42, dtype=torch.float64)).scale > 0).all()


def test_intrinsics_with_skew_are_undone(points) -> None:
    camera = torch.tensor([[500.0, 7, 256], [0, 480, 160], [0, 0, 1]], dtype=torch.float64).expand(5, 3, 3)
    ahead = points + torch.tensor([0.0, 0.0, 0.6], dtype=torch.float64)
    homogeneous = ahead @ camera.mT
    pixels = homogeneous[..., :2] / homogeneous[..., 2:]
    torch.testing.assert_close(without_intrinsics(pixels, camera), project(ahead))


@pytest.mark.parametrize("observed", ["joints_3d", "vertices", "joints_2d", "pinhole"])
def test_hands_that_are_known_already_are_placed_where_they_are(points, rotation, observed) -> None:
    wrist = torch.tensor([[0.1, -0.05, 20.0]], dtype=torch.float64).expand(5, 3)  # far: perspective is almost parallel
    posed = Surfaces(points[:, :6], points[:, 6:12], points)
    world = into_world(points, Placement(rotation, wrist))
    camera = torch.tensor([[500.0, 0, 256], [0, 500, 160], [0, 0, 1]], dtype=torch.float64).expand(5, 3, 3)
    seen = {
        "joints_3d": lambda: Observations(joints_3d=world, placed=True),
        "vertices": lambda: Observations(vertices=world[:, :12], placed=True),
        "joints_2d": lambda: Observations(joints_2d=300 * world[..., :2], placed=True),
        "pinhole": lambda: Observations(
            joints_2d=500 * project(world) + camera[:, None, :2, 2], camera=camera, placed=True
        ),
    }[observed]()
    view = begin(seen, posed, torch.arange(12), torch.full((42,), 0.02, dtype=torch.float64))
    exact = observed != "pinhole"
    torch.testing.assert_close(view.placement.orient, rotation, atol=1e-6 if exact else 0.02, rtol=0)
    if observed == "joints_2d":  # how far away it is, nothing tells
        torch.testing.assert_close(view.camera.scale, torch.full_like(view.camera.scale, 300.0))
        torch.testing.assert_close(view.placement.wrist[:, :2] + view.camera.offset, wrist[:, :2])
    else:
        torch.testing.assert_close(view.placement.wrist, wrist, atol=1e-6 if exact else 0.1, rtol=0)


@pytest.mark.parametrize("known", ["joints_3d", "regressed", "palm"])
def test_a_camera_starts_from_the_best_that_is_known_of_the_joints(points, rotation, known) -> None:
    placement = Placement(rotation, torch.zeros(5, 3, dtype=torch.float64))
    world = into_world(points, placement)
    wrong = points.clone()
    wrong[:, 21:] = wrong[:, 21:].flip(1) + 0.1
    strays = torch.full((42,), 1e-3, dtype=torch.float64)
    strays[21:] = 1e4
    x = torch.cat([points, torch.zeros(5, 42, 6, dtype=torch.float64)], dim=-1)
    more = {
        "joints_3d": {"joints_3d": world},
        "regressed": {"regressed": PackedHands(x, torch.zeros(5, 20, dtype=torch.float64), placement)},
        "palm": {},
    }[known]
    seen = Observations(joints_2d=300 * world[..., :2] + 60, placed=True, **more)
    if known == "joints_3d":
        wrong = wrong.flip(1)
    view = begin(seen, Surfaces(wrong[:, :6], wrong[:, 6:12], wrong), torch.arange(12), strays)
    torch.testing.assert_close(view.camera.scale, torch.full((5,), 300.0, dtype=torch.float64), atol=1e-3, rtol=0)


def test_a_view_moves_downhill_and_pairs_alone(points) -> None:
    single = points.float()
    start = Placement(torch.eye(3).expand(5, 3, 3), torch.zeros(5, 3))
    turned = axis_angle_to_matrix(torch.tensor([0.2, -0.1, 0.1]))
    goal = into_world(single, Placement(turned.expand(5, 3, 3), torch.full((5, 3), 0.04)))

    def run(rows: slice) -> View:
        camera = Orthographic(torch.ones(len(goal[rows])), torch.zeros(len(goal[rows]), 2))
        view = View(Placement(*(value[rows] for value in start)), camera)
        for step in (0.01, 0.001):
            for _ in range(60):
                apart = (into_world(single[rows], view.placement) - goal[rows]).abs().mean((1, 2))
                apart = apart + (view.camera.scale - 1.1).abs()
                view.move(list(torch.autograd.grad(apart.sum(), view.numbers, materialize_grads=True)), step)
        return view

    together, alone = run(slice(0, 5)), run(slice(2, 3))
    torch.testing.assert_close(together.placement.wrist, torch.full((5, 3), 0.04), atol=2e-3, rtol=0)
    torch.testing.assert_close(together.placement.orient, turned.expand(5, 3, 3), atol=0.02, rtol=0)
    torch.testing.assert_close(together.camera.scale, torch.full((5,), 1.1), atol=5e-3, rtol=0)
    for one, other in zip(together.numbers, alone.numbers, strict=True):
        torch.testing.assert_close(one[2:3], other, atol=1e-6, rtol=0)
