"""Exact labels of one image, from the surfaces that Cycles draws: masks, parts, depth, joints and what hides them."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image
from scipy import ndimage

from hands.camera import Camera
from hands.joints import JOINTS_21, JointState, Side
from rendering.skin_map import vertex_normals
from rendering.surface import HandSurface

SIDES = (Side.RIGHT, Side.LEFT)
FINGERTIPS = tuple(number for number, name in enumerate(JOINTS_21) if name.endswith("_tip"))
TIP_INSET = 0.001
"""Metres by which a fingertip, a point of the surface, is moved inside before asking what hides it."""
DEPTH_UNIT = 1e-4
"""Metres per step of the 16-bit depth picture."""


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
    """Where the hand would be seen if it were alone."""
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
    """0 none, 1–16 parts of the right hand, 17–32 of the left."""
    depth: Float[np.ndarray, "h w"]
    """Metres along the optical axis to the nearest hand at the pixel's centre, 0 for none."""


def make_labels(
    surfaces: dict[Side, HandSurface],
    vertices: dict[Side, Float[np.ndarray, "n 3"]],
    joints: dict[Side, Float[np.ndarray, "21 3"]],
    camera: Camera,
) -> Labels:
    """Labels of two posed hands: fine vertices and the dataset's 21 joints, both in the world, metres."""
    meshes = {side: trimesh.Trimesh(vertices[side], surfaces[side].faces, process=False) for side in SIDES}
    views = {side: _amodal_view(meshes[side], camera) for side in SIDES}
    depths = np.stack([np.where(views[side][0] >= 0, views[side][1], np.inf) for side in SIDES])
    nearest, depth = depths.argmin(axis=0), depths.min(axis=0)
    seen = np.isfinite(depth)
    mask_hands = np.where(seen, nearest + 1, 0).astype(np.uint8)
    parts = np.stack([surfaces[side].part[views[side][0]] + 1 + 16 * number for number, side in enumerate(SIDES)])
    mask_parts = np.where(seen, np.take_along_axis(parts, nearest[None], 0)[0], 0).astype(np.uint8)
    hands = {}
    for number, side in enumerate(SIDES):
        amodal = views[side][0] >= 0
        visible = int((mask_hands == number + 1).sum())
        in_camera = camera.to_camera(joints[side])
        hands[side] = HandLabels(
            joints_3d=in_camera,
            joints_2d=camera.project(in_camera),
            joint_state=joint_states(side, meshes, surfaces, joints[side], camera),
            mask_amodal=amodal,
            bbox=outline_box(vertices[side], camera),
            visible_fraction=visible / int(amodal.sum()) if amodal.any() else 0.0,
        )
    return Labels(hands, mask_hands, mask_parts, np.where(seen, depth, 0.0).astype(np.float32))


def joint_states(
    side: Side,
    meshes: dict[Side, trimesh.Trimesh],
    surfaces: dict[Side, HandSurface],
    joints: Float[np.ndarray, "21 3"],
    camera: Camera,
) -> UInt8[np.ndarray, "21"]:
    """Why each joint can or cannot be seen.

    Joints lie inside the hand: one is visible when the line of sight enters the own surface exactly once before it and
    the other hand is not in front. A line that entered, left and entered again passes another finger: hidden.
    """
    points = np.array(joints, dtype=np.float64)
    points[list(FINGERTIPS)] = _inside_tips(meshes[side], points[list(FINGERTIPS)])
    own = _crossings(meshes[side], camera.position, points)
    other = _crossings(meshes[side.other], camera.position, points)
    own_first = np.array([min(distances, default=np.inf) for distances, _ in own])
    other_first = np.array([min(distances, default=np.inf) for distances, _ in other])
    entries = np.array([entries for _, entries in own])
    states = np.where(entries > 1, JointState.HIDDEN_BY_SAME_HAND, JointState.VISIBLE)
    states[other_first < own_first] = JointState.HIDDEN_BY_OTHER_HAND
    states[~_in_image(joints, camera)] = JointState.OUTSIDE_IMAGE
    return states.astype(np.uint8)


def outline_box(vertices: Float[np.ndarray, "n 3"], camera: Camera) -> Float[np.ndarray, "4"]:
    """x, y, width, height of the projected surface clipped to the image, pixels; zeros when nothing is inside."""
    in_camera = camera.to_camera(vertices)
    pixels = camera.project(in_camera[in_camera[:, 2] > 0.01])
    if not len(pixels):
        return np.zeros(4)
    size = np.array([camera.width, camera.height], dtype=float)
    low, high = pixels.min(axis=0).clip(0, size), pixels.max(axis=0).clip(0, size)
    return np.concatenate([low, high - low]) if (high > low).all() else np.zeros(4)


def encode_mask(mask: UInt8[np.ndarray, "h w"] | Bool[np.ndarray, "h w"]) -> bytes:
    """A lossless 8-bit PNG; true becomes 1."""
    return _png(np.asarray(mask, dtype=np.uint8))


def encode_depth(depth: Float[np.ndarray, "h w"]) -> bytes:
    """A 16-bit PNG in steps of 0.1 mm (up to 6.5 m); 0 stays none."""
    return _png((depth / DEPTH_UNIT).round().clip(0, 65535).astype(np.uint16))


def decode(png: bytes) -> np.ndarray:
    """The array of an encoded mask or depth picture (depth in steps of 0.1 mm)."""
    return np.asarray(Image.open(BytesIO(png)))


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


def _png(array: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(array).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def _amodal_view(mesh: trimesh.Trimesh, camera: Camera) -> tuple[Int[np.ndarray, "h w"], Float[np.ndarray, "h w"]]:
    """Face (or -1) and camera depth that each pixel's centre sees of one hand alone."""
    rays = camera.pixel_rays()
    position = np.tile(camera.position, (len(rays), 1))
    faces = mesh.ray.intersects_first(position, rays)
    hit = faces >= 0
    depth = np.zeros(len(rays))
    depth[hit] = _plane_distance(mesh, faces[hit], position[hit], rays[hit])
    shape = (camera.height, camera.width)
    return faces.reshape(shape), depth.reshape(shape)


def _plane_distance(mesh: trimesh.Trimesh, faces: np.ndarray, origins: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """How many ray lengths away each ray meets its face's plane; embree's own distances are single precision."""
    a, b, c = mesh.triangles[faces].transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    return ((a - origins) * normals).sum(1) / (rays * normals).sum(1)


def _crossings(
    mesh: trimesh.Trimesh, origin: Float[np.ndarray, "3"], points: Float[np.ndarray, "k 3"]
) -> list[tuple[list[float], int]]:
    """For each point: where its line of sight crosses the surface (0 camera, 1 point), and how often it enters."""
    rays = points - origin
    a, b, c = mesh.triangles.transpose(1, 0, 2)
    result = []
    for ray in rays:
        share, enters = _line_crossings(a - origin, b - origin, c - origin, ray)
        before = share < 1
        result.append((share[before].tolist(), int(enters[before].sum())))
    return result


def _line_crossings(a: np.ndarray, b: np.ndarray, c: np.ndarray, ray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Signed volumes decide exactly and consistently between neighbours which triangles a line from 0 crosses."""
    sides = np.stack([np.cross(b, c) @ ray, np.cross(c, a) @ ray, np.cross(a, b) @ ray])
    through = (sides >= 0).all(0) | (sides < 0).all(0)
    normals = np.cross(b[through] - a[through], c[through] - a[through])
    towards = normals @ ray
    share = (a[through] * normals).sum(1) / np.where(towards == 0, 1e-300, towards)
    ahead = share > 0
    return share[ahead], towards[ahead] < 0


def _inside_tips(mesh: trimesh.Trimesh, tips: Float[np.ndarray, "5 3"]) -> Float[np.ndarray, "5 3"]:
    nearest = np.linalg.norm(mesh.vertices[None] - tips[:, None], axis=2).argmin(axis=1)
    return tips - TIP_INSET * vertex_normals(np.asarray(mesh.vertices), np.asarray(mesh.faces))[nearest]


def _in_image(points: Float[np.ndarray, "k 3"], camera: Camera) -> Bool[np.ndarray, "k"]:
    in_camera = camera.to_camera(points)
    pixels = camera.project(in_camera)
    inside = (pixels >= 0).all(axis=1) & (pixels < [camera.width, camera.height]).all(axis=1)
    return inside & (in_camera[:, 2] > 0)
