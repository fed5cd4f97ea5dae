"""Arrays in other people's pickles, which are never executed (see `dataset.assets.mano_pickle`)."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from dataset.assets.mano_pickle import array_of, inert_records
from dataset.errors import InputError
from dataset.readers.frame import Refusal


def pickled_arrays(path: Path, keys: Collection[str]) -> dict[str, np.ndarray]:
    """Those of the entries that a pickled dictionary has; one that is None counts as not there.

    Raises:
        Refusal: the file is missing, cut off, or asks for anything but arrays, or an entry is no array.
    """
    try:
        records = inert_records(path, path.read_bytes())
    except FileNotFoundError as error:
        raise Refusal("", "missing file") from error
    except (OSError, InputError) as error:
        raise Refusal("", "unreadable file") from error
    return {key: _plain(records[key], key) for key in keys if records.get(key) is not None}


def _plain(record: object, key: str) -> np.ndarray:
    try:
        return array_of(record)
    except Exception as error:  # a forged record may lack anything
        raise Refusal(key, "wrong type") from error
