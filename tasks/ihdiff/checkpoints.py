"""Checkpoints of IHDiff as the user names them: which file it is, and what it holds."""

from pathlib import Path

from dataset.errors import InputError
from hands.joints import Side
from hands.model import HandModel
from models.ihdiff import checkpoint
from models.ihdiff.checkpoint import IHDiff
from tasks.checkpoint_hands import refuse_other_hands

Hands = dict[Side, HandModel]
BUILT_IN = "built-in"
"""Names the network that comes with the project."""


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
