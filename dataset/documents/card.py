"""The dataset card: `README.md` with the metadata that the Hugging Face hub reads."""

import json
from collections.abc import Iterable
from pathlib import Path
from string import Template

import yaml

from dataset.atomic import atomic_write
from dataset.documents.contents import Contents
from dataset.documents.field_table import field_table
from dataset.documents.hub import hub_metadata
from dataset.documents.json_text import json_text
from dataset.documents.schema_page import ABOUT, CONVENTIONS
from dataset.documents.statements import MANO, RENDERIH, Statements
from dataset.manifest import Manifest
from dataset.schema import TABLES, leaf_columns
from dataset.shards import rows_at
from dataset.splits import leaks

_TEMPLATE = Path(__file__).with_name("card.md")
_SHOWN = 5
_COUNTED = ("images", "poses", "base_poses", "shapes", "skins", "environments")
_DISJOINT = """Each asset belongs to one split wherever it is used, so that validation and test show nothing that was seen in
training. Built-in gestures, skins and environment maps name their split in their own files; recordings keep their published
split, or all poses of a person share one; anything else is given a split by the checksum of its name. A hand shape belongs to a
pose, or to a recorded person, and so to one split."""


def write_card(dataset_dir: Path) -> Path:
    """Write `README.md` into a dataset; returns its path.

    Raises:
        InputError: the directory is not a dataset, a shard is missing or damaged, or the card cannot be written.
    """
    path = Path(dataset_dir) / "README.md"
    atomic_write(path, card(Contents.of(dataset_dir)))
    return path


def card(contents: Contents) -> str:
    """The text of the card.

    Raises:
        InputError: a shard is missing or damaged.
    """
    manifest, said = contents.manifest, Statements.of(contents)
    lists = ("use_cases", "biases", "limitations", "personal_information", "licences")
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        metadata=yaml.safe_dump(hub_metadata(contents), sort_keys=False, allow_unicode=True),
        name=contents.name,
        split=next(iter(contents.splits), "train"),
        summary=said.summary,
        tables="\n".join(_table_line(manifest, table) for table in TABLES),
        conventions=CONVENTIONS,
        fields="\n".join(_fields(manifest, table) for table in contents.tables),
        splits=_splits(contents),
        disjoint=_disjoint(contents),
        collection=said.collection,
        annotation=said.annotation,
        origin=_origin(manifest),
        configuration=_configuration(contents),
        citations=f"{RENDERIH}\n\n{MANO}",
        **{name: _bullets(getattr(said, name)) for name in lists},
    )


def _table_line(manifest: Manifest, table: str) -> str:
    size = _size(sum(shard.bytes for shard in manifest.shards[table].values()))
    return _line([f"`{table}`", f"{manifest.rows(table):,}", str(len(manifest.shards[table])), size])


def _size(count: int) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:,.3g} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"


def _fields(manifest: Manifest, table: str) -> str:
    path = next(path for path in manifest.paths(table) if manifest.shards[table][path.stem].rows)
    (first,) = rows_at(path, [0], leaf_columns(TABLES[table]))
    return f"### `{table}`\n\n{ABOUT[table]}\n\n{field_table(TABLES[table], first)}"


def _splits(contents: Contents) -> str:
    titles = [name.replace("_", " ") for name in ("split", *_COUNTED)]
    rows = [[split, *(_count(content[kind]) for kind in _COUNTED)] for split, content in contents.splits.items()]
    return "\n".join([_line(titles), "|---" + "|---:" * len(_COUNTED) + "|", *map(_line, rows)])


def _count(value: int | list[str]) -> str:
    return f"{value if isinstance(value, int) else len(value):,}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _disjoint(contents: Contents) -> str:
    """How the splits were kept apart, and what counting says of it."""
    if len(contents.splits) < 2:
        return "All images belong to one split; the assets of the others were left out."
    found = list(leaks(contents.splits))
    if not found:
        return f"{_DISJOINT}\n\nCounted: no base pose, skin or environment is in two splits."
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return "**The splits share assets; do not test on what was trained on:**\n\n" + _bullets(found[:_SHOWN] + more)


def _origin(manifest: Manifest) -> str:
    """Which runs made the rows, and how they came together."""
    operation = manifest.origin.get("operation", "run")
    rest = {name: value for name, value in manifest.origin.items() if name != "operation"}
    came = f"The dataset came to be by `{operation}`" + (f": `{json.dumps(rest, sort_keys=True)}`." if rest else ".")
    runs = [_line([f"`{sha256}`", f"`{run.code_version}`"]) for sha256, run in sorted(manifest.runs.items())]
    return "\n".join([came, "", "| configuration (SHA-256) | program |", "|---|---|", *runs])


def _configuration(contents: Contents) -> str:
    settings = contents.configuration()
    if settings is None:
        return "Configurations, and versions of libraries, are in `manifest.json` under `runs`.\n"
    text = json_text(settings)
    rest = "Checksums of the inputs and versions of libraries are in `manifest.json`."
    return f"<details><summary>Configuration</summary>\n\n```json\n{text}\n```\n\n{rest}\n\n</details>\n"


def _bullets(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)
