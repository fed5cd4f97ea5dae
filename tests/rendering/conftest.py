"""Two hands in a known pose, their surfaces, and one Blender process for the whole session."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from dataset.assets.environments import bundled_folder
from hands.camera import Camera, look_at
from hands.gestures import Gesture, GestureHand, gesture_pose
from hands.joints import Side
from hands.model import HandModel
from rendering.job import RenderJob
from rendering.skin.skins import load_skins
from rendering.supervisor import Renderer
from rendering.surface import HandSurface

FLAT = {finger: (5.0, 0.0, 8.0, 5.0) for finger in ("thumb", "index", "middle", "ring", "pinky")}


@dataclass(frozen=True, eq=False)
class PosedPair:
    """World vertices (fine) and joints of both hands."""

    vertices: dict[Side, np.ndarray]
    joints: dict[Side, np.ndarray]


@pytest.fixture(scope="session")
def surfaces(hands: dict[Side, HandModel]) -> dict[Side, HandSurface]:
    return {side: HandSurface.build(hands[side].arrays) for side in Side}


@pytest.fixture(scope="session")
def one_before_other(hands, surfaces) -> PosedPair:
    """Left hand behind the right one, seen from the person: the right hides part of the left."""
    right = GestureHand((2.0, -6.0, 0.0), (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), FLAT)
    left = GestureHand((-3.0, 4.0, 1.0), (0.2, 0.0, 1.0), (0.0, -1.0, 0.0), FLAT)
    pose = gesture_pose(Gesture("pair", "", right, left), hands[Side.RIGHT], hands[Side.LEFT])
    posed = {side: pose.side(side).pose(hands[side]) for side in Side}
    return PosedPair(
        {side: surfaces[side].vertices(posed[side].vertices[0].numpy()) for side in Side},
        {side: hands[side].joints_21(posed[side])[0].numpy().astype(float) for side in Side},
    )


@pytest.fixture(scope="session")
def camera() -> Camera:
    eye, target, up = np.array([0.05, -0.6, 0.08]), np.array([0.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])
    return look_at(eye, target, up, 0.1, np.radians(30), 512, 334)


@pytest.fixture(scope="session")
def renderer(surfaces) -> Iterator[Renderer]:
    with Renderer(surfaces, device="CPU", job_timeout=120) as running:
        yield running


@pytest.fixture(scope="session")
def job(one_before_other, camera) -> RenderJob:
    skins = sorted(load_skins().values(), key=lambda skin: skin.melanin)
    return RenderJob(
        right=one_before_other.vertices[Side.RIGHT],
        left=one_before_other.vertices[Side.LEFT],
        camera=camera,
        hdri=bundled_folder() / "city.exr",
        hdri_rotation=0.5,
        hdri_strength=1.0,
        exposure=0.0,
        skin_right=skins[len(skins) // 2],
        skin_left=skins[2],
        samples=4,
        seed=7,
    )
