"""Framing: the kernels find what rays find, and a pose's surfaces and views depend on that pose alone."""

from collections import Counter

import numpy as np
import pytest

from dataset.assets.environments import read_environments
from dataset.assets.gestures import load_gestures
from dataset.rows import pose_of
from hands.camera import Camera, look_at
from hands.forearm import Forearm, WristBend
from hands.forearms import forearm_points
from hands.gestures import gesture_pose
from hands.joints import Side
from rendering.views import cameras as drawing
from rendering.views.cameras import UP, CameraConfig, draw_views
from rendering.views.draws import pose_keys
from rendering.views.framing import Arms, view_fault
from rendering.views.plan import LookConfig
from rendering.views.planner import Planner, table_of_poses
from tests.rendering.views.by_rays import view_fault_by_rays
from tests.rendering.views.placed_arms import SKINS, make_arms

LIMITS = (0.6, 0.1, 0.03)


@pytest.fixture(scope="module")
def poses(hands):
    """Every fourth gesture as a row of `poses`, wrists bent."""
    draw, rows = np.random.default_rng(7), []
    for gesture in list(load_gestures())[::4]:
        pose = gesture_pose(gesture, hands[Side.RIGHT], hands[Side.LEFT])
        rows.append({"pose_id": gesture.name, "split": "train"})
        posed = [pose.side(side).pose(hands[side]).vertices[0] for side in Side]
        centre = (np.concatenate(posed).min(0) + np.concatenate(posed).max(0)) / 2
        for side in Side:
            one = pose.side(side)
            rows[-1][str(side)] = {
                "global_orient": one.global_orient[0].numpy(),
                "hand_pose": one.hand_pose[0].numpy(),
                "betas": draw.normal(0, 1, 10),
                "transl": one.transl[0].numpy() - centre,
                "wrist_bend": draw.normal(0, 0.2, 2),
                "contact": (),
            }
    return rows


@pytest.fixture(scope="module")
def planner(hands):
    places = {"train": read_environments()}
    return Planner(hands, CameraConfig(views=6, egocentric=0.34), LookConfig(), places, {"train": SKINS}, seed=5)


def one_by_one(planner, row) -> Arms:
    """The same pose as the hand layer and `Forearm.surface` make it."""
    posed = {side: pose_of([row[str(side)]]).pose(planner.hands[side]).vertices[0].double().numpy() for side in Side}
    return Arms.place(posed, planner.forearms, {side: WristBend(*row[str(side)]["wrist_bend"]) for side in Side})


def test_surfaces_are_those_of_the_hand_layer_and_its_forearm(planner, poses):
    many = planner.arms(table_of_poses(poses))
    for number, row in enumerate(poses):
        np.testing.assert_allclose(many.points[number], one_by_one(planner, row).posed().points[0], atol=2e-6)


def test_a_pose_is_the_same_to_the_bit_in_any_batch(planner, poses):
    many = planner.arms(table_of_poses(poses)).points
    for first, size in ((0, 1), (3, 2), (5, 5)):
        np.testing.assert_array_equal(
            planner.arms(table_of_poses(poses[first : first + size])).points, many[first : first + size]
        )


def test_forearms_of_many_are_those_of_each(hands, generator):
    for side in Side:
        forearm = Forearm.build(hands[side].arrays)
        gestures = [gesture_pose(g, hands[Side.RIGHT], hands[Side.LEFT]).side(side) for g in list(load_gestures())[::6]]
        posed = np.stack([pose.pose(hands[side]).vertices[0].double().numpy() for pose in gestures])
        bends = generator.normal(0, 0.3, (len(posed), 2))
        bends[0] = 0
        added = forearm_points(forearm, np.ascontiguousarray(posed.transpose(0, 2, 1)), bends)
        for hand, bend, points in zip(posed, bends, added, strict=True):
            np.testing.assert_allclose(points.T, forearm.surface(hand, WristBend(*bend))[len(hand) :], atol=1e-12)


def test_kernels_find_what_rays_find(planner, poses, monkeypatch):
    tried, judge = [], drawing.judge
    monkeypatch.setattr(drawing, "judge", lambda *given: tried.append((given, judge(*given))) or tried[-1][1])
    planner.plan(table_of_poses(poses))
    arms, reasons = [one_by_one(planner, row) for row in poses], Counter()
    for (_, cameras, _), faults in tried:
        for number in range(0, len(cameras.pose), 2):
            camera = Camera(cameras.K[number], cameras.R[number], cameras.t[number], cameras.width, cameras.height)
            _same(faults.get(number), view_fault_by_rays(arms[cameras.pose[number]], camera, *LIMITS))
            reasons[getattr(faults.get(number), "reason", "good")] += 1
    assert reasons["good"] > 20 and reasons["the end of a forearm is seen"] > 5


def _same(found, expected):
    assert (found and found.reason) == (expected and expected.reason), (found, expected)
    if found:
        assert found.value == pytest.approx(expected.value, abs=2e-3)


@pytest.mark.parametrize("name", ["prayer", "clasp", "open_book", "palm_over_palm"])
@pytest.mark.parametrize("limits", [LIMITS, (0.0, 0.0, 0.0), (0.0, 0.7, 0.0), (0.0, 0.0, 0.2), (0.9, 0.3, 0.05)])
def test_kernels_find_what_rays_find_from_anywhere(hands, name, limits, generator):
    """Also where arms reach behind the camera, and in upright images."""
    arms = make_arms(hands, name)
    for number in range(40):
        direction = generator.standard_normal(3)
        eye = direction / np.linalg.norm(direction) * generator.uniform(0.08, 0.7)
        size = (512, 334) if number % 2 else (300, 420)
        camera = look_at(eye, generator.normal(0, 0.03, 3), UP, 0.3, generator.uniform(0.3, 1.5), *size)
        _same(view_fault(arms, camera, *limits), view_fault_by_rays(arms, camera, *limits))


def test_views_are_the_same_in_any_batch(planner, poses):
    whole, refused = planner.plan(table_of_poses(poses))
    for row in poses[::3]:
        alone = [planned for planned, fault in planner.views(row) if fault is None]
        assert alone == [planned for planned in whole.to_pylist() if planned["pose_id"] == row["pose_id"]]
    parts = [planner.plan(table_of_poses(poses[first : first + 4])) for first in range(0, len(poses), 4)]
    assert [row for rows, _ in parts for row in rows.to_pylist()] == whole.to_pylist()
    assert [one for _, some in parts for one in some] == refused


def test_one_view_alone_is_the_one_among_many(hands, planner, poses):
    arms, keys = planner.arms(table_of_poses(poses[:1])), pose_keys(5, [poses[0]["pose_id"]])
    together = draw_views(arms, np.zeros(6, int), np.arange(6), planner.cameras, keys)
    for view in range(6):
        alone = draw_views(arms, np.zeros(1, int), np.array([view]), planner.cameras, keys)[0]
        np.testing.assert_array_equal(alone.camera.R, together[view].camera.R)
        np.testing.assert_array_equal(alone.camera.t, together[view].camera.t)
