"""What a page knows of its samples, as values that JSON can hold: pictures and arrays in base64, the rest as numbers."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from dataset.inspection.overlay import HAND_COLOURS, joint_colour, legend, mask_layer
from dataset.pictures import DEPTH_UNIT, png_cell, values
from dataset.rows import camera_of, joints_2d, joints_3d
from dataset.viewer.scene import corner_rays, face_parts, middle, projection_matrix, surface, to_world, view_matrix
from dataset.viewer.table import fields
from hands.camera import Camera
from hands.joints import BONES_21, JOINTS_21, MANO_JOINTS, Side
from hands.model import HandModel

_HIDDEN_BEHIND = 0.004
"""Metres that a touching vertex may lie behind the depth picture and still count as seen: labels are of a finer surface."""
_PARTS = 35
_LABELS = ("hands", "parts", *(f"{side}_amodal" for side in Side))

Row = Mapping[str, Any]


def constants(hands: Mapping[Side, HandModel]) -> dict[str, Any]:
    """What all samples share: names, colours, and the triangles of both hands."""
    arrays = {str(side): model.arrays for side, model in hands.items()}
    return {
        "joints": JOINTS_21,
        "bones": BONES_21,
        "states": ("visible", "hidden by the same hand", "hidden by the other hand", "outside the image"),
        "parts": _part_names(),
        "jointColours": [joint_colour(joint) for joint in range(len(JOINTS_21))],
        "handColours": {str(side): colour for side, colour in HAND_COLOURS.items()},
        "partColours": _colours("mask_parts", _PARTS),
        "legend": legend(),
        "depthUnit": DEPTH_UNIT,
        "faces": {side: _packed(hand.faces, np.uint16) for side, hand in arrays.items()},
        "faceParts": {side: _packed(face_parts(hand), np.uint8) for side, hand in arrays.items()},
    }


def sample(row: Row, hands: Mapping[Side, HandModel], views: Sequence[Row]) -> dict[str, Any]:
    """One sample; `views` are the images of its pose, this one among them or not."""
    camera = camera_of(row)
    return {
        "id": row["sample_id"],
        "size": (row["width"], row["height"]),
        "photo": _uri(row["image"]["bytes"]),
        "labels": {name: _uri(row[f"mask_{name}"]["bytes"]) for name in _LABELS},
        "depth": _uri(_depth(values(row["depth"]))),
        "camera": _camera(camera) | {"view": view_matrix(camera).ravel().tolist()},
        "projection": projection_matrix(camera).ravel().tolist(),
        "middle": _rounded(middle(row), 5),
        "hands": {str(side): _hand(row, model, camera) for side, model in hands.items()},
        "views": [_view(view) for view in views if view["sample_id"] != row["sample_id"]],
        "fields": fields(row),
    }


def _part_names() -> list[str]:
    """Name of each number of `mask_parts`."""
    return ["", *(f"{side} {joint}" for side in Side for joint in MANO_JOINTS), *(f"{side} forearm" for side in Side)]


def _colours(column: str, count: int) -> list[list[int]]:
    """Colour of each number as the contact sheet paints it."""
    ramp = png_cell(np.arange(count, dtype=np.uint8)[None], column)
    return np.asarray(mask_layer({column: ramp}, column))[0, :, :3].tolist()


def _hand(row: Row, model: HandModel, camera: Camera) -> dict[str, Any]:
    cell, vertices, joints = row[str(model.side)], surface(row, model), joints_3d(row[str(model.side)])
    touching = np.asarray(cell["contact"], dtype=np.int64)
    return {
        "vertices": _packed(to_world(vertices, camera), np.float32),
        "world": _rounded(to_world(joints, camera), 5),
        "camera": _rounded(joints, 5),
        "pixels": _rounded(joints_2d(cell), 2),
        "states": [int(state) for state in cell["joint_state"]],
        "contact": touching.tolist(),
        "touches": _touches(vertices[touching], camera, values(row["depth"])),
    }


def _touches(points: np.ndarray, camera: Camera, depth: Int[np.ndarray, "h w"]) -> list[list[float]]:
    """Pixel of each point, and 1 when nothing is in front of it there, 0 otherwise."""
    pixels = camera.project(points)
    columns, rows = np.floor(pixels).astype(int).T
    inside = (columns >= 0) & (columns < camera.width) & (rows >= 0) & (rows < camera.height)
    nearest = depth[rows.clip(0, camera.height - 1), columns.clip(0, camera.width - 1)] * DEPTH_UNIT
    seen = inside & (points[:, 2] < nearest + _HIDDEN_BEHIND)
    return np.column_stack([pixels.round(1), seen]).tolist()


def _camera(camera: Camera) -> dict[str, Any]:
    return {"position": _rounded(camera.position, 6), "corners": _rounded(corner_rays(camera), 6)}


def _view(row: Row) -> dict[str, Any]:
    return _camera(camera_of(row)) | {"id": row["sample_id"]}


def _depth(depth: Int[np.ndarray, "h w"]) -> bytes:
    """A browser keeps 8 of a picture's 16 bits: the upper ones go to red, the lower ones to green."""
    split: UInt8[np.ndarray, "h w 3"] = np.dstack([depth >> 8, depth & 255, np.zeros_like(depth)]).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(split).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _uri(picture: bytes) -> str:
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def _packed(array: np.ndarray, kind: type[np.generic]) -> str:
    """Little-endian bytes in base64."""
    little = np.dtype(kind).newbyteorder("<")
    return base64.b64encode(np.ascontiguousarray(array, dtype=little).tobytes()).decode()


def _rounded(array: np.ndarray, digits: int) -> list:
    return np.round(np.asarray(array, dtype=np.float64), digits).tolist()
