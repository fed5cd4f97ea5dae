"""Makes small datasets: real hands and cameras, flat-shaded triangles instead of rendering."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from dataset.assets.hand_files import hand_checksums, load_hands
from dataset.manifest import Manifest
from dataset.pictures import jpeg_cell, png_cell
from dataset.rows import camera_cell, in_camera_frame, pose_cell
from dataset.schema import TABLES
from dataset.shards import write_shard
from dataset.splits import split_contents
from hands.camera import Camera, look_at
from hands.gestures import Gesture, GestureHand, gesture_pose
from hands.joints import JointState, Side
from hands.model import HandModel
from hands.pose import TwoHandPose
from hands.random_streams import stream

CONFIG = {"seed": 7, "camera": {"width": 256, "height": 192}, "views": 1}
UNKNOWN = "0" * 64


def _unbent(number: int) -> dict[Side, dict]:
    """What a hand cell has besides its parameters: no wrist bend, and `5 * number` vertices in contact on both hands."""
    right = 5 * number // 2
    counts = {Side.RIGHT: right, Side.LEFT: 5 * number - right}
    return {side: {"wrist_bend": (0.0, 0.0), "contact": tuple(range(count))} for side, count in counts.items()}


HDRIS = ("studio", "forest", "sunset")
BASES = {"palms": (0.0, 0.35, 0.9), "cross": (-3.0, 0.2, 0.3), "apart": (9.0, 0.1, 0.1)}
"""Gesture name to (palm offset in cm, bend share, turn)."""


def _gesture(name: str, copy: np.random.Generator) -> Gesture:
    offset, bend, turn = BASES[name]
    share = bend * copy.uniform(0.5, 1.5)
    fingers = {f: (60 * share, 3.0, 90 * share, 60 * share) for f in ("index", "middle", "ring", "pinky")}
    fingers["thumb"] = (20 * share, 5.0, 30 * share, 40 * share)
    right = GestureHand((5 + offset / 2, copy.uniform(-1, 1), 0.0), (-turn, 0.4, 1.0), (-1.0, 0.4, 0.2), fingers)
    left = GestureHand((-5 - offset / 2, copy.uniform(-1, 1), 0.0), (turn, 0.4, 1.0), (1.0, 0.4, 0.2), fingers)
    return Gesture(name, name, right, left)


def _rasterise(surfaces: dict[Side, np.ndarray], hands: dict[Side, HandModel], camera: Camera) -> dict[str, np.ndarray]:
    """Painter's algorithm with PIL polygons: colour, hands, parts and depth of the same faces."""
    size = (camera.width, camera.height)
    modes = {"color": "RGB", "hands": "L", "parts": "L", "depth": "I"}
    layers = {name: Image.new(mode, size, (70, 82, 96) if mode == "RGB" else 0) for name, mode in modes.items()}
    pens = {name: ImageDraw.Draw(layer) for name, layer in layers.items()}
    for _, corners, fills in sorted(_faces(surfaces, hands, camera), key=lambda face: -face[0]):
        for name, pen in pens.items():
            pen.polygon(corners, fill=fills[name])
    return {name: np.asarray(layer) for name, layer in layers.items()}


def _faces(surfaces: dict[Side, np.ndarray], hands: dict[Side, HandModel], camera: Camera) -> list[tuple]:
    tones = {Side.RIGHT: (226, 172, 140), Side.LEFT: (176, 120, 92)}
    found = []
    for number, (side, vertices) in enumerate(surfaces.items()):
        arrays, pixels = hands[side].arrays, camera.project(vertices)
        for face in arrays.faces:
            corners = vertices[face]
            normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
            light = 0.45 + 0.55 * abs(normal @ [0.4, -0.6, -0.7]) / np.linalg.norm(normal)
            fills = {
                "color": tuple(int(c * light) for c in tones[side]),
                "hands": number + 1,
                "parts": int(16 * number + 1 + arrays.parts[face[0]]),
                "depth": int(corners[:, 2].mean() * 1e4),
            }
            found.append((corners[:, 2].mean(), [tuple(p) for p in pixels[face].tolist()], fills))
    return found


def _states(pixels: np.ndarray, depths: np.ndarray, number: int, layers: dict[str, np.ndarray]) -> np.ndarray:
    height, width = layers["hands"].shape
    states = np.full(21, JointState.OUTSIDE_IMAGE, dtype=np.int8)
    for joint, (x, y) in enumerate(np.floor(pixels).astype(int)):
        if 0 <= x < width and 0 <= y < height:
            same = layers["hands"][y, x] in (0, number)
            near = layers["depth"][y, x] * 1e-4 > depths[joint] - 0.018
            states[joint] = JointState.VISIBLE if same and near else 1 if same else 2
    return states


def _near_mask(states: np.ndarray, pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A joint beside its own mask cannot count as visible."""
    x, y = np.floor(pixels).astype(int).T
    ok = [
        s != 0 or mask[max(b - 1, 0) : b + 2, max(a - 1, 0) : a + 2].any() for s, a, b in zip(states, x, y, strict=True)
    ]
    return np.where(ok, states, JointState.HIDDEN_BY_OTHER_HAND).astype(np.int8)


def _hand_cell(side: Side, pose, model, camera: Camera, layers: dict, amodal: np.ndarray) -> dict:
    joints = model.joints_21(pose.pose(model))[0].numpy().astype(np.float64)
    joints = joints.astype(np.float32).astype(np.float64)
    number = 1 if side is Side.RIGHT else 2
    mask, pixels = layers["hands"] == number, camera.project(joints)
    with torch.no_grad():
        outline = camera.project(pose.pose(model).vertices[0].double().numpy())
    low, high = (edge.clip(0, (camera.width, camera.height)) for edge in (outline.min(0), outline.max(0)))
    return pose_cell(pose) | {
        "joints_3d": joints.ravel(),
        "joints_2d": pixels.ravel(),
        "joint_state": _near_mask(_states(pixels, joints[:, 2], number, layers), pixels, mask),
        "bbox": np.concatenate([low, high - low]).astype(np.float32),
        "visible_fraction": float(mask.sum() / max(amodal.sum(), 1)),
    }


def _with_person(pose: TwoHandPose, person: int) -> TwoHandPose:
    """Everybody has hands of their own shape."""
    betas = torch.tensor(0.5 * stream(7, "person", person).standard_normal((1, 10)), dtype=torch.float32)
    return TwoHandPose(replace(pose.right, betas=betas), replace(pose.left, betas=betas))


def make_sample(
    number: int, hands: dict[Side, HandModel], width: int = 256, height: int = 192, person: int | None = None
) -> dict[str, dict]:
    """One pose row, its plan row and its image row; every sample shows another person unless one is named."""
    random = stream(7, number)
    base = list(BASES)[number % len(BASES)]
    gesture = gesture_pose(_gesture(base, random), hands[Side.RIGHT], hands[Side.LEFT])
    world = _with_person(gesture, number if person is None else person)
    azimuth, elevation = random.uniform(-2.5, 2.5), random.uniform(-0.3, 0.9)
    eye = 0.55 * np.array(
        [np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)]
    )
    camera = look_at(eye, np.array([0, 0, 0.03]), np.array([0.0, 0, 1]), random.uniform(-0.2, 0.2), 0.6, width, height)
    poses = {side: in_camera_frame(world.side(side), hands[side], camera) for side in Side}
    with torch.no_grad():
        surfaces = {side: poses[side].pose(hands[side]).vertices[0].numpy().astype(np.float64) for side in Side}
        layers = _rasterise(surfaces, hands, camera)
        alone = {side: _rasterise({side: surfaces[side]}, hands, camera)["hands"] > 0 for side in Side}
        rest = _unbent(number)
        labels = {
            side.value: _hand_cell(side, poses[side], hands[side], camera, layers, alone[side]) | rest[side]
            for side in Side
        }
    name, pose_id = f"{number:06d}-0", f"{number:06d}"
    origin = {"source": "gestures", "base_pose": base, "augmentation": number // len(BASES)}
    contact = {"min_distance_mm": float(number % 3), "max_penetration_mm": 0.1 * number, "contact_vertices": 5 * number}
    look = {
        "hdri": HDRIS[number % 3],
        "hdri_rotation": random.uniform(0, 6.28),
        "hdri_strength": 1.0,
        "exposure": 0.0,
        "skin_right": f"skin-{number % 4}",
        "skin_left": f"skin-{number % 4}",
        "skin_variation": 0.0,
        "samples": 16,
        "denoiser": "NONE",
        "seed": number,
    }
    shared = {"sample_id": name, "split": "train", "pose_id": pose_id, "width": width, "height": height}
    shared |= {"camera": camera_cell(camera), "viewpoint": "track"}
    image = (
        shared
        | labels
        | {
            "image": jpeg_cell(layers["color"], name),
            "mask_hands": png_cell(layers["hands"], f"{name}-hands"),
            "mask_parts": png_cell(layers["parts"], f"{name}-parts"),
            "mask_right_amodal": png_cell(alone[Side.RIGHT].astype(np.uint8), f"{name}-right"),
            "mask_left_amodal": png_cell(alone[Side.LEFT].astype(np.uint8), f"{name}-left"),
            "depth": png_cell(layers["depth"].astype(np.uint16), f"{name}-depth"),
            "normals": None,
            "interaction": contact,
            "render": look | {"bpy_version": "4.5.15", "device": "CPU", "seconds": 1.0},
            "provenance": origin | {"config_sha256": UNKNOWN, "code_version": "0"},
        }
    )
    judged = {"limit_excess_deg": 0.0, "naturalness": 0.5, "forearm_depth_mm": 0.0}
    pose = {"pose_id": pose_id, "split": "train"} | origin | contact | judged
    pose |= {side.value: pose_cell(world.side(side)) | rest[side] for side in Side}
    return {"poses": pose, "plan": shared | look | {"view": 0, "redrawn": ""}, "images": image}


def rejected_row(number: int) -> dict:
    """A refused pose."""
    reason = ("penetration", "joint_limit")[number % 2]
    origin = {"pose_id": f"r{number}", "source": "gestures", "base_pose": "cross", "augmentation": number}
    return origin | {"sample_id": "", "stage": "validate", "reason": reason, "value": 4.0 + number, "limit": 3.0}


def write_dataset(folder: Path, samples: list[dict], rows_per_shard: int = 3, hands: dict | None = None) -> Manifest:
    """A whole dataset directory of these samples, of the built-in hands unless others are said."""
    manifest = Manifest.open(folder, CONFIG | {"inputs": {"hands": hand_checksums(hands or load_hands())}})
    tables = {name: [sample[name] for sample in samples] for name in ("poses", "plan", "images")}
    for row in tables["images"]:
        if row["provenance"]["config_sha256"] == UNKNOWN:
            row["provenance"] = row["provenance"] | {"config_sha256": manifest.config_sha256}
    tables["rejected"] = [rejected_row(n) for n in range(5)]
    for table, rows in tables.items():
        for first in range(0, len(rows), rows_per_shard):
            name = f"{first // rows_per_shard:05d}"
            manifest.add(
                table, write_shard(manifest.path(table, name), rows[first : first + rows_per_shard], TABLES[table])
            )
    manifest.finish(split_contents(manifest.paths("images")))
    return manifest
