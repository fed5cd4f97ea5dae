"""The plan: hands in view, every choice repeatable and independent of its neighbours."""

import math

import numpy as np
import pytest

from dataset.environments import read_environments
from dataset.plan import CameraConfig, LookConfig, draw_camera, plan_pose
from dataset.rows import camera_of
from dataset.schema import PLAN
from dataset.shards import table_of

SKINS = ["pale", "tan", "dark"]
FOREARMS = np.array([[0.6, -0.8, 0.0], [-0.6, -0.8, 0.0]])


@pytest.fixture
def points(generator) -> np.ndarray:
    """A cloud as large as two hands, off centre."""
    return generator.normal([0.02, -0.01, 0.03], [0.08, 0.04, 0.06], (500, 3)).clip(-0.15, 0.15)


def plan(points, cameras=None, look=None, pose="prayer-a001", seed=0):
    cameras, look = cameras or CameraConfig(views=6), look or LookConfig()
    return plan_pose(pose, "train", points, FOREARMS, cameras, look, read_environments(), SKINS, seed)


def test_rows_fit_the_schema_and_have_unique_names(points):
    rows = plan(points)
    assert table_of(rows, PLAN).num_rows == 6
    assert [row["sample_id"] for row in rows] == [f"prayer-a001-v{view:02d}" for view in range(6)]


def test_the_hands_fill_the_share_of_the_image_that_was_asked_for(points):
    cameras = CameraConfig(views=12, fill=(0.8, 0.8), offset=0.0)
    for row in plan(points, cameras):
        camera = camera_of(row)
        pixels = camera.project(camera.to_camera(points))
        share = np.abs(pixels - [256, 167]).max(0) / [256, 167]
        assert math.isclose(share.max(), 0.8, abs_tol=1e-6)


def test_cameras_go_around_the_hands_on_four_tracks(points):
    cameras = [camera_of(row) for row in plan(points, CameraConfig(views=12, end_on=0))]
    direction = np.array([c.position / np.linalg.norm(c.position) for c in cameras])
    azimuths = np.sort(np.arctan2(direction[:, 1], direction[:, 0]))
    assert np.diff(azimuths, append=azimuths[0] + 2 * np.pi).max() < 2 * np.pi / 12 * 2
    elevations = np.degrees(np.arcsin(direction[:, 2]))
    assert elevations.min() < -5 and elevations.max() > 45


def test_no_camera_looks_up_the_end_of_a_forearm(points):
    def nearest(end_on: float) -> float:
        cameras = [camera_of(row) for row in plan(points, CameraConfig(views=60, end_on=end_on))]
        direction = np.array([c.position / np.linalg.norm(c.position) for c in cameras])
        return float(np.degrees(np.arccos((direction @ FOREARMS.T).max())))

    assert nearest(0) < 30
    assert nearest(45) > 40  # the aim is a little off the hands' centre, the direction is not


def test_a_row_does_not_depend_on_other_rows(points):
    environments = read_environments()
    five = plan(points)
    for view in (0, 5):
        alone = draw_camera(points, FOREARMS, view, CameraConfig(views=6), 0, "prayer-a001")
        assert np.array_equal(alone.R.ravel(), five[view]["camera"]["R"])
    assert plan(points)[3]["seed"] == five[3]["seed"]
    assert plan(points, seed=1)[3]["seed"] != five[3]["seed"]
    assert {row["hdri"] for row in five} <= {e.id for e in environments}


def test_one_person_has_one_skin_unless_asked_otherwise(points):
    assert all(row["skin_right"] == row["skin_left"] for row in plan(points))
    mixed = plan(points, CameraConfig(views=30), LookConfig(same_skin=False))
    assert any(row["skin_right"] != row["skin_left"] for row in mixed)


@pytest.mark.parametrize(
    "wrong",
    [lambda: CameraConfig(views=0), lambda: CameraConfig(vertical_fov=(40, 20)), lambda: CameraConfig(fill=(0, 1))],
)
def test_impossible_cameras_are_refused(wrong):
    with pytest.raises(ValueError, match=r"camera\."):
        wrong()
