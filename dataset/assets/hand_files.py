"""Hand files: the built-in free hand and the user's MANO files, behind one function."""

import hashlib
import json
from importlib import resources
from pathlib import Path

import numpy as np

from dataset.errors import InputError
from dataset.manifest import Manifest
from hands.joints import Side
from hands.model import HandArrays, HandModel

ARRAYS = (
    "v_template",
    "faces",
    "shapedirs",
    "posedirs",
    "weights",
    "J_regressor",
    "hands_mean",
    "hands_components",
    "uv",
    "uv_faces",
)


def load_hands(mano_dir: Path | None = None) -> dict[Side, HandModel]:
    """Both hands as float32 layers: MANO from `mano_dir` when given, otherwise the free hand."""
    return {side: HandModel(load_hand(side, mano_dir)) for side in Side}


def load_hand(side: Side, mano_dir: Path | None = None) -> HandArrays:
    """One hand's arrays.

    Raises:
        InputError: the file is missing, damaged, or not a hand; the message says which and what to do.
    """
    if mano_dir is None:
        return _load_free_hand(Path(str(resources.files("blender_assets"))) / "hand" / f"free_{side}.npz", side)
    from dataset.assets.mano_pickle import load_mano  # only users of MANO pay for its reader

    return load_mano(Path(mano_dir), side)


def hand_checksums(hands: dict[Side, HandModel]) -> dict[str, str]:
    """What tells one hand model from another wherever its file lies: a checksum of the shaped surface's arrays."""
    arrays = {side: (m.arrays.v_template, m.arrays.shapedirs, m.arrays.weights) for side, m in hands.items()}
    return {
        str(side): hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in parts)).hexdigest()
        for side, parts in arrays.items()
    }


def hand_checksum(hands: dict[Side, HandModel]) -> str:
    """The same as one checksum for both hands: what the notes of checkpoints name."""
    return hashlib.sha256(json.dumps(hand_checksums(hands), sort_keys=True).encode()).hexdigest()


def hands_of(manifest: Manifest, mano_dir: Path | None = None) -> dict[Side, HandModel]:
    """The hands that a dataset was made with.

    Raises:
        InputError: it was made with others than the built-in ones, or than those in `mano_dir`.
    """
    hands = load_hands(mano_dir)
    if manifest.hands != hand_checksums(hands):
        remedy = "name its folder with --mano DIR, in a training with --set data.mano=DIR"
        raise InputError(f"{manifest.folder}: was made with another hand model; {remedy}")
    return hands


def save_free_hand(arrays: HandArrays, path: Path) -> None:
    """Write the arrays and notes to one `.npz` without pickled objects."""
    values = {name: getattr(arrays, name) for name in ARRAYS}
    np.savez_compressed(path, notes=np.array(json.dumps(arrays.notes)), tips=np.array(arrays.tips), **values)


def _load_free_hand(path: Path, side: Side) -> HandArrays:
    with np.load(path, allow_pickle=False) as stored:
        values = {name: stored[name] for name in ARRAYS}
        return HandArrays(
            side=side, tips=tuple(stored["tips"].tolist()), notes=json.loads(str(stored["notes"])), **values
        )
