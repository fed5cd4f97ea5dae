"""The plan: hands in view, every choice repeatable and independent of its neighbours."""

from collections import Counter

import numpy as np
import pytest

from dataset.assets.environments import read_environments
from dataset.rows import camera_of
from dataset.schema import PLAN
from dataset.shards import table_of
from hands.camera import Camera, look_at
from hands.joints import Side
from rendering.views.cameras import ATTEMPTS, TRACKS, UP, CameraConfig, draw_view, towards_body
from rendering.views.framing import Arms, view_fault
from rendering.views.plan import LookConfig, plan_view
from tests.rendering.views.by_rays import inside_share, view_fault_by_rays
from tests.rendering.views.placed_arms import SKINS, make_arms

EXACT = {"track_jitter": 0.0, "roll": 0.0, "offset": 0.0, "min_visible": 0.0, "min_inside": 0.0, "min_area": 0.0}


@pytest.fixture(scope="module")
def arms(hands) -> Arms:
    return make_arms(hands, "prayer")


def rows_of(arms, cameras=None, look=None, pose="prayer-a001", seed=0):
    cameras, look = cameras or CameraConfig(views=6), look or LookConfig()
    planned = [
        plan_view(pose, "train", view, arms, cameras, look, read_environments(), SKINS, seed)
        for view in range(cameras.views)
    ]
    return [row for row, fault in planned if fault is None]


def directions(rows) -> np.ndarray:
    positions = np.stack([camera_of(row).position for row in rows])
    return positions / np.linalg.norm(positions, axis=1, keepdims=True)


def unchecked(monkeypatch) -> None:
    """Every draw stands, whatever it shows."""
    monkeypatch.setattr("rendering.views.cameras.judge", lambda *_: {})


def test_rows_fit_the_schema_and_have_unique_names(arms):
    rows = rows_of(arms)
    assert table_of(rows, PLAN).num_rows == 6
    assert [row["sample_id"] for row in rows] == [f"prayer-a001-v{view:02d}" for view in range(6)]


def test_the_hands_fill_the_share_of_the_image_that_was_asked_for(arms):
    cameras = CameraConfig(views=12, fill=(0.8, 0.8), offset=0.0)
    for row in rows_of(arms, cameras):
        camera = camera_of(row)
        pixels = camera.project(camera.to_camera(arms.hand_points()))
        share = np.abs(pixels - [256, 167]).max(0) / [256, 167]
        assert share.max() == pytest.approx(0.8, abs=1e-6)


def test_forty_views_are_four_tracks_of_ten_places_around_the_origin(arms, monkeypatch):
    unchecked(monkeypatch)
    found = directions(rows_of(arms, CameraConfig(views=40, **EXACT)))
    elevations = np.round(np.degrees(np.arcsin(found[:, 2])), 6)
    azimuths = np.round(np.degrees(np.arctan2(found[:, 1], found[:, 0])), 4)
    assert Counter(elevations.tolist()) == dict.fromkeys(TRACKS, 10)
    for track in TRACKS:
        on_track = np.sort(azimuths[elevations == track])
        np.testing.assert_allclose(np.diff(on_track), 36, atol=1e-3)


@pytest.mark.parametrize("views", [2, 7, 10, 23])
def test_fewer_views_are_spread_over_the_circle_and_never_the_same(arms, monkeypatch, views):
    unchecked(monkeypatch)
    found = directions(rows_of(arms, CameraConfig(views=views, **EXACT)))
    assert len(np.unique(found.round(6), axis=0)) == views
    azimuths = np.sort(np.arctan2(found[:, 1], found[:, 0]).round(6))
    gap = np.diff(azimuths, append=azimuths[0] + 2 * np.pi).max()
    assert gap <= 2 * np.pi * max(1 / min(views, 10), 0.1) * 1.5


def test_dense_tracks_have_as_many_places_as_asked(arms, monkeypatch):
    unchecked(monkeypatch)
    found = directions(rows_of(arms, CameraConfig(views=144, per_track=36, **EXACT)))
    assert len(np.unique(found.round(6), axis=0)) == 144


@pytest.mark.parametrize("name", ["prayer", "holding_wrist", "clasp", "open_book"])
def test_every_view_shows_both_hands_and_no_end_of_a_forearm(hands, name):
    arms, config = make_arms(hands, name), CameraConfig(views=10)
    rows = rows_of(arms, config)
    assert len(rows) >= 9
    for row in rows:
        camera = camera_of(row)
        assert view_fault_by_rays(arms, camera, config.min_inside, config.min_visible, config.min_area) is None
        for side in Side:
            assert inside_share(arms.hand(side), camera) >= config.min_inside


def camera_at(direction, distance=0.6, fov=30.0) -> Camera:
    return look_at(distance * np.asarray(direction, dtype=float), np.zeros(3), UP, 0.0, np.radians(fov), 512, 334)


def test_bad_views_are_refused_with_the_reason(hands, arms):
    fault = lambda camera, *limits: view_fault(arms, camera, *(limits or (0.6, 0.1, 0.03)))  # noqa: E731
    assert fault(camera_at((0.3, -1, 0.2))) is None
    assert fault(camera_at((0.3, -1, 0.2)), 0.6, 0.1, 0.9).reason == "hands too small in the image"
    assert "inside the image" in fault(camera_at((0.3, -1, 0.2), fov=6)).reason
    elbow = arms.elbows()[0]
    assert fault(camera_at(elbow / np.linalg.norm(elbow), distance=np.linalg.norm(elbow) + 0.02)).reason == (
        "an arm too near the camera"
    )
    assert (
        fault(camera_at((0.3, -1, 0.2), distance=1.2, fov=60), 0.6, 0.1, 0.0).reason == "the end of a forearm is seen"
    )
    flat = make_arms(hands, "palm_over_palm")
    above = view_fault(flat, camera_at((0.01, 0.01, 1)), 0.6, 0.5, 0.03)
    assert above.reason.endswith("hand visible") and above.value < 0.5


def test_a_refused_draw_is_told_in_the_row(arms):
    strict = CameraConfig(views=10, min_visible=0.75)
    planned = [draw_view(arms, view, strict, 0, "prayer-a001") for view in range(10)]
    told = [view for view in planned if view.redrawn]
    assert told and all("visible" in str(fault) or fault.reason for view in told for fault in view.redrawn)
    impossible = draw_view(arms, 0, CameraConfig(views=1, min_area=1.0), 0, "prayer-a001")
    assert impossible.fault.reason == "hands too small in the image" and len(impossible.redrawn) == ATTEMPTS - 1


def test_egocentric_views_come_from_the_person_and_above(hands, arms):
    np.testing.assert_allclose(towards_body(arms), [0, -1, 0], atol=0.35)
    config = CameraConfig(views=20, egocentric=1.0)
    rows = rows_of(arms, config)
    assert len(rows) >= 10 and {row["viewpoint"] for row in rows} == {"egocentric"}
    for row in rows:
        camera = camera_of(row)
        assert 0.2 < np.linalg.norm(camera.position) < 0.56
        assert camera.position[2] > 0.05 and camera.position @ towards_body(arms) > 0
        fov = 2 * np.degrees(np.arctan(config.height / 2 / camera.K[1, 1]))
        assert 45 <= fov <= 75
        elbows = np.stack(arms.elbows())
        below = camera.to_camera(elbows)[:, 1]
        assert (below > -0.05).all(), "the arms come in from below"


def test_a_share_of_views_can_be_egocentric():
    config = CameraConfig(views=40, egocentric=0.25)
    assert sum(config.is_egocentric(view) for view in range(40)) == 10
    assert not any(CameraConfig().is_egocentric(view) for view in range(10))


def test_a_row_does_not_depend_on_other_rows(arms):
    five = rows_of(arms)
    for view in (0, 5):
        alone = draw_view(arms, view, CameraConfig(views=6), 0, "prayer-a001")
        assert np.array_equal(alone.camera.R.ravel(), five[view]["camera"]["R"])
    assert rows_of(arms)[3]["seed"] == five[3]["seed"]
    assert rows_of(arms, seed=1)[3]["seed"] != five[3]["seed"]
    assert {row["hdri"] for row in five} <= {e.id for e in read_environments()}


def test_one_person_has_one_skin_unless_asked_otherwise(arms):
    assert all(row["skin_right"] == row["skin_left"] for row in rows_of(arms))
    mixed = rows_of(arms, CameraConfig(views=20), LookConfig(same_skin=False))
    assert any(row["skin_right"] != row["skin_left"] for row in mixed)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: CameraConfig(views=0),
        lambda: CameraConfig(views=41),
        lambda: CameraConfig(vertical_fov=(40, 20)),
        lambda: CameraConfig(fill=(0, 1)),
        lambda: CameraConfig(egocentric=1.5),
        lambda: CameraConfig(min_inside=-0.1),
    ],
)
def test_impossible_cameras_are_refused(wrong):
    with pytest.raises(ValueError, match=r"camera\."):
        wrong()
