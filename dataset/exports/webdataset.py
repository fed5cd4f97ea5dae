"""WebDataset: tar files whose neighbouring members with one key make a sample.

    {split}-{number}.tar    at most 1,000 samples or about 500 MB
        {key}.jpg           the picture (or .png), its bytes as they are in the dataset
        {key}.json          all other columns of the row that are no pictures
        {key}.{column}.png  masks, depth, and normals where there are any

The same rows give the same bytes: members carry no time and no owner.
"""

import io
import json
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar

from dataset.atomic import atomic_file
from dataset.exports.cells import file_stem, picture_suffix
from dataset.exports.pieces import Limit, PieceWriter, Write, join_pieces
from dataset.schema import IMAGES, is_picture
from dataset.shards import Row

FILE = Limit(rows=1_000, bytes=500_000_000)
_PIECE = Limit(rows=500, bytes=240_000_000)
_PICTURES = tuple(field.name for field in IMAGES if is_picture(field))


@dataclass(frozen=True)
class WebDataset:
    """Writes tar files."""

    columns: ClassVar[None] = None

    def write_shard(self, name: str, rows: Iterator[Row], folder: Path) -> None:
        """The shard's samples as pieces of tar files."""
        with PieceWriter(folder, name, ".tar", _PIECE, _members) as pieces:
            for row in rows:
                pieces.add(row)

    def finish(self, folder: Path, shards: Sequence[str]) -> None:
        """The tar files, numbered from 0 in each split."""
        join_pieces(folder, shards, FILE, lambda split, number, of: f"{split}-{number:06d}.tar", _join)


@contextmanager
def _members(file: BinaryIO) -> Iterator[Write]:
    """Writes samples as members, without the end mark of an archive, so that pieces can follow one another."""

    def write(row: Row) -> None:
        for name, content in sorted(_sample(row).items()):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.write(info.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % tarfile.BLOCKSIZE))

    yield write


def _sample(row: Row) -> dict[str, bytes]:
    """File names and contents of one sample."""
    key = file_stem(row["sample_id"])
    labels = {name: value for name, value in row.items() if name not in _PICTURES}
    files = {f"{key}.json": json.dumps(labels, ensure_ascii=False, separators=(",", ":")).encode()}
    files[key + picture_suffix(row["image"]["bytes"])] = row["image"]["bytes"]
    others = [name for name in _PICTURES if name != "image" and row[name] is not None]
    return files | {f"{key}.{name}.png": row[name]["bytes"] for name in others}


def _join(pieces: Sequence[Path], target: Path) -> None:
    """Members one after the other, closed as `tar` does: two empty blocks, then zeros up to a whole record."""
    with atomic_file(target) as file:
        for piece in pieces:
            with piece.open("rb") as source:
                shutil.copyfileobj(source, file, io.DEFAULT_BUFFER_SIZE * 128)
        file.write(bytes(2 * tarfile.BLOCKSIZE))
        file.write(bytes(-file.tell() % tarfile.RECORDSIZE))
