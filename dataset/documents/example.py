"""One real sample whose values the documents show; kept beside this file, without its pictures.

Take another one with `python -m dataset.documents.example DATASET SAMPLE_ID`, then rewrite the page
(`python -m dataset.documents.schema_page`).
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dataset.atomic import atomic_write
from dataset.documents.json_text import json_text
from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.schema import IMAGES, leaf_columns
from dataset.shards import iterate_rows, read_shard, rows_at

FILE = Path(__file__).with_name("example.json")

Rows = dict[str, dict[str, Any]]


def read_example(path: Path = FILE) -> Rows:
    """Table to the sample's row in it; the row of `images` lacks its pictures."""
    return json.loads(path.read_text(encoding="utf-8"))


def take_example(dataset_dir: Path, sample_id: str) -> Rows:
    """A sample's rows of `images`, `poses` and `plan`, and the first refused row, if there is one.

    Raises:
        InputError: the directory is not a dataset, or has no such sample.
    """
    manifest = Manifest.read(dataset_dir)
    image = _find(manifest, "images", "sample_id", sample_id, leaf_columns(IMAGES))
    rows = {
        "images": image,
        "poses": _find(manifest, "poses", "pose_id", image["pose_id"]),
        "plan": _find(manifest, "plan", "sample_id", sample_id),
    }
    refused = next(iterate_rows(manifest.paths("rejected")), None)
    return rows | ({"rejected": refused} if refused else {})


def write_example(rows: Rows, path: Path = FILE) -> None:
    """Store a sample; a table that it has no row of keeps the row that is there."""
    kept = read_example(path) if path.exists() else {}
    atomic_write(path, json_text(kept | rows, indent=1) + "\n")


def _find(
    manifest: Manifest, table: str, column: str, name: str, wanted: Sequence[str] | None = None
) -> dict[str, Any]:
    for path in manifest.paths(table):
        names = read_shard(path, [column])[column].to_pylist()
        if name in names:
            return rows_at(path, [names.index(name)], wanted)[0]
    raise InputError(f"{manifest.folder}: `{table}` has no row whose {column} is '{name}'; name one that it has")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m dataset.documents.example", description=__doc__)
    parser.add_argument("dataset", type=Path, help="directory of a rendered dataset")
    parser.add_argument("sample_id", help="the sample to show")
    chosen = parser.parse_args(arguments)
    try:
        write_example(take_example(chosen.dataset, chosen.sample_id))
    except InputError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
