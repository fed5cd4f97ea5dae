"""Rerun recordings: samples to look at and to query, in the viewer or by its data frame.

    {shard}-{number}.rrd        up to 100 samples, one a step of the timeline `sample`; all files are one recording
        world/camera            where the camera stands, world frame
            image               pinhole camera and picture; below it mask_hands, mask_parts, depth, normals where there are any,
                                and right, left: joints in pixels
            right, left         joints and surface in the camera frame, metres
        sample                  the facts of the row in words

The content depends on the rows alone, the bytes do not: Rerun writes the time of logging beside every entry.
Rerun: https://rerun.io; a recording of version 0.23 opens in the viewer of the same version.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import rerun as rr
import rerun.blueprint as rrb
import torch
from rerun.components import AnnotationContextBatch

from dataset.atomic import atomic_write
from dataset.exports.cells import mask, picture_suffix
from dataset.exports.job import fingerprint
from dataset.exports.numbers import keep_numbers, numbers_before
from dataset.inspection.overlay import FINGER_COLOURS, HAND_COLOURS, Colour, joint_colour
from dataset.manifest import Manifest
from dataset.pictures import DEPTH_UNIT
from dataset.rows import camera_of, joints_2d, joints_3d, pose_of
from dataset.shards import Row
from hands.joints import BONES_21, JOINTS_21, MANO_JOINTS, JointState, Side
from hands.mesh import vertex_normals
from hands.model import HandModel

APPLICATION = "render-ih"
TIMELINE = "sample"
SAMPLES_A_FILE = 100
"""A viewer loads a whole file, and until it is written a file is held in memory."""
CLASS = {Side.RIGHT: 1, Side.LEFT: 2}
"""Hand to class, which is its value in `mask_hands`."""
IMAGE = "world/camera/image"
_FRUSTUM = 0.1
"""Length of the drawn camera, metres: short, so that it does not hide the hands."""
_MEDIA = {".jpg": "image/jpeg", ".png": "image/png"}
_PALM: Colour = (225, 215, 205)
_FOREARM: Colour = (128, 124, 122)
_FOREARMS = {33: "right forearm", 34: "left forearm"}
_FACTS = ("sample_id", "split", "pose_id", "viewpoint", "interaction", "render", "provenance")

Class = dict[str, Any]
"""A class of masks or joints: its number, name and colour, and the joints and bones that it consists of."""


@dataclass(frozen=True, eq=False)
class RerunRecordings:
    """Writes recordings."""

    manifest: Manifest
    hands: Mapping[Side, HandModel]
    columns: ClassVar[None] = None

    def write_shard(self, name: str, rows: Iterator[Row], folder: Path) -> None:
        """The shard's samples, so many a file; numbers go on where the shards before it ended."""
        number = first = numbers_before(folder, name).get(TIMELINE, 0)
        recording = f"{APPLICATION}-{fingerprint(self.manifest)[:12]}"
        while block := list(islice(rows, SAMPLES_A_FILE)):
            file = folder / f"{name}-{(number - first) // SAMPLES_A_FILE:03d}.rrd"
            write_recording(file, block, self.hands, recording, number)
            number += len(block)
        keep_numbers(folder, name, {TIMELINE: number})

    def finish(self, folder: Path, shards: Sequence[str]) -> None:
        """Nothing is left to be joined."""


def write_recording(
    path: Path, rows: Iterable[Row], hands: Mapping[Side, HandModel], name: str | None = None, first: int = 0
) -> None:
    """A recording of some rows of `images`, or a file of one; no viewer is started and nothing is sent.

    Args:
        path: file to write.
        rows: with all columns.
        hands: the models of the dataset.
        name: of the recording, else the file's; files of one name that are opened together are one recording.
        first: number of the first row on the timeline; 0 adds the arrangement of the viewer's windows.

    Raises:
        InputError: a mask cannot be decoded, the disk is full, or the folder cannot be written.
    """
    name = name or path.stem
    # Rerun 0.23 keeps megabytes of every new name, and of every arrangement, until the process ends.
    recording = rr.RecordingStream(APPLICATION, recording_id=name, send_properties=False)
    stream = recording.binary_stream()
    recording.send_recording_name(name)
    if first == 0:
        recording.send_blueprint(_layout())
    log_labels(recording)
    for number, row in enumerate(rows, first):
        recording.set_time(TIMELINE, sequence=number)
        log_sample(recording, row, hands)
    atomic_write(path, stream.read())


def log_labels(recording: rr.RecordingStream) -> None:
    """What holds for all samples: the world's vertical, names and colours of hands, joints and parts."""
    recording.log("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    recording.log("world", _context([_NOTHING, *map(_hand_class, Side)]), static=True)
    recording.log(f"{IMAGE}/mask_parts", _context(_part_classes()), static=True)


def log_sample(recording: rr.RecordingStream, row: Row, hands: Mapping[Side, HandModel]) -> None:
    """A row of `images` at the recording's current time.

    Args:
        recording: gets it; `log_labels` should have been called once before.
        row: with all columns.
        hands: the models of the dataset.
    """
    camera, picture = camera_of(row), row["image"]["bytes"]
    placed = rr.Transform3D(translation=camera.position, mat3x3=camera.R.T)
    pinhole = rr.Pinhole(
        image_from_camera=camera.K,
        resolution=[camera.width, camera.height],
        camera_xyz=rr.ViewCoordinates.RDF,
        image_plane_distance=_FRUSTUM,
    )
    recording.log("world/camera", placed)
    recording.log(IMAGE, pinhole, rr.EncodedImage(contents=picture, media_type=_MEDIA[picture_suffix(picture)]))
    _log_maps(recording, row)
    for side in Side:
        _log_hand(recording, row[side], side, hands[side])
    recording.log("sample", rr.TextDocument(_facts(row), media_type=rr.MediaType.MARKDOWN))


def _log_maps(recording: rr.RecordingStream, row: Row) -> None:
    for column in ("mask_hands", "mask_parts"):
        recording.log(f"{IMAGE}/{column}", rr.SegmentationImage(mask(row, column).astype(np.uint8)))
    depth = mask(row, "depth").astype(np.uint16)
    recording.log(f"{IMAGE}/depth", rr.DepthImage(depth, meter=1 / DEPTH_UNIT))
    if row["normals"] is not None:
        recording.log(f"{IMAGE}/normals", rr.EncodedImage(contents=row["normals"]["bytes"], media_type="image/png"))


def _log_hand(recording: rr.RecordingStream, hand: Row, side: Side, model: HandModel) -> None:
    """Hidden joints are drawn smaller."""
    visible = np.asarray(hand["joint_state"]) == JointState.VISIBLE
    about = {"class_ids": CLASS[side], "keypoint_ids": range(len(JOINTS_21)), "show_labels": False}
    pixels = rr.Points2D(joints_2d(hand), radii=np.where(visible, 3.0, 1.5), **about)
    states = rr.AnyValues(joint_state=np.asarray(hand["joint_state"], dtype=np.int8))
    recording.log(f"{IMAGE}/{side}", pixels, states)
    metres = rr.Points3D(joints_3d(hand), radii=np.where(visible, 0.003, 0.0015), **about)
    recording.log(f"world/camera/{side}/joints", metres)
    with torch.no_grad():
        vertices = pose_of([hand], model.v_template.dtype).pose(model).vertices
        normals = vertex_normals(vertices, model.faces)
    surface = rr.Mesh3D(
        vertex_positions=vertices[0].numpy(),
        triangle_indices=model.arrays.faces,
        vertex_normals=normals[0].numpy(),
        albedo_factor=HAND_COLOURS[side],
    )
    recording.log(f"world/camera/{side}/surface", surface)


def _context(classes: Sequence[Class]) -> rr.AnnotationContext:
    """Built as an Arrow array: from its own classes Rerun 0.23 builds none beside NumPy 1."""
    described = [{"class_id": about["info"]["id"], "class_description": about} for about in classes]
    return rr.AnnotationContext(pa.array([described], AnnotationContextBatch._ARROW_DATATYPE))


def _hand_class(side: Side) -> Class:
    return {
        "info": _info(CLASS[side], f"{side} hand", HAND_COLOURS[side]),
        "keypoint_annotations": [_info(n, name, joint_colour(n)) for n, name in enumerate(JOINTS_21)],
        "keypoint_connections": [{"keypoint0": a, "keypoint1": b} for a, b in BONES_21],
    }


def _part_classes() -> list[Class]:
    """Parts in their finger's colour, darker towards the palm; the left hand's are darker than the right hand's."""
    infos = [_NOTHING["info"], *(_info(part, label, _FOREARM) for part, label in _FOREARMS.items())]
    for first, side, shade in ((1, Side.RIGHT, 1.0), (17, Side.LEFT, 0.6)):
        for joint, name in enumerate(MANO_JOINTS):
            finger, _, segment = name.partition("_")
            light = shade * (0.55 + 0.15 * int(segment or 3))
            red, green, blue = FINGER_COLOURS.get(finger, _PALM)
            colour = (int(light * red), int(light * green), int(light * blue))
            infos.append(_info(first + joint, f"{side} {name}", colour))
    return [{"info": info, "keypoint_annotations": [], "keypoint_connections": []} for info in infos]


def _info(number: int, label: str, colour: Colour) -> dict[str, Any]:
    return {"id": number, "label": label, "color": int.from_bytes((*colour, 255))}


_NOTHING: Class = {"info": _info(0, "none", (0, 0, 0)), "keypoint_annotations": [], "keypoint_connections": []}


def _layout() -> rrb.Blueprint:
    """Picture with joints, maps and space side by side."""
    picture = rrb.Spatial2DView(origin=IMAGE, contents=[IMAGE, *(f"{IMAGE}/{side}" for side in Side)], name="image")
    maps = [
        rrb.Spatial2DView(origin=IMAGE, contents=[f"{IMAGE}/{name}"], name=name)
        for name in ("mask_hands", "mask_parts", "depth")
    ]
    space = rrb.Spatial3DView(origin="world", contents=["world/**", f"- {IMAGE}/**", f"+ {IMAGE}"], name="space")
    facts = rrb.TextDocumentView(origin="sample", name="sample")
    views = rrb.Horizontal(rrb.Vertical(picture, rrb.Tabs(*maps)), rrb.Vertical(space, facts))
    return rrb.Blueprint(views, rrb.SelectionPanel(state="collapsed"), rrb.TimePanel(state="collapsed"))


def _facts(row: Row) -> str:
    lines = ["| column | value |", "|---|---|"]
    for name in _FACTS:
        group = row[name] if isinstance(row[name], Mapping) else {"": row[name]}
        lines += [f"| {f'{name}.{key}'.rstrip('.')} | {value} |" for key, value in group.items()]
    return "\n".join(lines)
