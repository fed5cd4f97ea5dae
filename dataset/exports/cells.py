"""What formats take from the cells of a row: file names and decoded masks."""

from urllib.parse import quote

import numpy as np
from jaxtyping import Int

from dataset.errors import InputError
from dataset.pictures import values
from dataset.shards import Row


def file_stem(sample_id: str) -> str:
    """A sample's id as a file name without dots and slashes; different ids stay different."""
    return quote(sample_id, safe="+=").replace(".", "%2E")


def picture_suffix(picture: bytes) -> str:
    """What the name of a file with these bytes ends in: `.jpg` or `.png`."""
    return ".jpg" if picture.startswith(b"\xff\xd8") else ".png"


def mask(row: Row, column: str) -> Int[np.ndarray, "h w"]:
    """The numbers of a picture column of a row.

    Raises:
        InputError: it cannot be decoded.
    """
    try:
        return values(row[column])
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(
            f"{row['sample_id']}: its {column} cannot be decoded; `render-ih verify` lists what else is damaged"
        ) from error
