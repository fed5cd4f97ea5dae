"""FreiHAND: MANO fits of single right hands, streamed from one file.

`training_mano.json` (and `evaluation_mano.json`): a list of [[61]], of which 0–2 turn the wrist, 3–47 are the fingers as
axis-angle without the mean and 48–57 the shape; the rest (root in the image, scale) is not read.
"""

from collections.abc import Iterator
from pathlib import Path

from dataset.errors import InputError
from dataset.readers.checks import angles, numbers, shape
from dataset.readers.conventions import FingerAngles
from dataset.readers.frame import Fault, HandShape, Refusal, SingleHand, attempt
from dataset.readers.json_stream import items
from dataset.readers.places import first_file, not_there
from hands.joints import Side
from hands.model import HandModel

NAMES = {"train": "training_mano.json", "test": "evaluation_mano.json"}


def files(folder: Path, subset: str) -> dict[str, Path]:
    """The one file that is read.

    Raises:
        InputError: it is missing, or there is no such subset.
    """
    if subset not in NAMES:
        raise InputError(f"subset is '{subset}'; FreiHAND has {', '.join(NAMES)}")
    found = first_file([folder], NAMES[subset])
    if found is None:
        raise not_there(folder, NAMES[subset])
    return {NAMES[subset]: found}


def read(folder: Path, subset: str, hands: dict[Side, HandModel]) -> Iterator[SingleHand | Fault]:
    """Every hand of the file, all right ones."""
    (path,) = files(folder, subset).values()
    try:
        for number, value in enumerate(items(path, "item")):
            name = f"freihand-{subset}-{number:08d}"
            yield attempt(name, path.name, lambda n=number, v=value, name=name: _hand(name, f"[{n}]", v, hands))
    except Refusal as refusal:
        yield refusal.fault(path.name, path.name)


def _hand(name: str, key: str, value: object, hands: dict[Side, HandModel]) -> SingleHand:
    values = numbers(value, key, 61)
    fingers = FingerAngles.MINUS_MEAN.to_full(angles(values[3:48], key, 45), hands[Side.RIGHT].arrays)
    return SingleHand(name, Side.RIGHT, HandShape(fingers, shape(values[48:58], key)))
