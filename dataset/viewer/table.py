"""The fields of a row that a person wants to read beside its picture."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hands.joints import JointState, Side

Row = Mapping[str, Any]


def fields(row: Row) -> list[tuple[str, str]]:
    """(name, value with its unit) in reading order."""
    return [*_origin(row), *_view(row), *_look(row), *_hands(row), *_made(row)]


def _origin(row: Row) -> list[tuple[str, str]]:
    origin = row["provenance"]
    return [
        ("sample", row["sample_id"]),
        ("split", row["split"]),
        ("pose", row["pose_id"]),
        ("base pose", f"{origin['base_pose']} ({origin['source']}, copy {origin['augmentation']})"),
    ]


def _view(row: Row) -> list[tuple[str, str]]:
    K, t = row["camera"]["K"], row["camera"]["t"]
    return [
        ("size", f"{row['width']} × {row['height']} px"),
        ("viewpoint", row["viewpoint"]),
        ("focal length", f"{K[0]:.1f}, {K[4]:.1f} px"),
        ("principal point", f"{K[2]:.1f}, {K[5]:.1f} px"),
        ("camera to world's origin", f"{np.linalg.norm(t):.3f} m"),
    ]


def _look(row: Row) -> list[tuple[str, str]]:
    look = row["render"]
    light = (
        f"× {look['hdri_strength']:.2f}, {look['exposure']:+.2f} stops, turned {np.degrees(look['hdri_rotation']):.0f}°"
    )
    return [
        ("environment", look["hdri"]),
        ("light", light),
        ("skins", f"right {look['skin_right']}, left {look['skin_left']}, variation {look['skin_variation']:.2f}"),
    ]


def _hands(row: Row) -> list[tuple[str, str]]:
    meeting = row["interaction"]
    return [
        ("visible fraction", _both(row, lambda hand: f"{hand['visible_fraction']:.0%}")),
        ("visible joints", _both(row, lambda hand: f"{list(hand['joint_state']).count(JointState.VISIBLE)} of 21")),
        ("distance of the hands", f"{meeting['min_distance_mm']:.2f} mm"),
        ("penetration", f"{meeting['max_penetration_mm']:.2f} mm"),
        ("contact", f"{meeting['contact_vertices']} vertices"),
    ]


def _both(row: Row, text: Callable[[Row], str]) -> str:
    return ", ".join(f"{side} {text(row[side])}" for side in Side)


def _made(row: Row) -> list[tuple[str, str]]:
    made, origin = row["render"], row["provenance"]
    return [
        ("rendering", f"{made['samples']} samples, denoiser {made['denoiser']}, seed {made['seed']}"),
        ("rendered by", f"Blender {made['bpy_version']} on {made['device']} in {made['seconds']:.1f} s"),
        ("configuration", origin["config_sha256"][:12]),
        ("program", origin["code_version"]),
    ]
