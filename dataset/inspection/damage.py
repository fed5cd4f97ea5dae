"""Files that open well and turn out to be damaged further in, explained in one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from dataset.errors import InputError


@contextmanager
def damaged_shard_explained(path: Path) -> Iterator[None]:
    """Around reading a shard's data.

    Raises:
        InputError: for what Arrow says of damaged data.
    """
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path}: this shard is damaged; `render-ih verify` says more; restore it from a copy or make it again"
        ) from error


@contextmanager
def undecodable_picture_explained(sample_id: str) -> Iterator[None]:
    """Around decoding the pictures of a row.

    Raises:
        InputError: for what PIL says of a damaged picture.
    """
    try:
        yield
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(
            f"{sample_id}: one of its pictures cannot be decoded; `render-ih verify` says which and why"
        ) from error
