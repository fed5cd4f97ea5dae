"""Pictures of runs and folders, read and written anew alike: one size, one quality, nothing but pixels."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageOps

from dashboard.watching.run import WatchedRun
from dataset.errors import InputError
from dataset.manifest import file_name

QUALITY = 92
LARGEST = 1024
"""Pixels of the longer side at most."""
_GREY = (128, 128, 128)
_LIMIT = 64 * 2**20
"""Bytes of a picture's file at most."""


def stored_picture(run: WatchedRun, sample_id: str, shard: str, number: int) -> bytes:
    """The encoded picture of a sample; empty when the dataset holds none.

    Raises:
        InputError: the shard is gone or cannot be read, or holds another sample at that place by now.
    """
    name = file_name("images", shard)
    try:
        with run.store.open(name) as opened, pq.ParquetFile(opened) as file:
            group, first = 0, 0
            while first + file.metadata.row_group(group).num_rows <= number:
                first += file.metadata.row_group(group).num_rows
                group += 1
            row = file.read_row_group(group, columns=["sample_id", "image"]).slice(number - first, 1).to_pylist()[0]
    except (OSError, pa.ArrowException, KeyError, IndexError) as error:
        raise InputError(f"{run.name}: {name} cannot be read ({' '.join(str(error).split())[:160]})") from error
    if row["sample_id"] != sample_id:
        raise InputError(f"{run.name}: {name} was replaced meanwhile; make the study again")
    return (row["image"] or {}).get("bytes") or b""


def file_picture(path: Path) -> bytes:
    """A picture's file.

    Raises:
        InputError: it is gone, or too large to be one.
    """
    try:
        if path.stat().st_size > _LIMIT:
            raise InputError(f"{path.name}: is larger than a picture should be")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror})") from error


def size_of(content: bytes) -> tuple[int, int] | None:
    """Width and height, pixels; None for what is no whole picture."""
    picture = _decoded(content)
    return picture.size if picture else None


def alike(content: bytes, size: tuple[int, int]) -> bytes:
    """A JPEG of exactly that size without any metadata; what has another shape gets grey bars.

    Args:
        content: a file that `size_of` knows.
        size: width and height, pixels.
    """
    picture = _decoded(content)
    assert picture is not None
    if picture.size != size:
        picture = ImageOps.pad(picture, size, Image.Resampling.LANCZOS, color=_GREY)
    plain = Image.new("RGB", size)
    plain.paste(picture)
    sink = io.BytesIO()
    plain.save(sink, "JPEG", quality=QUALITY, subsampling=0)
    return sink.getvalue()


def _decoded(content: bytes) -> Image.Image | None:
    try:
        with Image.open(io.BytesIO(content)) as opened:
            return ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def common_size(sizes: list[tuple[int, int]]) -> tuple[int, int]:
    """The size that all pictures of a study get: of the smallest one, so that none is blown up, and `LARGEST` at most."""
    width, height = min(sizes, key=lambda size: (size[0] * size[1], size))
    scale = min(1.0, LARGEST / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
