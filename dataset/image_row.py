"""The finished row of an image: plan, pose, picture and labels brought together."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from dataset.pictures import DEPTH_UNIT, encode_normals, png_cell
from dataset.rows import camera_of, in_camera_frame, pose_cell, pose_of
from hands.joints import Side
from hands.model import HandModel


@runtime_checkable
class HandLabels(Protocol):
    """Labels of one hand, as the renderer's room makes them."""

    joints_3d: np.ndarray
    joints_2d: np.ndarray
    joint_state: np.ndarray
    bbox: np.ndarray
    visible_fraction: float
    mask_amodal: np.ndarray


@runtime_checkable
class ImageLabels(Protocol):
    """Labels of one image."""

    hands: Mapping[Side, HandLabels]
    mask_hands: np.ndarray
    mask_parts: np.ndarray
    depth: np.ndarray
    normals: np.ndarray | None


def image_row(
    plan: Mapping[str, Any],
    pose: Mapping[str, Any],
    models: Mapping[Side, HandModel],
    image: Mapping[str, Any],
    labels: ImageLabels,
    made: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """A row of `images`; `image` is the picture's cell, `made` says how it came about (device, seconds, versions)."""
    name = plan["sample_id"]
    camera = camera_of(plan)
    row = {key: plan[key] for key in ("sample_id", "split", "pose_id", "width", "height", "camera", "viewpoint")}
    row["image"] = dict(image)
    for side in Side:
        parameters = pose_cell(in_camera_frame(pose_of([pose[side]]), models[side], camera))
        of_pose = {key: pose[side][key] for key in ("wrist_bend", "contact")}
        row[str(side)] = parameters | of_pose | _labels_cell(labels.hands[side])
        row[f"mask_{side}_amodal"] = png_cell(labels.hands[side].mask_amodal.astype(np.uint8), f"{name}.{side}_amodal")
    row["mask_hands"] = png_cell(labels.mask_hands, f"{name}.hands")
    row["mask_parts"] = png_cell(labels.mask_parts, f"{name}.parts")
    row["depth"] = png_cell(np.round(labels.depth / DEPTH_UNIT).astype(np.uint16), f"{name}.depth")
    row["normals"] = None if labels.normals is None else png_cell(encode_normals(labels.normals), f"{name}.normals")
    row["interaction"] = {key: pose[key] for key in ("min_distance_mm", "max_penetration_mm", "contact_vertices")}
    look = ("hdri", "hdri_rotation", "hdri_strength", "exposure", "skin_right", "skin_left", "skin_variation")
    row["render"] = {key: plan[key] for key in (*look, "samples", "denoiser", "seed")} | dict(made)
    row["provenance"] = dict(provenance)
    return row


def _labels_cell(hand: HandLabels) -> dict[str, Any]:
    return {
        "joints_3d": hand.joints_3d.astype(np.float32).ravel(),
        "joints_2d": hand.joints_2d.ravel(),
        "joint_state": hand.joint_state.astype(np.int8),
        "bbox": np.asarray(hand.bbox, dtype=np.float32),
        "visible_fraction": hand.visible_fraction,
    }
