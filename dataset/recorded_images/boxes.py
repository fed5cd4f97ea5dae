"""Boxes around the hands of a recording's images, and which images show a hand at all."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from dataset.recorded_images.recording import Recording, Told
from dataset.recorded_images.surfaces import blocks, pose_of_numbers
from hands.joints import Side
from hands.model import HandModel

MARGIN = 0.1
"""By which part of its longer side a box around joints is larger on each side, where there is no surface. Our choice."""
NEAREST = 0.02
"""Metres: what comes nearer to a camera, or is behind it, has no box that means anything."""


def boxes_of(recording: Recording, hands: dict[Side, HandModel]) -> Recording:
    """The recording with its boxes, without images that show no hand or in which one comes too near to the camera."""
    boxes, near = np.zeros((len(recording), 2, 4), np.float32), np.zeros(len(recording), bool)
    for rows in _by_moment(recording):
        for number, side in enumerate(Side):
            boxes[rows, number], too_near = _boxes(recording, rows, number, hands[side])
            near[rows] |= too_near
    empty = ~near & ~(boxes[..., 2:] > 0).all(-1).any(-1)
    told = _counted(recording.told, {"a hand too near to the camera": near, "no hand in the picture": empty})
    return replace(recording, boxes=boxes, told=told)[(~near & ~empty).nonzero()[0]]


def _counted(told: Told, reasons: dict[str, Bool[np.ndarray, "n"]]) -> Told:
    left_out = told.left_out.copy()
    left_out.update({reason: int(rows.sum()) for reason, rows in reasons.items() if rows.any()})
    return replace(told, left_out=left_out)


def _by_moment(recording: Recording) -> Iterator[Int[np.ndarray, "k"]]:
    """The images, a few at a time; those of one moment follow each other."""
    yield from blocks(np.argsort(recording.moment, kind="stable"))


def _boxes(
    recording: Recording, rows: Int[np.ndarray, "k"], number: int, model: HandModel
) -> tuple[Float[np.ndarray, "k 4"], Bool[np.ndarray, "k"]]:
    moments, own = np.unique(recording.moment[rows], return_inverse=True)
    points, margins = _outlines(recording, moments, number, model)
    camera = recording.camera[rows]
    seen = points[own] @ recording.R[camera].transpose(0, 2, 1) + recording.t[camera][:, None]
    near = seen[..., 2].min(1) < NEAREST
    projected = seen @ recording.K[camera].transpose(0, 2, 1)
    pixels = projected[..., :2] / np.maximum(projected[..., 2:], NEAREST)
    low, high = pixels.min(1), pixels.max(1)
    grown = margins[own][:, None] * (high - low).max(1, keepdims=True)
    low, high = (edge.clip(0, recording.size[camera]) for edge in (low - grown, high + grown))
    there = ((high > low).all(1) & ~near)[:, None]
    return np.where(there, np.concatenate([low, high - low], axis=1), 0).astype(np.float32), near


def _outlines(
    recording: Recording, moments: Int[np.ndarray, "k"], number: int, model: HandModel
) -> tuple[Float[np.ndarray, "k p 3"], Float[np.ndarray, "k"]]:
    """Points of one hand at each moment, world, and by how much a box around them must grow.

    They are its surface, or its joints, over and over, where there are no parameters.
    """
    parameters, joints = recording.parameters[moments, number], recording.joints[moments, number]
    known = np.isfinite(parameters).all(1)
    if not known.any():
        return joints.astype(np.float64), np.full(len(moments), MARGIN)
    with torch.no_grad():
        vertices = pose_of_numbers(np.nan_to_num(parameters)).pose(model).vertices.double().numpy()
    over = np.resize(np.arange(joints.shape[1]), vertices.shape[1])
    return np.where(known[:, None, None], vertices, joints[:, over]), np.where(known, 0.0, MARGIN)
