"""Every column of every table, declared once."""

import json

import pyarrow as pa

from dataset.schema.features import hugging_face_features
from dataset.schema.fields import (
    FLOAT32,
    FLOAT64,
    INT8,
    INT16,
    INT32,
    INT64,
    TEXT,
    Unit,
    column,
    group,
    numbers,
    picture,
    vector,
)
from dataset.schema.version import VERSION

_JOINT_STATES = {
    "0": "visible",
    "1": "hidden by the same hand",
    "2": "hidden by the other hand",
    "3": "outside the image",
}
"""The numbers of `hands.joints.JointState`; a test keeps them equal."""
_AMODAL = {"0": "elsewhere", "1": "where the hand would be seen if it were alone"}


def _text(name: str, about: str, *values: str) -> pa.Field:
    """A name; `values` lists those that are allowed when the sentence explains them."""
    return column(name, TEXT, Unit.NONE, about, dict.fromkeys(values, ""))


_SAMPLE_ID = _text("sample_id", "name of the image, unique in the dataset")
_POSE_ID = _text("pose_id", "name of the two-hand pose, unique in `poses`")
_SPLIT = _text(
    "split",
    "train, validation or test: no base pose, person (shape, skin) or environment is in two of them",
    "train",
    "validation",
    "test",
)
_ORIGIN = (
    _text("source", "where the base pose came from, for example the built-in gestures"),
    _text("base_pose", "the pose or gesture that was augmented"),
    column("augmentation", INT32, Unit.NONE, "number of the augmented copy; 0 is the base pose itself"),
)


def _hand_parameters(frame: str, orient: str, transl: str) -> tuple[pa.Field, ...]:
    return (
        vector("global_orient", (3,), Unit.RADIAN, f"rotation of the wrist, axis-angle, {frame}{orient}"),
        vector(
            "hand_pose",
            (15, 3),
            Unit.RADIAN,
            "finger joints in MANO's order (index, middle, pinky, ring, thumb; root to end), full axis-angle (mean added); "
            "flat is 0",
        ),
        vector("betas", (10,), Unit.ONE, "shape coefficients, one is one standard deviation"),
        vector("transl", (3,), Unit.METRE, f"translation added after posing, {frame}{transl}"),
        vector(
            "wrist_bend",
            (2,),
            Unit.RADIAN,
            "how the forearm stands on the hand: flexion (towards the palm's side is positive), deviation "
            "(towards the little finger's side is positive); no part of the hand model",
            FLOAT64,
        ),
        numbers("contact", Unit.NONE, "model vertices within 3 mm of the other hand, or inside it, in order", INT16),
    )


_CAMERA = group(
    "camera",
    "pinhole camera without distortion, OpenCV axes (x right, y down, z forward)",
    vector("K", (3, 3), Unit.PIXEL, "intrinsic matrix, row by row; its last row is 0, 0, 1", FLOAT64),
    vector("R", (3, 3), Unit.ONE, "rotation from world to camera, row by row", FLOAT64),
    vector("t", (3,), Unit.METRE, "translation from world to camera", FLOAT64),
)

_VIEWPOINT = column(
    "viewpoint",
    TEXT,
    Unit.NONE,
    "where the camera stands",
    {"track": "around the hands", "egocentric": "from the person's own eyes"},
)

_SIZE = (column("width", INT32, Unit.PIXEL, "image width"), column("height", INT32, Unit.PIXEL, "image height"))

_CONTACT = (
    column(
        "min_distance_mm",
        FLOAT32,
        Unit.MILLIMETRE,
        "smallest distance between the two surfaces; 0 where they intersect",
    ),
    column("max_penetration_mm", FLOAT32, Unit.MILLIMETRE, "greatest depth of one hand inside the other"),
    column("contact_vertices", INT32, Unit.ONE, "vertices of both hands that touch the other hand"),
)

_LOOK = (
    _text(
        "hdri",
        "environment map, an id of `hdri_manifest.yaml` or of the user's own list; it belongs to the sample's split",
    ),
    column("hdri_rotation", FLOAT64, Unit.RADIAN, "rotation of the environment about the vertical"),
    column(
        "hdri_strength",
        FLOAT64,
        Unit.ONE,
        "factor on the environment's light after metering: 1 is a usual brightness for any map",
    ),
    column("exposure", FLOAT64, Unit.STOP, "camera exposure beyond the metered one"),
    _text("skin_right", "skin of the right hand; it belongs to the sample's split"),
    _text("skin_left", "skin of the left hand; it belongs to the sample's split"),
    column(
        "skin_variation",
        FLOAT64,
        Unit.ONE,
        "how far tone and texture depart from the skin named, 0 none to 1 clearly",
    ),
    column("samples", INT32, Unit.ONE, "light paths a pixel"),
    _text(
        "denoiser", "what removes the noise of few light paths: OPENIMAGEDENOISE or NONE", "OPENIMAGEDENOISE", "NONE"
    ),
    column("seed", INT64, Unit.NONE, "seed of the renderer's sampling"),
)


def _labelled_hand(side: str) -> pa.Field:
    return group(
        side,
        f"labels of the {side} hand",
        *_hand_parameters(
            "camera frame",
            ": R · (the pose's rotation)",
            ": R · (J₀ + transl of the pose) + t − J₀, because a hand turns about its rest wrist J₀(betas); "
            "the hand layer gives joints_3d from this row alone",
        ),
        vector(
            "joints_3d",
            (21, 3),
            Unit.METRE,
            "joints (x, y, z), camera frame: wrist, then thumb, index, middle, ring, pinky, each from root to tip",
        ),
        vector("joints_2d", (21, 2), Unit.PIXEL, "joints (x, y): the projection of joints_3d by K", FLOAT64),
        vector("joint_state", (21,), Unit.NONE, "why a joint can or cannot be seen", INT8, _JOINT_STATES),
        vector(
            "bbox",
            (4,),
            Unit.PIXEL,
            "box (x, y, width, height) of the whole hand's outline inside the image, zeros when it is outside; where the "
            "border cuts the hand, the box may reach further along the border than the mask's pixels",
        ),
        column("visible_fraction", FLOAT32, Unit.ONE, "visible pixels divided by amodal pixels; 0 when there are none"),
    )


_IMAGES = (
    _SAMPLE_ID,
    _SPLIT,
    _POSE_ID,
    picture("image", "the picture, sRGB: JPEG (quality 95, full colour resolution) or PNG when asked for", channels=3),
    *_SIZE,
    _CAMERA,
    _VIEWPOINT,
    _labelled_hand("right"),
    _labelled_hand("left"),
    picture("mask_hands", "PNG, 8 bits", values={"0": "none", "1": "right hand", "2": "left hand"}),
    picture(
        "mask_parts",
        "PNG, 8 bits; the forearms are no part of the hands",
        values={
            "0": "none",
            "1–16": "right hand (1 + j moves with MANO joint j)",
            "17–32": "left hand (17 + j moves with MANO joint j)",
            "33": "right forearm",
            "34": "left forearm",
        },
    ),
    picture("mask_right_amodal", "right hand without what covers it, PNG, 8 bits", values=_AMODAL),
    picture("mask_left_amodal", "left hand without what covers it, PNG, 8 bits", values=_AMODAL),
    picture(
        "depth", "PNG, 16 bits: camera-frame z of the nearest hand or forearm, 0 where there is none", Unit.DEPTH_STEP
    ),
    picture(
        "normals",
        "PNG, RGB: unit normal of the smooth surface in the camera frame, (n + 1) · 127.5; 0, 0, 0 where there is none; "
        "empty unless labels.normals was asked for",
        Unit.ONE,
        channels=3,
        optional=True,
    ),
    group("interaction", "how the two hands meet", *_CONTACT),
    group(
        "render",
        "what made the picture, enough to render it again",
        *_LOOK,
        _text("bpy_version", "version of Blender"),
        _text("device", "kind of device that rendered: CPU, CUDA, OPTIX …"),
        column("seconds", FLOAT32, Unit.SECOND, "time the picture took"),
    ),
    group(
        "provenance",
        "where the sample came from",
        *_ORIGIN,
        _text("config_sha256", "checksum of the run's configuration, as in manifest.json"),
        _text("code_version", "version of the program that wrote the row"),
    ),
)

_POSES = (
    _POSE_ID,
    *_ORIGIN,
    _SPLIT,
    group("right", "MANO parameters of the right hand", *_hand_parameters("world frame", "", "")),
    group("left", "MANO parameters of the left hand", *_hand_parameters("world frame", "", "")),
    *_CONTACT,
    column("limit_excess_deg", FLOAT32, Unit.DEGREE, "largest excess of a joint angle over its anatomical limit"),
    column(
        "naturalness",
        FLOAT32,
        Unit.ONE,
        "the discriminator's probability that the less natural hand's pose is natural",
    ),
    column(
        "forearm_depth_mm",
        FLOAT32,
        Unit.MILLIMETRE,
        "how deep a forearm lies in the other hand or forearm (a rough measure)",
    ),
)

_PLAN = (
    _SAMPLE_ID,
    _POSE_ID,
    column("view", INT32, Unit.NONE, "number of the view of this pose, from 0"),
    _SPLIT,
    *_SIZE,
    _CAMERA,
    _VIEWPOINT,
    _text("redrawn", "why earlier draws of this view were refused, in order; empty for the first draw"),
    *_LOOK,
)

_REJECTED = (
    _text("pose_id", "name of the pose that was refused, or whose image was"),
    *_ORIGIN,
    _text("sample_id", "the image that was refused; empty when the whole pose was"),
    column(
        "stage",
        TEXT,
        Unit.NONE,
        "step that refused it",
        {
            "read": "reading a recording",
            "validate": "checking a finished pose",
            "plan": "choosing a view",
            "render": "checking a picture",
        },
    ),
    _text("reason", "rule that it broke"),
    column("value", FLOAT64, Unit.VARIES, "what was measured, in the rule's unit"),
    column("limit", FLOAT64, Unit.VARIES, "what the rule allows, in the rule's unit"),
)


def _schema(fields: tuple[pa.Field, ...]) -> pa.Schema:
    features = json.dumps({"info": {"features": hugging_face_features(fields)}})
    return pa.schema(fields, metadata={"huggingface": features, "render_ih_schema": VERSION})


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
