"""The forearm: it moves with the wrist, bends the way it says, closes the hand, and keeps out of the other arm."""

import numpy as np
import pytest
import torch
import trimesh

from hands.anatomy import palm_frame
from hands.forearm import STRAIGHT, Forearm, WristBend, choose_bends, collision_depth
from hands.joints import Side


@pytest.fixture(scope="module")
def forearms(hands) -> dict[Side, Forearm]:
    return {side: Forearm.build(hands[side].arrays) for side in Side}


def rest(hands, side) -> np.ndarray:
    return hands[side].arrays.v_template.astype(float)


def direction(forearm, hand, bend=STRAIGHT) -> np.ndarray:
    centres, _ = forearm.capsules(hand, bend)
    return (centres[-1] - centres[-2]) / np.linalg.norm(centres[-1] - centres[-2])


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("bend", [STRAIGHT, WristBend(0.8, -0.2), WristBend(-0.8, 0.3)])
def test_the_surface_is_closed_and_the_hand_unchanged(hands, forearms, side, bend):
    hand = rest(hands, side)
    points = forearms[side].surface(hand, bend)
    mesh = trimesh.Trimesh(points, forearms[side].faces, process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.euler_number == 2
    assert 7e-4 < mesh.volume < 1.3e-3, "a forearm has most of a litre"
    np.testing.assert_array_equal(points[: len(hand)], hand)


@pytest.mark.parametrize("side", list(Side))
def test_bends_go_where_their_names_say(hands, forearms, side):
    palm, hand = palm_frame(hands[side]), rest(hands, side)
    distal, palmar, radial = (axis.double().numpy() for axis in (palm.distal, palm.palmar, palm.radial))
    assert direction(forearms[side], hand) @ -distal == pytest.approx(1, abs=1e-6)
    flexed = direction(forearms[side], hand, WristBend(0.5, 0.0))
    np.testing.assert_allclose(flexed, -distal * np.cos(0.5) + palmar * np.sin(0.5), atol=1e-6)
    deviated = direction(forearms[side], hand, WristBend(0.0, 0.3))
    np.testing.assert_allclose(deviated, -distal * np.cos(0.3) - radial * np.sin(0.3), atol=1e-6)


def test_it_turns_and_moves_with_the_wrist_whatever_the_fingers_do(hands, forearms):
    model, bend = hands[Side.RIGHT], WristBend(0.3, 0.1)
    generator = torch.Generator().manual_seed(4)
    fingers = 0.6 * torch.rand(1, 45, generator=generator)
    posed = model(torch.tensor([[0.4, -1.1, 0.7]]), fingers, torch.zeros(1, 10), torch.tensor([[0.1, 0.2, 0.3]]))
    R, t = posed.transforms[0, 0, :, :3].numpy(), posed.transforms[0, 0, :, 3].numpy()
    at_rest = forearms[Side.RIGHT].surface(rest(hands, Side.RIGHT), bend)[778:]
    moved = forearms[Side.RIGHT].surface(posed.vertices[0].double().numpy(), bend)[778:]
    assert np.abs(moved - (at_rest @ R.T + t)).max() < 1e-3, "fingers pull at the wrist a little"


def test_a_larger_hand_has_a_larger_forearm(hands, forearms):
    hand = rest(hands, Side.RIGHT)
    small, large = (forearms[Side.RIGHT].surface(size * hand)[-1] for size in (1.0, 1.2))
    np.testing.assert_allclose(large, 1.2 * small, atol=1e-9)


def test_bends_are_natural_repeatable_and_avoid_the_other_arm(hands, forearms, generator):
    right = rest(hands, Side.RIGHT)
    left = rest(hands, Side.LEFT)
    centre = right[forearms[Side.RIGHT].rim].mean(0)
    # the left hand's fingers reach across the right wrist, where a straight right forearm would pass
    forward = direction(forearms[Side.RIGHT], right)
    left = left - left.mean(0) + centre + 0.10 * forward + np.array([0, 0.036, 0])
    pair = {Side.RIGHT: right, Side.LEFT: left}
    assert collision_depth(pair, forearms, dict.fromkeys(Side, STRAIGHT)) > 0.003
    bends, depth = choose_bends(pair, forearms, np.random.default_rng(3))
    assert depth <= 0.002 and depth == collision_depth(pair, forearms, bends)
    assert choose_bends(pair, forearms, np.random.default_rng(3)) == (bends, depth)
    assert all(abs(bend.flexion) <= np.radians(50) and abs(bend.deviation) <= np.radians(20) for bend in bends.values())


def test_when_nothing_helps_the_shallowest_is_told(hands, forearms):
    right = rest(hands, Side.RIGHT)
    left = rest(hands, Side.LEFT)
    left = left - left.mean(0) + right[forearms[Side.RIGHT].rim].mean(0) + 0.01 * direction(forearms[Side.RIGHT], right)
    bends, depth = choose_bends({Side.RIGHT: right, Side.LEFT: left}, forearms, np.random.default_rng(0))
    assert depth > 0.005 and set(bends) == set(Side)
