"""Which hand model a trained network belongs to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataset.assets.hand_files import hand_checksum, hand_checksums
from dataset.errors import InputError
from hands.joints import Side
from hands.model import HandModel
from tasks.progress import say

Hands = dict[Side, HandModel]


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
