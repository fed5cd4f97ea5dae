"""The dataset card: `README.md` with the metadata that the Hugging Face hub reads."""

import json
from collections import Counter
from pathlib import Path
from string import Template
from typing import Any

import yaml

from dataset.atomic import atomic_write
from dataset.documents.schema_page import columns_table
from dataset.manifest import Manifest
from dataset.schema import IMAGES, TABLES
from dataset.shards import read_shard

_SIZES = {1e3: "n<1K", 1e4: "1K<n<10K", 1e5: "10K<n<100K", 1e6: "100K<n<1M", 1e7: "1M<n<10M", 1e8: "10M<n<100M"}
"""The hub's size classes by their upper end."""

_CARD = Template("""---
$metadata---

# $name

$images synthetic images of two interacting hands, of $poses poses, with the parameters of both hands, 21 joints in
space and in the image with the reason why a joint cannot be seen, masks of hands, parts and forearms, amodal masks and
depth. All labels come from the surface that was rendered.

```python
import datasets

images = datasets.load_dataset("parquet", data_files="images/*.parquet", split="train")
images[0]["image"], images[0]["right"]["joints_2d"]
```

| table | rows | files |
|---|---:|---:|
$tables

| split | images |
|---|---:|
$splits

## Columns of `images`

Lengths are metres, angles radians, unless a name ends in a unit. Camera axes are OpenCV's (x right, y down, z forward),
`x_cam = R · x_world + t`. The 21 joints are the wrist, then thumb, index, middle, ring and pinky, root to tip.

$columns
## How it was made

Program version `$code_version`, configuration `$config_sha256`. `manifest.json` lists every file with its checksum; the
table `plan` holds every choice made for an image, so that any image can be rendered again from its row.

```json
$config
```

## Licence

No licence has been chosen by the program. The pictures show environment maps, skins and a hand model that have
licences of their own: the column `render.hdri` names the environments. Check them before you publish.
""")


def card(manifest: Manifest, name: str) -> str:
    """The text of the card.

    Raises:
        InputError: a shard of `images` is missing or damaged.
    """
    splits = {path.name: _splits(path) for path in manifest.paths("images")}
    totals = sum(splits.values(), Counter())
    return _CARD.substitute(
        metadata=yaml.safe_dump(_metadata(manifest, name, splits), sort_keys=False, allow_unicode=True),
        name=name,
        images=f"{manifest.rows('images'):,}",
        poses=f"{manifest.rows('poses'):,}",
        tables="\n".join(
            f"| `{table}` | {manifest.rows(table):,} | {len(manifest.shards[table])} |" for table in TABLES
        ),
        splits="\n".join(f"| {split} | {count:,} |" for split, count in sorted(totals.items())),
        columns=columns_table(IMAGES),
        code_version=manifest.code_version,
        config_sha256=manifest.config_sha256,
        config=json.dumps(manifest.config, indent=2, sort_keys=True, ensure_ascii=False),
    )


def write_card(dataset_dir: Path) -> Path:
    """Write `README.md` into a dataset; returns its path.

    Raises:
        InputError: the directory is not a dataset, or cannot be written.
    """
    path = Path(dataset_dir) / "README.md"
    atomic_write(path, card(Manifest.read(dataset_dir), Path(dataset_dir).resolve().name))
    return path


def _table_line(manifest: Manifest, table: str) -> str:
    return f"| `{table}` | {manifest.rows(table):,} | {len(manifest.shards[table])} |"


def _splits(path: Path) -> Counter[str]:
    return Counter(read_shard(path, ["split"])["split"].to_pylist())


def _metadata(manifest: Manifest, name: str, splits: dict[str, Counter[str]]) -> dict[str, Any]:
    others = [table for table in TABLES if table != "images" and manifest.rows(table)]
    images = {"config_name": "images", "default": True, "data_files": _data_files(splits)}
    return {
        "pretty_name": name,
        "task_categories": ["keypoint-detection", "image-segmentation", "depth-estimation"],
        "tags": ["hands", "two-hand interaction", "hand pose", "synthetic", "MANO"],
        "size_categories": [next((name for end, name in _SIZES.items() if manifest.rows("images") < end), "100M<n<1B")],
        "configs": [images, *({"config_name": table, "data_files": f"{table}/*.parquet"} for table in others)],
    }


def _data_files(splits: dict[str, Counter[str]]) -> str | list[dict[str, Any]]:
    """Files by split where no file mixes splits; otherwise all of them, and the column `split` tells."""
    if any(len(found) > 1 for found in splits.values()):
        return "images/*.parquet"
    names = sorted({split for found in splits.values() for split in found})
    return [{"split": name, "path": [f"images/{file}" for file in splits if name in splits[file]]} for name in names]
