"""The raw poses of a run on storage: the leader reads and chooses them once, and workers need no recordings."""

import json

from safetensors.torch import load, save

from dataset.errors import InputError
from dataset.readers.source import RawPoses
from dataset.storage.store import Store
from hands.joints import Side
from hands.pose import HandPose, TwoHandPose

FILE = ".work/raw.safetensors"
_ABOUT = "about"


def write_raw(store: Store, raw: RawPoses) -> None:
    """Put the poses, their names and splits where all workers find them."""
    tensors = {
        f"{side}.{name}": values.contiguous() for side in Side for name, values in vars(raw.poses.side(side)).items()
    }
    store.write(FILE, save(tensors, {_ABOUT: json.dumps({"names": raw.names, "splits": raw.splits})}))


def read_raw(store: Store) -> RawPoses | None:
    """The poses as they were put; None where none are.

    Raises:
        InputError: the file is damaged.
    """
    stored = store.read(FILE)
    if stored is None:
        return None
    try:
        size = int.from_bytes(stored.content[:8], "little")
        about = json.loads(json.loads(stored.content[8 : 8 + size])["__metadata__"][_ABOUT])
        tensors = load(stored.content)
    except Exception as error:
        raise InputError(f"{store.url}/{FILE}: is damaged; remove it, and give the command again") from error
    hands = {
        side: HandPose(**{name.partition(".")[2]: t for name, t in tensors.items() if name.startswith(f"{side}.")})
        for side in Side
    }
    return RawPoses(about["names"], TwoHandPose(hands[Side.RIGHT], hands[Side.LEFT]), about["splits"])
