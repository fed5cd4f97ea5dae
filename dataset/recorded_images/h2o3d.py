"""Images of H₂O-3D (Hampali et al., Keypoint Transformer, CVPR 2022): two hands that hold an object.

    train.txt                           lines `{sequence}/{frame}`
    train/{sequence}/rgb/{frame}.jpg    640 × 480
    train/{sequence}/meta/{frame}.pkl   camMat[3, 3] (pixels), handBeta[10], {right,left}HandPose[48], …HandTrans[3],
                                        …HandJoints3D[21, 3], jointValid{Right,Left}[21]

Poses are axis-angle with the mean; metres; OpenGL axes (y up, z towards the camera); joints in MANO's order with the tips
last, thumb to pinky. Of the evaluation split only wrists are published. Format: `README.md`, `vis_H2O3D.py` and
`utils/vis_utils.py` of shreyashampali/ho3d, `data/dataset_h2o3d.py` of shreyashampali/kypt_transformer. These disagree on the
left hand's `shapedirs` (all of them negated by `setup_mano.py` of the first, x alone by the second, for the same numbers),
so the file itself decides: of the left hands there are, the one that gives its joints is taken. Pickles are parsed without
executing anything. Nothing public says whether pixel centres are whole numbers: `camMat` is taken as it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from dataset.errors import InputError
from dataset.readers.checks import angles, entry, metres, numbers, shape
from dataset.readers.conventions import nearest_hand, with_unmended_shapedirs
from dataset.readers.frame import Fault, PlacedHand, Refusal, attempt
from dataset.readers.pickled_arrays import pickled_arrays
from dataset.recorded_images.recorded_image import LeftOut, RecordedImage
from dataset.rows import in_camera_frame
from hands.camera import Camera
from hands.joints import FROM_MANO_WITH_TIPS, JOINTS_21, Side
from hands.model import HandModel
from hands.pose import HandPose

SUBSETS = ("train",)
WIDTH, HEIGHT = 640, 480
TOLERANCE_MM = 1.0
"""Largest mean distance between the file's joints and the ones that its parameters give (fingertips, which are other
vertices there, apart)."""
_OPENGL = np.diag([1.0, -1.0, -1.0])
_PARTS = ("Pose", "Trans", "Joints3D")
_KEYS = ("camMat", "handBeta", *(f"{side}Hand{part}" for side in Side for part in _PARTS))
_VALID = {Side.RIGHT: "jointValidRight", Side.LEFT: "jointValidLeft"}
_NO_TIPS = [number for number, name in enumerate(JOINTS_21) if not name.endswith("_tip")]


def files(folder: Path, subset: str) -> dict[str, Path]:
    """The list of the frames, and their parameter files that are there.

    Raises:
        InputError: the list is missing, or there is no such subset.
    """
    listed = {name: folder / _meta(subset, name) for name in _frames(folder, subset)}
    return {f"{subset}.txt": folder / f"{subset}.txt"} | {name: path for name, path in listed.items() if path.is_file()}


def read(folder: Path, subset: str, hands: dict[Side, HandModel]) -> Iterator[RecordedImage | Fault | LeftOut]:
    """Every frame of the list."""
    reader = _Reader(hands)
    for frame in _frames(folder, subset):
        name, place = f"h2o3d-{subset}-{frame.replace('/', '-')}", _place(subset, frame, "rgb", "jpg")
        found = attempt(name, _meta(subset, frame), lambda f=frame: reader.frame(folder / _meta(subset, f)))
        if isinstance(found, Fault | LeftOut):
            yield found
        elif not (folder / place).is_file():
            yield Fault(name, place, "", "missing file")
        else:
            yield RecordedImage(name, place, found[0], name, found[1], subset)


def _frames(folder: Path, subset: str) -> list[str]:
    if subset not in SUBSETS:
        raise InputError(f"the subset is '{subset}'; of H2O-3D only train is published with both hands' poses")
    path = folder / f"{subset}.txt"
    if not path.is_file():
        raise InputError(f"{folder}: holds no {subset}.txt; docs/recorded-images.md says which files are needed")
    lines = [line.strip() for line in path.read_text().splitlines()]
    return [line for line in lines if line.count("/") == 1 and ".." not in line and not line.startswith("/")]


def _place(subset: str, frame: str, kind: str, suffix: str) -> str:
    sequence, number = frame.split("/")
    return f"{subset}/{sequence}/{kind}/{number}.{suffix}"


def _meta(subset: str, frame: str) -> str:
    return _place(subset, frame, "meta", "pkl")


@dataclass
class _Reader:
    """Reads frames and finds out which left hand is meant; what held for the last frame is tried first."""

    hands: dict[Side, HandModel]
    models: dict[Side, list[HandModel]] = field(init=False)
    """Hands to try: ours, and for the left one those with `shapedirs` as published, and as published but negated."""

    def __post_init__(self) -> None:
        published = with_unmended_shapedirs(self.hands[Side.LEFT].arrays)
        others = [HandModel(published), HandModel(replace(published, shapedirs=-published.shapedirs))]
        self.models = {Side.RIGHT: [self.hands[Side.RIGHT]], Side.LEFT: [self.hands[Side.LEFT], *others]}

    def frame(self, path: Path) -> LeftOut | tuple[Camera, dict[Side, PlacedHand]]:
        """Camera and hands of a parameter file."""
        stored = pickled_arrays(path, (*_KEYS, *_VALID.values()))
        if not any(f"{side}HandPose" in stored for side in Side):
            return LeftOut("without an annotation")
        if any(key in stored and not np.any(stored[key]) for key in _VALID.values()):
            return LeftOut("without both hands")
        K = numbers(entry(stored, "camMat", ""), "camMat", 3, 3)
        return Camera(K, np.eye(3), np.zeros(3), WIDTH, HEIGHT), {side: self._hand(stored, side) for side in Side}

    def _hand(self, stored: dict[str, np.ndarray], side: Side) -> PlacedHand:
        key = f"{side}HandPose"
        pose = angles(entry(stored, key, ""), key, 48)
        transl = metres(entry(stored, f"{side}HandTrans", ""), f"{side}HandTrans")
        hand = PlacedHand(pose[3:], shape(entry(stored, "handBeta", ""), "handBeta"), pose[:3], transl)
        joints = numbers(entry(stored, f"{side}HandJoints3D", ""), f"{side}HandJoints3D", 21, 3)
        model = self._model(hand, joints[list(FROM_MANO_WITH_TIPS)], side)
        ours = hand if model is self.hands[side] else nearest_hand(hand, model, self.hands[side])
        return _opencv(ours, self.hands[side])

    def _model(self, hand: PlacedHand, joints: Float[np.ndarray, "21 3"], side: Side) -> HandModel:
        errors = []
        for model in list(self.models[side]):
            gaps = np.linalg.norm(_joints(hand, model) - joints, axis=1)[_NO_TIPS]
            errors.append(float(1000 * gaps.mean()))
            if errors[-1] <= TOLERANCE_MM:
                self.models[side].sort(key=lambda other, m=model: other is not m)
                return model
        raise Refusal(f"{side}HandPose", "gives other joints than the file's", min(errors), TOLERANCE_MM)


def _pose(hand: PlacedHand, dtype: torch.dtype) -> HandPose:
    return HandPose(*(torch.as_tensor(value, dtype=dtype)[None] for value in hand.parameters))


def _joints(hand: PlacedHand, model: HandModel) -> Float[np.ndarray, "21 3"]:
    pose = _pose(hand, torch.float32)
    return model.joints_21_alone(pose.global_orient, pose.hand_pose, pose.betas, pose.transl)[0].numpy()


def _opencv(hand: PlacedHand, model: HandModel) -> PlacedHand:
    """The same hand in OpenCV's axes."""
    seen = in_camera_frame(_pose(hand, torch.float64), model, Camera(np.eye(3), _OPENGL, np.zeros(3), WIDTH, HEIGHT))
    return replace(hand, global_orient=seen.global_orient[0].numpy(), transl=seen.transl[0].numpy())
