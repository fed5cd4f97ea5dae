"""Exact labels of one image, from the surfaces that Cycles draws: masks, parts, depth, normals, joints and what hides them.

A hand ends at the wrist's rim, as the hand model does. The forearm that continues it is drawn, hides what is behind it,
and has a part number and a depth of its own; masks of hands, boxes and visible fractions leave it out.
"""

from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int, UInt8
from scipy import ndimage

from hands.camera import Camera
from hands.forearm import FOREARM
from hands.joints import Side
from rendering.labelling.raycast import View, barycentric, cast
from rendering.labelling.visibility import joint_states
from rendering.skin.map import vertex_normals
from rendering.surface import HandSurface

SIDES = (Side.RIGHT, Side.LEFT)
FOREARM_LABEL = 33
"""The right forearm in `mask_parts`; the left one follows."""


@dataclass(frozen=True, eq=False)
class HandLabels:
    """What is known of one hand in one image."""

    joints_3d: Float[np.ndarray, "21 3"]
    """Camera frame, metres."""
    joints_2d: Float[np.ndarray, "21 2"]
    """Pixels."""
    joint_state: UInt8[np.ndarray, "21"]
    """`hands.joints.JointState`."""
    mask_amodal: Bool[np.ndarray, "h w"]
    """Where the hand would be seen if it were alone, without a forearm."""
    bbox: Float[np.ndarray, "4"]
    """x, y, width, height in pixels of the whole hand's outline, clipped to the image; zeros when outside."""
    visible_fraction: float
    """Visible pixels over amodal pixels inside the image; 0 when there are none."""


@dataclass(frozen=True, eq=False)
class Labels:
    """All labels of one image."""

    hands: dict[Side, HandLabels]
    mask_hands: UInt8[np.ndarray, "h w"]
    """0 none, 1 right, 2 left."""
    mask_parts: UInt8[np.ndarray, "h w"]
    """0 none, 1–16 parts of the right hand, 17–32 of the left, 33 and 34 the forearms."""
    depth: Float[np.ndarray, "h w"]
    """Metres along the optical axis to the nearest hand or forearm at the pixel's centre, 0 for none."""
    normals: Float[np.ndarray, "h w 3"] | None
    """Unit normals of the smooth surface, camera frame, 0 for none; None unless asked for."""


def make_labels(
    surfaces: dict[Side, HandSurface],
    vertices: dict[Side, Float[np.ndarray, "n 3"]],
    joints: dict[Side, Float[np.ndarray, "21 3"]],
    camera: Camera,
    normals: bool = False,
) -> Labels:
    """Labels of two posed hands: fine vertices and the dataset's 21 joints, both in the world, metres."""
    meshes = {side: trimesh.Trimesh(vertices[side], surfaces[side].faces, process=False) for side in SIDES}
    views = {side: cast(meshes[side], camera) for side in SIDES}
    depth = np.stack([views[side].depth for side in SIDES])
    nearest, seen = depth.argmin(axis=0), np.isfinite(depth.min(axis=0))
    parts = np.stack([part_labels(surfaces[side], views[side], side) for side in SIDES])
    mask_parts = np.where(seen, np.take_along_axis(parts, nearest[None], 0)[0], 0).astype(np.uint8)
    mask_hands = np.where(seen & (mask_parts < FOREARM_LABEL), nearest + 1, 0).astype(np.uint8)
    hands = {}
    for number, side in enumerate(SIDES, start=1):
        amodal = amodal_mask(surfaces[side], meshes[side], views[side], camera)
        hands[side] = HandLabels(
            joints_3d=(in_camera := camera.to_camera(joints[side])),
            joints_2d=camera.project(in_camera),
            joint_state=joint_states(side, meshes, joints[side], camera),
            mask_amodal=amodal,
            bbox=outline_box(vertices[side][surfaces[side].of_hand], camera),
            visible_fraction=int((mask_hands == number).sum()) / max(int(amodal.sum()), 1),
        )
    facing = _normals(meshes, views, nearest, seen, camera) if normals else None
    return Labels(hands, mask_hands, mask_parts, np.where(seen, depth.min(axis=0), 0.0).astype(np.float32), facing)


def part_labels(surface: HandSurface, view: View, side: Side) -> Int[np.ndarray, "h w"]:
    """`mask_parts` numbers of one side alone; meaningless where it is not seen."""
    part, second = surface.part[view.face], int(side is Side.LEFT)
    return np.where(part == FOREARM, FOREARM_LABEL + second, part + 1 + 16 * second)


def amodal_mask(surface: HandSurface, mesh: trimesh.Trimesh, view: View, camera: Camera) -> Bool[np.ndarray, "h w"]:
    """Where the hand alone would be seen: rays that meet its forearm first are cast again without it."""
    forearm = view.hit & (surface.part[view.face] == FOREARM)
    amodal = view.hit & ~forearm
    if forearm.any():
        hand = trimesh.Trimesh(mesh.vertices, mesh.faces[surface.part < FOREARM], process=False)
        amodal |= cast(hand, camera, only=forearm).hit
    return amodal


def outline_box(vertices: Float[np.ndarray, "n 3"], camera: Camera) -> Float[np.ndarray, "4"]:
    """x, y, width, height of the projected surface clipped to the image, pixels; zeros when nothing is inside."""
    in_camera = camera.to_camera(vertices)
    pixels = camera.project(in_camera[in_camera[:, 2] > 0.01])
    if not len(pixels):
        return np.zeros(4)
    size = np.array([camera.width, camera.height], dtype=float)
    low, high = pixels.min(axis=0).clip(0, size), pixels.max(axis=0).clip(0, size)
    return np.concatenate([low, high - low]) if (high > low).all() else np.zeros(4)


def overlap(labels: Labels, drawn: UInt8[np.ndarray, "h w"], margin: int = 0, least: int = 2000) -> float:
    """Smallest overlap (intersection over union) of a labelled hand with the one that Cycles drew.

    Pixels within `margin` of an outline are not counted: there Cycles covers a pixel in part, and few samples cannot say
    which part is larger. Hands of fewer than `least` counted pixels are left out; 1 when no hand is that large.
    """
    counted = ~_near_outline(labels.mask_hands, margin)
    overlaps = [1.0]
    for number in (1, 2):
        ours, theirs = (labels.mask_hands == number) & counted, (drawn == number) & counted
        if max(ours.sum(), theirs.sum()) >= least:
            overlaps.append(float((ours & theirs).sum() / (ours | theirs).sum()))
    return min(overlaps)


def _near_outline(mask: UInt8[np.ndarray, "h w"], margin: int) -> Bool[np.ndarray, "h w"]:
    size = 2 * margin + 1
    return ndimage.maximum_filter(mask, size) != ndimage.minimum_filter(mask, size)


def _normals(
    meshes: dict[Side, trimesh.Trimesh],
    views: dict[Side, View],
    nearest: Int[np.ndarray, "h w"],
    seen: Bool[np.ndarray, "h w"],
    camera: Camera,
) -> Float[np.ndarray, "h w 3"]:
    """Vertex normals interpolated over the triangles that are seen, in the camera's axes."""
    rays = camera.pixel_rays().reshape(*seen.shape, 3)
    result = np.zeros((*seen.shape, 3), dtype=np.float32)
    for number, side in enumerate(SIDES):
        mine = seen & (nearest == number)
        faces = views[side].face[mine]
        points = camera.position + views[side].depth[mine][:, None] * rays[mine]
        corners = vertex_normals(np.asarray(meshes[side].vertices), np.asarray(meshes[side].faces))
        blended = np.einsum(
            "kc,kcx->kx", barycentric(meshes[side].triangles[faces], points), corners[meshes[side].faces[faces]]
        )
        result[mine] = blended / np.linalg.norm(blended, axis=1, keepdims=True) @ camera.R.T
    return result
