"""The tables of a dataset: every column with its type, unit and meaning, declared once.

From this come the Parquet schemas, the Hugging Face features, the dataset card and `docs/schema.md`. Conventions:
metres and radians unless a name ends in a unit; OpenCV camera axes, `x_cam = R · x_world + t`; matrices row by row;
pixel (0, 0) covers [0, 1) × [0, 1); the 21 joints in the order of `hands.joints.JOINTS_21`.
"""

import json

import pyarrow as pa

VERSION = "2.0"
"""MAJOR.MINOR of the tables."""

_SCALARS = {
    "text": pa.string(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
}


def _column(name: str, kind: pa.DataType | str, about: str) -> pa.Field:
    return pa.field(name, _SCALARS[kind] if isinstance(kind, str) else kind, metadata={"description": about})


def _vector(name: str, length: int, about: str, kind: pa.DataType = pa.float32()) -> pa.Field:  # noqa: B008
    return _column(name, pa.list_(kind, length), about)


def _group(name: str, about: str, *fields: pa.Field) -> pa.Field:
    return _column(name, pa.struct(fields), about)


def _picture(name: str, about: str, optional: bool = False) -> pa.Field:
    """An encoded image as Hugging Face stores it; the mark makes it an `Image` feature."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    marks = {"description": about, "kind": "image"} | ({"optional": "yes"} if optional else {})
    return pa.field(name, kind, metadata=marks)


def _numbers(name: str, about: str, kind: pa.DataType) -> pa.Field:
    """A list of any length."""
    return _column(name, pa.list_(kind), about)


def is_optional(field: pa.Field) -> bool:
    """Whether a column may be empty: labels that a run writes only when asked to."""
    return (field.metadata or {}).get(b"optional") == b"yes"


def is_picture(field: pa.Field) -> bool:
    """Whether a column holds encoded images."""
    return (field.metadata or {}).get(b"kind") == b"image"


def description(field: pa.Field) -> str:
    """The sentence that explains a column."""
    return (field.metadata or {}).get(b"description", b"").decode()


def _ids(*names: str) -> tuple[pa.Field, ...]:
    about = {
        "sample_id": "name of the image, unique in the dataset",
        "pose_id": "name of the two-hand pose, unique in `poses`",
        "split": "train, validation or test: what the run was made for; its environments belong to that split",
        "source": "where the base pose came from, for example the built-in gestures",
        "base_pose": "the pose or gesture that was augmented",
        "augmentation": "number of the augmented copy; 0 is the base pose itself",
    }
    return tuple(_column(name, "int32" if name == "augmentation" else "text", about[name]) for name in names)


def _hand_parameters(frame: str, orient: str, transl: str) -> tuple[pa.Field, ...]:
    return (
        _vector("global_orient", 3, f"rotation of the wrist, axis-angle, radians, {frame}{orient}"),
        _vector("hand_pose", 45, "15 finger joints in MANO's order, full axis-angle (mean added), radians; flat is 0"),
        _vector("betas", 10, "shape coefficients, one unit is one standard deviation"),
        _vector("transl", 3, f"translation added after posing, metres, {frame}{transl}"),
        _vector(
            "wrist_bend",
            2,
            "how the forearm stands on the hand, radians: flexion (towards the palm's side is positive), deviation "
            "(towards the little finger's side is positive); no part of the hand model",
            pa.float64(),
        ),
        _numbers("contact", "model vertices within 3 mm of the other hand, or inside it, in order", pa.int16()),
    )


_CAMERA = _group(
    "camera",
    "pinhole camera without distortion, OpenCV axes (x right, y down, z forward)",
    _vector("K", 9, "intrinsic matrix, pixels, row by row", pa.float64()),
    _vector("R", 9, "rotation from world to camera, row by row", pa.float64()),
    _vector("t", 3, "translation from world to camera, metres", pa.float64()),
)

_VIEWPOINT = _column("viewpoint", "text", "where the camera stands: track (around the hands) or egocentric")

_SIZE = (_column("width", "int32", "image width, pixels"), _column("height", "int32", "image height, pixels"))

_CONTACT = (
    _column("min_distance_mm", "float32", "smallest distance between the two surfaces, mm; 0 where they intersect"),
    _column("max_penetration_mm", "float32", "greatest depth of one hand inside the other, mm"),
    _column("contact_vertices", "int32", "vertices of both hands that touch the other hand"),
)

_LOOK = (
    _column("hdri", "text", "environment map, an id of `hdri_manifest.yaml`"),
    _column("hdri_rotation", "float64", "rotation of the environment about the vertical, radians"),
    _column(
        "hdri_strength",
        "float64",
        "factor on the environment's light after metering: 1 is a usual brightness for any map",
    ),
    _column("exposure", "float64", "camera exposure beyond the metered one, stops"),
    _column("skin_right", "text", "skin of the right hand"),
    _column("skin_left", "text", "skin of the left hand"),
    _column("skin_variation", "float64", "how far tone and texture depart from the skin named, 0 none to 1 clearly"),
    _column("samples", "int32", "light paths a pixel"),
    _column("denoiser", "text", "denoiser, or none"),
    _column("seed", "int64", "seed of the renderer's sampling"),
)


def _labelled_hand(side: str) -> pa.Field:
    return _group(
        side,
        f"labels of the {side} hand",
        *_hand_parameters(
            "camera frame",
            ": R · (the pose's rotation)",
            ": R · (J₀ + transl of the pose) + t − J₀, because a hand turns about its rest wrist J₀(betas); "
            "the hand layer gives joints_3d from this row alone",
        ),
        _vector("joints_3d", 63, "21 joints (x, y, z), metres, camera frame"),
        _vector("joints_2d", 42, "21 joints (x, y), pixels: the projection of joints_3d by K", pa.float64()),
        _vector("joint_state", 21, "0 visible, 1 hidden by the same hand, 2 by the other hand, 3 outside", pa.int8()),
        _vector("bbox", 4, "box (x, y, width, height) of the whole hand inside the image, pixels; zeros when outside"),
        _column("visible_fraction", "float32", "visible pixels divided by amodal pixels; 0 when there are none"),
    )


_IMAGES = (
    *_ids("sample_id", "split", "pose_id"),
    _picture("image", "the picture, JPEG or PNG, sRGB"),
    *_SIZE,
    _CAMERA,
    _VIEWPOINT,
    _labelled_hand("right"),
    _labelled_hand("left"),
    _picture("mask_hands", "PNG, 8 bits: 0 none, 1 right hand, 2 left hand"),
    _picture(
        "mask_parts",
        "PNG, 8 bits: 0 none, right 1–16, left 17–32; part 1 + j or 17 + j moves with MANO joint j; 33 the right and 34 the "
        "left forearm, which are no part of the hands",
    ),
    _picture("mask_right_amodal", "PNG, 8 bits: 1 where the right hand would be seen if it were alone"),
    _picture("mask_left_amodal", "PNG, 8 bits: 1 where the left hand would be seen if it were alone"),
    _picture("depth", "PNG, 16 bits: camera-frame z of the nearest hand or forearm in 0.1 mm, 0 where there is none"),
    _picture(
        "normals",
        "PNG, RGB: unit normal of the smooth surface in the camera frame, (n + 1) · 127.5; 0, 0, 0 where there is none; "
        "empty unless labels.normals was asked for",
        optional=True,
    ),
    _group("interaction", "how the two hands meet", *_CONTACT),
    _group(
        "render",
        "what made the picture, enough to render it again",
        *_LOOK,
        _column("bpy_version", "text", "version of Blender"),
        _column("device", "text", "kind of device that rendered: CPU, CUDA, OPTIX …"),
        _column("seconds", "float32", "time the picture took, seconds"),
    ),
    _group(
        "provenance",
        "where the sample came from",
        *_ids("source", "base_pose", "augmentation"),
        _column("config_sha256", "text", "checksum of the run's configuration, as in manifest.json"),
        _column("code_version", "text", "version of the program that wrote the row"),
    ),
)

_POSES = (
    *_ids("pose_id", "source", "base_pose", "augmentation", "split"),
    _group("right", "MANO parameters of the right hand", *_hand_parameters("world frame", "", "")),
    _group("left", "MANO parameters of the left hand", *_hand_parameters("world frame", "", "")),
    *_CONTACT,
    _column("limit_excess_deg", "float32", "largest excess of a joint angle over its anatomical limit, degrees"),
    _column("naturalness", "float32", "the discriminator's probability that the less natural hand's pose is natural"),
    _column(
        "forearm_depth_mm", "float32", "how deep a forearm lies in the other hand or forearm, mm (a rough measure)"
    ),
)

_PLAN = (
    *_ids("sample_id", "pose_id"),
    _column("view", "int32", "number of the view of this pose, from 0"),
    *_ids("split"),
    *_SIZE,
    _CAMERA,
    _VIEWPOINT,
    _column("redrawn", "text", "why earlier draws of this view were refused, in order; empty for the first draw"),
    *_LOOK,
)

_REJECTED = (
    *_ids("pose_id", "source", "base_pose", "augmentation"),
    _column("sample_id", "text", "the image that was refused; empty when the whole pose was"),
    _column("stage", "text", "step that refused the pose"),
    _column("reason", "text", "rule that it broke"),
    _column("value", "float64", "what was measured, in the rule's unit"),
    _column("limit", "float64", "what the rule allows"),
)


def hugging_face_features(fields: pa.Schema | tuple[pa.Field, ...] | pa.StructType) -> dict:
    """The features dictionary that `datasets` reads, for every column."""
    return {field.name: _feature(field) for field in fields}


def _feature(field: pa.Field) -> dict:
    if is_picture(field):
        return {"_type": "Image"}
    if pa.types.is_struct(field.type):
        return hugging_face_features(tuple(field.type))
    if pa.types.is_fixed_size_list(field.type):
        # "Sequence" is what every version reads; "List" only those from 4.0.
        return {"feature": _value(field.type.value_type), "length": field.type.list_size, "_type": "Sequence"}
    if pa.types.is_list(field.type):
        return {"feature": _value(field.type.value_type), "length": -1, "_type": "Sequence"}
    return _value(field.type)


def _value(kind: pa.DataType) -> dict:
    """Arrow prints `float` and `double` where Hugging Face says float32 and float64."""
    return {"dtype": {"float": "float32", "double": "float64"}.get(str(kind), str(kind)), "_type": "Value"}


def _schema(fields: tuple[pa.Field, ...]) -> pa.Schema:
    features = json.dumps({"info": {"features": hugging_face_features(fields)}})
    return pa.schema(fields, metadata={b"huggingface": features.encode()})


IMAGES = _schema(_IMAGES)
"""One row per image: the dataset."""
POSES = _schema(_POSES)
"""One row per accepted pose, world frame."""
PLAN = _schema(_PLAN)
"""One row per image to be rendered, every choice made."""
REJECTED = _schema(_REJECTED)
"""What was refused, and why."""

TABLES = {"poses": POSES, "plan": PLAN, "images": IMAGES, "rejected": REJECTED}
"""Folder of a dataset to the schema of its files."""

IDS = {"poses": "pose_id", "plan": "sample_id", "images": "sample_id", "rejected": "pose_id"}
"""The column that names a row; unique except in `rejected`."""


def leaf_columns(schema: pa.Schema, with_pictures: bool = False) -> list[str]:
    """Dotted names of all columns that hold values, to read a table without its pictures."""
    return [name for field in schema for name in _leaves(field, "", with_pictures)]


def _leaves(field: pa.Field, prefix: str, with_pictures: bool) -> list[str]:
    name = prefix + field.name
    if is_picture(field):
        return [name] if with_pictures else []
    if not pa.types.is_struct(field.type):
        return [name]
    return [leaf for child in field.type for leaf in _leaves(child, name + ".", with_pictures)]
