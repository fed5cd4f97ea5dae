"""What the supervisor and the Blender process say to each other: a JSON header and arrays, length first, no pickle."""

import json
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from hands.camera import Camera
from rendering.failures import Failure, RenderError
from rendering.job import RenderedImage, RenderJob
from rendering.skin.skins import Skin

Message = tuple[dict[str, Any], dict[str, np.ndarray]]
"""Header and arrays."""

_LENGTH = 8
_LIMIT = 1 << 31


def write_message(stream: BinaryIO, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Send one message and flush."""
    blobs = [_npy(array) for array in arrays.values()]
    sizes = dict(zip(arrays, map(len, blobs), strict=True))
    text = json.dumps({"header": header, "arrays": sizes}).encode()
    stream.write(b"".join([len(text).to_bytes(_LENGTH, "little"), text, *blobs]))
    stream.flush()


def read_message(stream: BinaryIO) -> Message:
    """Receive one message.

    Raises:
        EOFError: the other side closed the pipe.
        ValueError: what came is not a message.
    """
    length = int.from_bytes(_exactly(stream, _LENGTH), "little")
    if length > _LIMIT:
        raise ValueError("the pipe carries something that is not a message")
    content = json.loads(_exactly(stream, length))
    arrays = {
        name: np.load(BytesIO(_exactly(stream, size)), allow_pickle=False) for name, size in content["arrays"].items()
    }
    return content["header"], arrays


def pack_job(job: RenderJob) -> Message:
    """A job as header and arrays."""
    camera = job.camera
    header = {
        "size": [camera.width, camera.height],
        "hdri": str(job.hdri),
        "skin_right": asdict(job.skin_right),
        "skin_left": asdict(job.skin_left),
        **{name: getattr(job, name) for name in _PLAIN},
    }
    arrays = {"right": job.right, "left": job.left, "K": camera.K, "R": camera.R, "t": camera.t}
    return header, arrays


def unpack_job(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> RenderJob:
    """The inverse of `pack_job`."""
    return RenderJob(
        right=arrays["right"],
        left=arrays["left"],
        camera=Camera(arrays["K"], arrays["R"], arrays["t"], *header["size"]),
        hdri=Path(header["hdri"]),
        skin_right=Skin(**header["skin_right"]),
        skin_left=Skin(**header["skin_left"]),
        **{name: header[name] for name in _PLAIN},
    )


_PLAIN = ("hdri_rotation", "hdri_strength", "exposure", "samples", "denoise", "seed")


def pack_image(image: RenderedImage) -> Message:
    """A finished image as header and arrays."""
    header = {name: getattr(image, name) for name in _ABOUT_IMAGE}
    return header, {"pixels": image.pixels, "hands": image.hands}


def unpack_image(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> RenderedImage:
    """The inverse of `pack_image`."""
    return RenderedImage(
        pixels=arrays["pixels"], hands=arrays["hands"], **{name: header[name] for name in _ABOUT_IMAGE}
    )


_ABOUT_IMAGE = ("seconds", "device", "bpy_version", "stages")


def pack_error(error: RenderError) -> Message:
    """A failure as header, without arrays."""
    about = {"error": error.detail, "failure": str(error.failure), "value": error.value, "limit": error.limit}
    return about, {}


def unpack_error(header: dict[str, Any]) -> RenderError | None:
    """The failure that a message tells of, if it does."""
    if "error" not in header:
        return None
    return RenderError(Failure(header["failure"]), header["error"], header["value"], header["limit"])


def _npy(array: np.ndarray) -> bytes:
    buffer = BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _exactly(stream: BinaryIO, size: int) -> bytes:
    parts, missing = [], size
    while missing:
        part = stream.read(missing)
        if not part:
            raise EOFError("the pipe is closed")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
