"""A dataset as the Hugging Face hub and `datasets` understand it: files by split, features, sizes."""

from collections.abc import Iterable
from fnmatch import fnmatch
from typing import Any

import pyarrow as pa

from dataset.documents.contents import Contents
from dataset.schema import TABLES, hugging_face_features

_SIZES = {1e3: "n<1K", 1e4: "1K<n<10K", 1e5: "10K<n<100K", 1e6: "100K<n<1M", 1e7: "1M<n<10M", 1e8: "10M<n<100M"}
"""The hub's size classes by their upper end."""


def hub_metadata(contents: Contents) -> dict[str, Any]:
    """What stands at the head of the card: one configuration for each table that has rows, `images` by default.

    Raises:
        InputError: a shard is missing or damaged.
    """
    files = {table: _by_split(contents, table) for table in contents.tables}
    images = contents.manifest.rows("images")
    return {
        "pretty_name": contents.name,
        "license": "unknown",
        "task_categories": ["keypoint-detection", "image-segmentation", "depth-estimation"],
        "tags": ["hands", "two-hand interaction", "hand pose", "synthetic", "MANO"],
        "size_categories": [next((name for end, name in _SIZES.items() if images < end), "100M<n<1B")],
        "configs": [_config(table, found) for table, found in files.items()],
        "dataset_info": [_info(contents, table, found) for table, found in files.items()],
    }


Files = dict[str, dict[str, int]]
"""Split to file to rows."""


def _by_split(contents: Contents, table: str) -> Files:
    """Where a file mixes splits, all files are one split named like the table, and the column `split` tells rows apart."""
    found: Files = {}
    listed = contents.files(table)
    mixed = any(len(splits) > 1 for _, splits in listed)
    for file, splits in listed:
        for split, rows in ({table: splits.total()} if mixed else splits).items():
            found.setdefault(split, {})[file] = rows
    return dict(sorted(found.items()))


def _config(table: str, files: Files) -> dict[str, Any]:
    every = [file for split in files.values() for file in split]
    shown = [{"split": split, "path": _pattern(table, split, list(found), every)} for split, found in files.items()]
    return {"config_name": table, **({"default": True} if table == "images" else {}), "data_files": shown}


def _pattern(table: str, split: str, files: list[str], every: Iterable[str]) -> str | list[str]:
    """The files' common pattern where they have one that no other file has: hundreds of names help nobody."""
    pattern = f"{table}/{split}-*.parquet"
    return pattern if sorted(files) == sorted(file for file in every if fnmatch(file, pattern)) else files


def _info(contents: Contents, table: str, files: Files) -> dict[str, Any]:
    splits = [
        {"name": split, "num_bytes": contents.bytes(found), "num_examples": sum(found.values())}
        for split, found in files.items()
    ]
    size = sum(shard.bytes for shard in contents.manifest.shards[table].values())
    features = yaml_features(TABLES[table])
    return {"config_name": table, "features": features, "splits": splits, "download_size": size}


def yaml_features(schema: pa.Schema) -> list[dict[str, Any]]:
    """The features of a table as the metadata of a card lists them."""
    return _features(hugging_face_features(schema))


def _features(features: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, **_feature(feature)} for name, feature in features.items()]


def _feature(feature: dict[str, Any]) -> dict[str, Any]:
    kind = feature.get("_type")
    if kind == "Image":
        return {"dtype": "image"}
    if kind == "Value":
        return {"dtype": feature["dtype"]}
    if kind == "Sequence":
        length = {"length": feature["length"]} if feature["length"] >= 0 else {}
        return {"sequence": feature["feature"]["dtype"], **length}
    return {"struct": _features(feature)}
