"""Two datasets of one recipe, one made undisturbed: every byte that must be the same is."""

import io
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from dataset.manifest import Manifest
from dataset.schema import IMAGES, is_picture
from dataset.shards import file_sha256

WHOLE = ("poses", "plan", "rejected")
"""Tables whose files are the same to the byte. Rows of images tell how long each took."""


class Check(NamedTuple):
    """One line of the result."""

    what: str
    found: str
    good: bool


def compare(reference: Path, disturbed: Path) -> list[Check]:
    """All checks of what the tables hold."""
    ours, theirs = Manifest.read(reference), Manifest.read(disturbed)
    checks = [_files(ours, theirs, table) for table in WHOLE]
    there, here = rows(theirs), rows(ours)
    return [*checks, _ids(theirs, there), *_same(here, there)]


def rows(manifest: Manifest) -> pa.Table:
    """All images by id."""
    tables = [pq.read_table(path) for path in manifest.paths("images")]
    return pa.concat_tables(tables).sort_by("sample_id") if tables else IMAGES.empty_table()


def _files(ours: Manifest, theirs: Manifest, table: str) -> Check:
    """Files that the manifest lists, with the checksums of what lies there."""
    here, there = ({name: file_sha256(one.path(table, name)) for name in one.shards[table]} for one in (ours, theirs))
    same = sum(there.get(name) == sha256 for name, sha256 in here.items())
    lying = {path.stem for path in (theirs.folder / table).glob("*.parquet")}
    good = here == there and lying == set(there)
    return Check(f"{table}: files the same to the byte", f"{same} of {len(here)}, {len(there)} there", good)


def _ids(theirs: Manifest, there: pa.Table) -> Check:
    """Every planned image is there or refused, once."""
    found = Counter(there["sample_id"].to_pylist())
    for path in theirs.paths("rejected"):
        refused = pq.read_table(path, columns=["stage", "sample_id"]).to_pylist()
        found.update(row["sample_id"] for row in refused if row["stage"] == "render")
    planned = {name for path in theirs.paths("plan") for name in pq.read_table(path)["sample_id"].to_pylist()}
    missing, doubled = len(planned - found.keys()), sum(count > 1 for count in found.values())
    good = found.keys() == planned and not doubled
    return Check("images planned: missing, doubled", f"{len(planned)}: {missing}, {doubled}", good)


def _same(here: pa.Table, there: pa.Table) -> list[Check]:
    """Of the images that both have, sorted by id."""
    checks = [Check("images: the same ids", f"{len(here)} and {len(there)}", here["sample_id"] == there["sample_id"])]
    both = pa.array(sorted(set(here["sample_id"].to_pylist()) & set(there["sample_id"].to_pylist())), pa.string())
    here, there = (table.filter(pc.is_in(table["sample_id"], both)) for table in (here, there))
    if len(here) != len(there):
        return checks
    pictures = [name for name in here.column_names if is_picture(IMAGES.field(name)) and not here[name].null_count]
    labels = [name for name in here.column_names if name not in (*pictures, "render")]
    same = [name for name in labels if here[name] == there[name]]
    other = _without_seconds(here) == _without_seconds(there)
    found = f"{len(same) + other} of {len(labels) + 1}"
    checks += [Check("images: columns the same (all but render.seconds)", found, len(same) == len(labels) and other)]
    for name in pictures:
        pairs = list(zip(here[name].to_pylist(), there[name].to_pylist(), strict=True))
        in_bytes = sum(one["bytes"] == two["bytes"] for one, two in pairs)
        in_pixels = sum(np.array_equal(_pixels(one["bytes"]), _pixels(two["bytes"])) for one, two in pairs)
        found = f"{in_bytes} and {in_pixels} of {len(pairs)}"
        checks.append(Check(f"{name}: the same bytes, the same pixels", found, in_bytes == in_pixels == len(pairs)))
    return checks


def _without_seconds(table: pa.Table) -> list[dict]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in table["render"].to_pylist()]


def _pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))
