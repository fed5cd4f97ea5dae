"""Checkpoints as the user names them: which file it is, what it holds, and the hand model that it belongs to."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataset.assets.hand_files import hand_checksums
from dataset.errors import InputError
from hands.joints import Side
from hands.model import HandModel
from models.ihdiff import checkpoint
from models.ihdiff.checkpoint import IHDiff
from tasks.progress import say

Hands = dict[Side, HandModel]
BUILT_IN = "built-in"
"""Names the network that comes with the project."""


def hand_checksum(hands: Hands) -> str:
    """What a checkpoint's notes call `hands`: one checksum for both hands of a model, wherever its files lie."""
    return hashlib.sha256(json.dumps(hand_checksums(hands), sort_keys=True).encode()).hexdigest()


def checkpoint_file(path: Path) -> Path:
    """The file that `path` names: itself, the one in a training's folder, or the project's own for `built-in`.

    Raises:
        InputError: there is none.
    """
    if str(path) == BUILT_IN:
        return checkpoint.built_in_checkpoint()
    file = Path(path) / checkpoint.FILE if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise InputError(f"{path}: no checkpoint of IHDiff is there; `render-ih train ihdiff` makes one")
    return file


def load_ihdiff(path: Path, hands: Hands) -> IHDiff:
    """The network of a file or of a training's folder, if it was trained on these hands.

    Raises:
        InputError: there is none, it cannot be used, or it belongs to other hands.
    """
    try:
        model = checkpoint.load(checkpoint_file(path))
    except ValueError as error:  # an InputError is one
        raise InputError(str(error)) from error
    refuse_other_hands(path, model.notes, hands)
    return model


def refuse_other_hands(path: Path, notes: Mapping[str, Any], hands: Hands) -> None:
    """Rotations and shapes mean other hands on another hand model.

    Raises:
        InputError: the checkpoint's notes name other hands than these, by one checksum or by one for each side.
    """
    named = notes.get("hands")
    if named is None:
        say(f"{path}: does not say which hand model it was trained on; it is used with the one given", level="warning")
    elif named not in (hand_checksum(hands), hand_checksums(hands)):
        raise InputError(f"{path}: was trained on another hand model than {_remedy(hands)}")


def _remedy(hands: Hands) -> str:
    if "sha256" in hands[Side.RIGHT].arrays.notes:
        return "the MANO files given; give those that it was trained with, or none if that was the built-in free hand"
    return "the built-in free hand; name the folder of its MANO files (--mano DIR, in a run --set hands.mano=DIR)"
