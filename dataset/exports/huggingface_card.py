"""The card of a Hugging Face export: which files belong to which split, what they hold, and how to load them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import pyarrow.parquet as pq
import yaml

from dataset.documents.hub import yaml_features
from dataset.schema import IMAGES, POSES

Files = Mapping[str, Sequence[str]]
"""Split to the names of its files."""

DATASET_CARD = "dataset_card.md"
"""Copy of the card of the dataset that was exported."""

_SCHEMAS = {"images": IMAGES, "poses": POSES}

_MORE = f"""Every field, how the splits were made disjoint, biases and limitations are in [{DATASET_CARD}]({DATASET_CARD}), the
card of the dataset that was exported; its counts may be of more images than these.

"""

_CARD = Template("""---
$metadata---

# $name

Synthetic images of two interacting hands with the parameters of both hands, 21 joints in space and in the image with the
reason why a joint cannot be seen, masks of hands, parts and forearms, amodal masks and depth. All labels come from the
surface that was rendered.

| split | images |
|---|---:|
$splits

```python
import datasets

images = datasets.load_dataset("path/to/this/folder", split="$split")
images[0]["image"], images[0]["right"]["joints_2d"]
poses = datasets.load_dataset("path/to/this/folder", "poses", split="$split")
```

Lengths are metres, angles radians, unless a name ends in a unit. Camera axes are OpenCV's (x right, y down, z forward),
`x_cam = R · x_world + t`. The 21 joints are the wrist, then thumb, index, middle, ring and pinky, root to tip.

$more## Licence

No licence has been chosen by the program. The pictures show environment maps, skins and a hand model that have
licences of their own: the column `render.hdri` names the environments. Check them before you publish.
""")


def card(dataset: Path, folder: Path, files: Mapping[str, Files]) -> str:
    """The text of `README.md`.

    Args:
        dataset: folder of what was exported.
        folder: that holds the files.
        files: configuration (`images`, `poses`) to the files of each split.
    """
    info = [_info(config, folder, found) for config, found in files.items()]
    metadata = {
        "pretty_name": dataset.name,
        "task_categories": ["keypoint-detection", "image-segmentation", "depth-estimation"],
        "configs": [_config(config, found, config == "images") for config, found in files.items()],
        "dataset_info": info,
    }
    return _CARD.substitute(
        metadata=yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True),
        name=dataset.name,
        more=_MORE if (dataset / "README.md").is_file() else "",
        splits="\n".join(f"| {split['name']} | {split['num_examples']:,} |" for split in info[0]["splits"]),
        split=info[0]["splits"][0]["name"],
    )


def _config(name: str, files: Files, default: bool) -> dict[str, Any]:
    data_files = [{"split": split, "path": f"{Path(paths[0]).parent}/{split}-*"} for split, paths in files.items()]
    return {"config_name": name, "data_files": data_files} | ({"default": True} if default else {})


def _info(config: str, folder: Path, files: Files) -> dict[str, Any]:
    """Features and counts: `datasets` compares the counts with what it loads."""
    splits = [_split(split, [folder / path for path in paths]) for split, paths in files.items()]
    size = sum(split["num_bytes"] for split in splits)
    features = yaml_features(_SCHEMAS[config])
    return {"config_name": config, "features": features, "splits": splits, "download_size": size, "dataset_size": size}


def _split(name: str, paths: Sequence[Path]) -> dict[str, Any]:
    rows = sum(pq.read_metadata(path).num_rows for path in paths)
    return {"name": name, "num_bytes": sum(path.stat().st_size for path in paths), "num_examples": rows}
