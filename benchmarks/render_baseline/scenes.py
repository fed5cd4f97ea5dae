"""Varied scenes from what is built in: gestures, environments, skins and directions, all decided by a number."""

from dataclasses import dataclass

import numpy as np

from dataset.assets.environments import bundled_folder
from dataset.assets.gestures import load_gestures
from dataset.assets.hand_files import load_hands
from hands.forearm import choose_bends
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.model import HandModel
from rendering.job import RenderJob
from rendering.labelling.labels import make_labels
from rendering.skin.skins import Skin, load_skins
from rendering.surface import HandSurface
from rendering.views.cameras import CameraConfig, draw_view
from rendering.views.framing import Arms

STRIDES = (7, 3, 5)
"""From scene to scene: gestures, environments, skins; so that few scenes already differ in all three."""


@dataclass(frozen=True, eq=False)
class Scene:
    """One image to be made, and where its hands are."""

    name: str
    job: RenderJob
    coarse: dict[Side, np.ndarray]
    """Posed model vertices (v, 3), metres."""
    hands: np.ndarray
    """Whether a hand is seen (h, w)."""


class Scenes:
    """The built-in hand, its surfaces, and what scenes are made of."""

    def __init__(self) -> None:
        self.models: dict[Side, HandModel] = load_hands(None)
        self.surfaces = {side: HandSurface.build(model.arrays) for side, model in self.models.items()}
        self.gestures = list(load_gestures())
        self.skins: list[Skin] = sorted(load_skins().values(), key=lambda skin: skin.melanin)
        self.maps = sorted(bundled_folder().glob("*.exr"))

    def job(self, number: int, width: int, height: int, samples: int) -> tuple[RenderJob, dict[Side, np.ndarray]]:
        """Scene `number` as a job, and its posed model vertices."""
        draw = np.random.default_rng(number)
        gesture = self.gestures[number * STRIDES[0] % len(self.gestures)]
        pose = gesture_pose(gesture, self.models[Side.RIGHT], self.models[Side.LEFT])
        coarse = {side: pose.side(side).pose(self.models[side]).vertices[0].double().numpy() for side in Side}
        forearms = {side: self.surfaces[side].forearm for side in Side}
        bends, _ = choose_bends(coarse, forearms, draw)
        fine = {side: self.surfaces[side].vertices(coarse[side], bends[side]) for side in Side}
        config = CameraConfig(width=width, height=height)
        view = draw_view(Arms.place(coarse, forearms, bends), number % config.views, config, number, gesture.name)
        skin = self.skins[number * STRIDES[2] % len(self.skins)]
        job = RenderJob(
            right=fine[Side.RIGHT],
            left=fine[Side.LEFT],
            camera=view.camera,
            hdri=self.maps[number * STRIDES[1] % len(self.maps)],
            hdri_rotation=draw.uniform(0, 2 * np.pi),
            hdri_strength=1.0,
            exposure=0.0,
            skin_right=skin,
            skin_left=skin,
            samples=samples,
            seed=number,
        )
        return job, coarse

    def scene(self, number: int, width: int, height: int) -> Scene:
        """Scene `number` with the mask of its hands."""
        job, coarse = self.job(number, width, height, samples=16)
        joints = {side: np.zeros((21, 3)) for side in Side}
        vertices = {Side.RIGHT: job.right, Side.LEFT: job.left}
        labels = make_labels(self.surfaces, vertices, joints, job.camera)
        name = f"{number}-{self.gestures[number * STRIDES[0] % len(self.gestures)].name}-{job.hdri.stem}-{job.skin_right.name}"
        return Scene(name, job, coarse, labels.mask_hands > 0)

    def arrays(self) -> dict[Side, dict[str, np.ndarray]]:
        """What `HandScene` is built of."""
        return {side: {"faces": s.faces, "part": s.part, **s.attributes} for side, s in self.surfaces.items()}
