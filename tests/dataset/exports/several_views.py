"""A dataset of poses that several cameras see, of people with shapes of their own, and of a hand away from the origin."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dataset.assets.hand_files import load_hand
from dataset.manifest import Manifest
from dataset.pictures import photo, png_cell
from dataset.rows import camera_cell, in_camera_frame, pose_cell, pose_of
from dataset.schema import TABLES
from dataset.shards import write_shard
from hands.camera import Camera, look_at
from hands.joints import JointState, Side
from hands.model import HandArrays, HandModel
from tests.dataset.synthetic import CONFIG, make_sample

EYES = ((0.1, -0.5, 0.25), (-0.45, -0.2, 0.3), (0.3, 0.4, 0.35))
PEOPLE = ("ann", "bob", "ann", "cat")
"""Whose hands the poses show."""
SPLITS = {"ann": "train", "bob": "validation", "cat": "train"}


def awkward(arrays: HandArrays) -> HandArrays:
    """MANO has what the free hand has not: a rest wrist away from the origin, pose directions that are no unit matrix."""
    numbers, flip = np.random.default_rng(5), np.array([1.0 if arrays.side is Side.RIGHT else -1.0, 1.0, 1.0])
    turned = np.linalg.qr(numbers.normal(size=(45, 45)))[0]
    shifted = arrays.v_template + flip * np.array([0.096, 0.006, 0.006])
    correctives = 1e-3 * numbers.normal(size=(778, 3, 135))
    return replace(arrays, v_template=shifted, posedirs=correctives, hands_components=turned)


def awkward_hands() -> dict[Side, HandModel]:
    """Both hands."""
    return {side: HandModel(awkward(load_hand(side))) for side in Side}


def write_views(folder: Path, hands: dict[Side, HandModel], rows_per_shard: int = 5) -> Manifest:
    """Four poses with three views each, the views of a pose in different shards, one of the pictures a PNG."""
    samples = [_person(make_sample(number, hands), person) for number, person in enumerate(PEOPLE)]
    images = [_view(sample, eye, hands) for eye in range(len(EYES)) for sample in samples]
    images[4]["image"] = png_cell(np.asarray(photo(images[4]["image"])), "png")
    manifest = Manifest.open(folder, CONFIG)
    for table, rows in {"poses": [sample["poses"] for sample in samples], "images": images}.items():
        for first in range(0, len(rows), rows_per_shard):
            path = manifest.path(table, f"{first // rows_per_shard:05d}")
            manifest.add(table, write_shard(path, rows[first : first + rows_per_shard], TABLES[table]))
    return manifest


def _person(sample: dict, name: str) -> dict:
    sample = copy.deepcopy(sample)
    betas = np.random.default_rng(list(name.encode())).normal(size=10).astype(np.float32)
    for side in Side:
        sample["poses"][side]["betas"] = betas
    sample["poses"]["split"] = SPLITS[name]
    return sample


def _view(sample: dict, eye: int, hands: dict[Side, HandModel]) -> dict:
    """The row of `images` of one view; its picture and masks are those of another camera."""
    pose, row = sample["poses"], copy.deepcopy(sample["images"])
    camera = look_at(np.array(EYES[eye]), np.array([0, 0, 0.03]), np.array([0.0, 0, 1]), 0.1 * eye, 0.6, 256, 192)
    K = camera.K + np.array([[20.0, 0, 9], [0, 0, 60.0 * eye], [0, 0, 0]])
    camera = Camera(K, camera.R, camera.t, camera.width, camera.height)
    row |= {"sample_id": f"{pose['pose_id']}-v{eye:02d}", "split": pose["split"], "camera": camera_cell(camera)}
    row["provenance"]["base_pose"] = f"{pose['base_pose']}, crossed/1"
    for side in Side:
        row[side] |= _labels(pose[side], hands[side], camera)
    return row


def _labels(cell: dict, model: HandModel, camera: Camera) -> dict:
    seen = in_camera_frame(pose_of([cell]), model, camera)
    with torch.no_grad():
        joints = model.joints_21(seen.pose(model))[0].numpy().astype(np.float64)
    pixels = camera.project(joints)
    outside = ((pixels < 0) | (pixels >= (camera.width, camera.height))).any(1)
    inside = np.arange(len(joints)) % JointState.OUTSIDE_IMAGE
    states = np.where(outside, JointState.OUTSIDE_IMAGE, inside).astype(np.int8)
    return pose_cell(seen) | {"joints_3d": joints.ravel(), "joints_2d": pixels.ravel(), "joint_state": states}
