"""Anchor files: which vertices of a hand attract the other hand's, for one mesh topology."""

import hashlib
import json
from importlib import resources
from pathlib import Path

import numpy as np

from dataset.atomic import atomic_write
from dataset.errors import InputError
from hands.contact import Anchors, contact_frequency
from hands.joints import Side
from hands.model import HandModel
from hands.pose import TwoHandPose

BUILT_IN = Path(str(resources.files("blender_assets"))) / "hand" / "anchors.json"
"""Anchors of the free hand, from the gesture library; made by `render-ih assets anchors`."""


def load_anchors(hands: dict[Side, HandModel], file: Path | None = None) -> Anchors:
    """The anchors of a file; the built-in ones when none is named, or evenly spread ones for another hand.

    Raises:
        InputError: the named file is missing, damaged, or belongs to another mesh.
    """
    content = _read(file or BUILT_IN)
    fits = content["faces_sha256"] == _topology(hands)
    if file and not fits:
        raise InputError(f"{file}: was made for another hand mesh; make one with `render-ih assets anchors --out FILE`")
    return Anchors(np.array(content["right"]), np.array(content["left"])) if fits else Anchors.even(hands)


def write_anchors(file: Path, poses: TwoHandPose, hands: dict[Side, HandModel], source: str) -> Anchors:
    """Count contacts over the poses and write the anchors that follow; `source` says which poses they were."""
    anchors = Anchors.frequent(hands, contact_frequency(poses, hands))
    lists = {str(side): anchors.of(side).tolist() for side in Side}
    atomic_write(file, json.dumps({"faces_sha256": _topology(hands), "poses": source, **lists}) + "\n")
    return anchors


def _read(file: Path) -> dict:
    try:
        content = json.loads(Path(file).read_text())
        if all(isinstance(v, int) for side in Side for v in content[side]) and "faces_sha256" in content:
            return content
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such anchor file; make one with `render-ih assets anchors --out FILE`") from error
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise InputError(f"{file}: is not an anchor file ({type(error).__name__}); make it again") from error
    raise InputError(f"{file}: is not an anchor file; make one with `render-ih assets anchors --out FILE`")


def _topology(hands: dict[Side, HandModel]) -> str:
    faces = b"".join(np.ascontiguousarray(hands[side].arrays.faces, np.int64).tobytes() for side in Side)
    return hashlib.sha256(faces).hexdigest()
