"""Hugging Face: a folder that `datasets.load_dataset` reads, with pictures, splits and streaming.

    README.md                                   card: which files belong to which split, and the features
    data/{split}-{number}-of-{count}.parquet    images, up to 512 MB a file
    poses/{split}-00000-of-00001.parquet        the poses of these images, a configuration of its own
    dataset_card.md                             the card of the dataset that was exported, where it has one

Rows are written anew rather than files copied: shards may be small, mix splits, or be taken in part, while here a file
holds one split and is as large as the hub likes it. A shard that is so already passes through without being joined.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from dataset.atomic import atomic_file, atomic_write
from dataset.errors import InputError
from dataset.exports.huggingface_card import DATASET_CARD, card
from dataset.exports.pieces import Limit, PieceWriter, Write, join_pieces
from dataset.exports.selection import check_file
from dataset.manifest import Manifest
from dataset.queries import add_table, database
from dataset.schema import IMAGES, POSES
from dataset.shards import Row, open_shard, table_of

FILE = Limit(rows=1_000_000, bytes=512_000_000)
_PIECE = Limit(FILE.rows, 450_000_000)
"""A row group of large pictures may still be added to it."""
ROWS_PER_GROUP = 128
"""The hub's viewer reads a group at a time; random access wants them small, scanning large."""
_POSES_PER_GROUP = 4096


@dataclass(frozen=True)
class HuggingFace:
    """Writes Parquet files by split, and their card."""

    manifest: Manifest
    columns: ClassVar[None] = None

    def write_shard(self, name: str, rows: Iterator[Row], folder: Path) -> None:
        """The shard's images as pieces of Parquet files."""
        with PieceWriter(folder, name, ".parquet", _PIECE, _row_groups) as pieces:
            for row in rows:
                pieces.add(row)

    def finish(self, folder: Path, shards: Sequence[str]) -> None:
        """The files of images, the poses that these show, and the card."""
        for name, shard in self.manifest.shards["poses"].items():
            check_file(self.manifest.path("poses", name), shard)
        images = join_pieces(folder, shards, FILE, _file_name, _join)
        poses = {split: _write_poses(self.manifest, folder, split, images[split]) for split in images}
        text = card(self.manifest.folder.resolve(), folder, {"images": images, "poses": poses})
        atomic_write(folder / "README.md", text)
        if (own := self.manifest.folder / "README.md").is_file():
            atomic_write(folder / DATASET_CARD, own.read_bytes())


def _file_name(split: str, number: int, of: int) -> str:
    return f"data/{split}-{number:05d}-of-{of:05d}.parquet"


@contextmanager
def _row_groups(file: BinaryIO) -> Iterator[Write]:
    """Writes rows of `images` in groups."""
    rows: list[Row] = []

    def flush() -> None:
        writer.write_table(table_of(rows, IMAGES))
        rows.clear()

    def write(row: Row) -> None:
        rows.append(row)
        if len(rows) == ROWS_PER_GROUP:
            flush()

    with _writer(file, IMAGES) as writer:
        yield write
        if rows:
            flush()


@contextmanager
def _writer(file: BinaryIO, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    writer = pq.ParquetWriter(file, schema, compression="zstd", version="2.6", write_page_index=True)
    try:
        yield writer
        writer.close()
    except BaseException:
        writer.is_open = False  # else its destructor writes to the closed file, and complains
        raise


def _join(pieces: Sequence[Path], target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    if len(pieces) == 1:
        pieces[0].replace(target)
        return
    with atomic_file(target) as file, _writer(file, IMAGES) as writer:
        for table in _regrouped(pieces):
            writer.write_table(table)


def _regrouped(pieces: Sequence[Path]) -> Iterator[pa.Table]:
    """The rows of some files in full groups, whatever the groups there; only the last may be smaller."""
    rest = IMAGES.empty_table()
    for piece in pieces:
        with open_shard(piece) as file:
            for batch in file.iter_batches(ROWS_PER_GROUP):
                rest = pa.concat_tables([rest, pa.Table.from_batches([batch], IMAGES)])
                if len(rest) >= ROWS_PER_GROUP:
                    yield rest.slice(0, ROWS_PER_GROUP)
                    rest = rest.slice(ROWS_PER_GROUP)
    if len(rest):
        yield rest


def _write_poses(manifest: Manifest, folder: Path, split: str, images: Sequence[str]) -> list[str]:
    """Write the poses that some files of images show; returns the names of the files."""
    name = f"poses/{split}-00000-of-00001.parquet"
    with database() as connection, atomic_file(folder / name) as file, _writer(file, POSES) as writer:
        if not add_table(connection, "poses", manifest.paths("poses")):
            raise InputError(f"{manifest.folder}: has no poses; `render-ih verify` lists what else is missing")
        add_table(connection, "images", [folder / image for image in images])
        shown = connection.sql("SELECT * FROM poses WHERE pose_id IN (SELECT pose_id FROM images) ORDER BY pose_id")
        for batch in shown.to_arrow_reader(_POSES_PER_GROUP):
            # DuckDB knows the vectors' lengths no more.
            writer.write_table(pa.Table.from_batches([batch]).cast(POSES))
    return [name]
