"""What datasets must not have in common when they are put together: images, and assets in different splits."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dataset.errors import InputError
from dataset.growing.inputs import Input, queried
from dataset.queries import add_table, database
from dataset.splits import leaks, shared_shapes

_SAME = (
    "hash(width, height, camera, render.hdri, render.hdri_rotation, render.samples, render.seed, "
    '"right".transl, "left".transl)'
)
"""Equal for images that show the same, whatever their names, file formats and machines."""


def refuse_common_images(inputs: Sequence[Input]) -> None:
    """Refuse an image that is in two of the datasets.

    Raises:
        InputError: one is, or a dataset was given twice.
    """
    _refuse_twice(inputs)
    with database() as connection, queried(inputs):
        for number, dataset in enumerate(inputs):
            add_table(connection, f"images_{number}", dataset.manifest.paths("images"))
        every = " UNION ALL ".join(
            f"SELECT {number} AS dataset, sample_id, {_SAME} AS content FROM images_{number}"
            for number in range(len(inputs))
        )
        ((count, first),) = connection.sql(
            "SELECT count(*), min(name) FROM (SELECT arg_min(sample_id, dataset) AS name "
            f"FROM ({every}) GROUP BY content HAVING count(DISTINCT dataset) > 1)"
        ).fetchall()
    if count:
        raise InputError(
            f"{_named(inputs)}: have {_images(count)} in common, the first is '{first}'; leave one dataset out, or take a "
            "subset of it without them"
        )


def _images(count: int) -> str:
    return f"{count:,} images" if count > 1 else "an image"


def _refuse_twice(inputs: Sequence[Input]) -> None:
    owners: dict[str, Path] = {}
    for dataset in inputs:
        folder = dataset.manifest.folder
        if dataset.fingerprint in owners:
            raise InputError(f"{owners[dataset.fingerprint]} and {folder}: are the same dataset; give each one once")
        owners[dataset.fingerprint] = folder


def refuse_leaks(inputs: Sequence[Input]) -> None:
    """Refuse a base pose, skin, environment or hand shape that is in two splits of the result.

    Raises:
        InputError: one is; the first, and how many there are.
    """
    with queried(inputs):
        shapes = shared_shapes(path for dataset in inputs for path in dataset.manifest.paths("images"))
    found = [*leaks(_united(dataset.manifest.splits for dataset in inputs)), *shapes]
    if found:
        more = f" (and {len(found) - 1:,} more like it)" if len(found) > 1 else ""
        raise InputError(
            f"{_named(inputs)}: cannot be put together, {found[0]}{more}; take a subset of one split of each first, e.g. "
            "--where \"split = 'train'\""
        )


def _united(every: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, set[str]]]:
    """The names in each split of several datasets, by kind."""
    united: dict[str, dict[str, set[str]]] = {}
    for splits in every:
        for split, content in splits.items():
            kinds = united.setdefault(split, {})
            for kind, names in content.items():
                if isinstance(names, list):
                    kinds.setdefault(kind, set()).update(names)
    return united


def _named(inputs: Sequence[Input]) -> str:
    return " and ".join(str(dataset.manifest.folder) for dataset in inputs)
