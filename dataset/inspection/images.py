"""What can be counted over images without opening a picture: visibility, sizes, cameras."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from dataset.inspection.batches import Batch, batches
from dataset.inspection.sampling import SAMPLE, Distribution, Survey
from hands.joints import JointState, Side

INTERACTING_MM = 20.0
"""Hands no farther apart than this interact, touching or not: s of RenderIH Eq. 5, where attraction ends."""
EGOCENTRIC = "egocentric"
_NUMBERS = (
    "visible_fraction",
    "size_px",
    "box_px",
    "distance",
    "seconds",
    "hdri_rotation",
    "hdri_strength",
    "exposure",
)
_OF_HANDS = ("joints_3d", "joint_state", "bbox", "visible_fraction")
_COLUMNS = (
    "sample_id",
    "camera.R",
    "viewpoint",
    *(f"{side}.{name}" for side in Side for name in _OF_HANDS),
    "interaction.min_distance_mm",
    "render.seconds",
    "render.hdri_rotation",
    "render.hdri_strength",
    "render.exposure",
)


@dataclass(frozen=True, eq=False)
class ImageFacts:
    """What holds of the images (s sampled ones)."""

    joint_states: Int[np.ndarray, "21 4"]
    """Joints of both hands in each `JointState`."""
    viewpoints: Counter[str]
    """Images from each kind of place."""
    interacting: int
    """Images whose hands touch or are at most `INTERACTING_MM` apart."""
    numbers: dict[str, Distribution]
    """Each hand's visible fraction, size (root of the box's area) and longer side of the box in pixels; camera distance in
    metres; seconds an image took; turn (radians), strength (factor) and exposure (stops) of the light."""
    directions: Float[np.ndarray, "s 3"]
    """Unit vectors from the hands to the camera: x to the person's right, y away from the person, z up."""
    egocentric: Bool[np.ndarray, "s"]
    """Which of the sampled cameras are where the person's own eyes are."""

    @property
    def visible_joints(self) -> float:
        """Share of joints that can be seen; 0 without images."""
        return float(self.joint_states[:, JointState.VISIBLE].sum() / max(self.joint_states.sum(), 1))


def survey_images(paths: Iterable[Path], advance: Callable[[int], None], sample: int = SAMPLE) -> ImageFacts:
    """Read all rows of `images` once, without their pictures.

    Raises:
        InputError: a shard is missing or damaged.
    """
    survey, states = Survey(sample), np.zeros((21, len(JointState)), dtype=np.int64)
    viewpoints: Counter[str] = Counter()
    interacting = 0
    for batch in batches(paths, _COLUMNS):
        states += _states(batch)
        viewpoints.update(batch["viewpoint"].tolist())
        interacting += int((batch["interaction.min_distance_mm"] <= INTERACTING_MM).sum())
        _add(survey, batch)
        advance(len(batch["sample_id"]))
    kept = survey.columns()
    directions, egocentric = kept.get("direction", np.zeros((0, 3))), kept.get("egocentric", np.zeros(0, dtype=bool))
    return ImageFacts(states, viewpoints, interacting, survey.distributions(_NUMBERS), directions, egocentric)


def _add(survey: Survey, batch: Batch) -> None:
    towards = _towards_camera(batch)
    distance = np.linalg.norm(towards, axis=1)
    boxes = np.stack([batch[f"{side}.bbox"] for side in Side], axis=1)[..., 2:].astype(np.float64)
    numbers = {
        "visible_fraction": np.stack([batch[f"{side}.visible_fraction"] for side in Side], axis=1),
        "size_px": np.sqrt(boxes.prod(-1)),
        "box_px": boxes.max(-1),
        "distance": distance,
        **{name: batch[f"render.{name}"] for name in ("seconds", "hdri_rotation", "hdri_strength", "exposure")},
    }
    others = {"direction": towards / distance[:, None], "egocentric": batch["viewpoint"] == EGOCENTRIC}
    survey.add(batch["sample_id"], numbers, others)


def _states(batch: Batch) -> Int[np.ndarray, "21 4"]:
    values = np.concatenate([batch[f"{side}.joint_state"] for side in Side])
    return np.stack([(values == state).sum(0) for state in JointState], axis=1)


def _towards_camera(batch: Batch) -> Float[np.ndarray, "n 3"]:
    """World vectors from the middle of all 42 joints to the camera, metres."""
    joints = np.concatenate([batch[f"{side}.joints_3d"] for side in Side], axis=1).astype(np.float64)
    rotation = batch["camera.R"].reshape(-1, 3, 3)
    centre = joints.reshape(-1, 42, 3).mean(1)
    return -np.einsum("nkj,nk->nj", rotation, centre)  # the camera is the origin of its own frame
