"""What a dataset holds, counted shard by shard: the facts that its card and its Croissant metadata state."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dataset.assets.environments import read_environments
from dataset.assets.hand_files import hand_checksums, load_hands
from dataset.manifest import Manifest
from dataset.schema import TABLES
from dataset.shards import read_shard
from dataset.splits import SPLITS, Splits, split_contents

UNKNOWN = "a licence that their owner knows"
"""Of environments that `hdri_manifest.yaml` does not list."""


@dataclass(frozen=True)
class Contents:
    """The facts of one dataset."""

    name: str
    """Of its directory."""
    manifest: Manifest
    splits: Splits
    """What each split consists of, as `dataset.splits.split_contents` says it."""

    @classmethod
    def of(cls, dataset_dir: Path) -> "Contents":
        """Read a dataset.

        Raises:
            InputError: the directory is not a dataset, or a shard is missing or damaged.
        """
        manifest = Manifest.read(dataset_dir)
        splits = manifest.splits or split_contents(manifest.paths("images"))
        return cls(
            Path(dataset_dir).resolve().name, manifest, {name: splits[name] for name in SPLITS if name in splits}
        )

    @property
    def tables(self) -> list[str]:
        """Tables that have rows, `images` first."""
        return sorted((table for table in TABLES if self.manifest.rows(table)), key=lambda table: table != "images")

    def names(self, kind: str) -> list[str]:
        """Base poses (each with its source and a slash before it), skins or environments of all splits."""
        return sorted({name for split in self.splits.values() for name in split[kind]})

    @cached_property
    def sources(self) -> list[str]:
        """Where the base poses of the images came from."""
        return sorted({name.split("/")[0] for name in self.names("base_poses")})

    @cached_property
    def licences(self) -> dict[str, int]:
        """Licence to number of environments under it."""
        known = {environment.id: environment.licence for environment in read_environments()}
        return dict(Counter(known.get(name, UNKNOWN) for name in self.names("environments")))

    @cached_property
    def built_in_hands(self) -> bool:
        """Whether the images show the free hand model that the program brings."""
        return self.manifest.hands == hand_checksums(load_hands())

    def files(self, table: str) -> list[tuple[str, Counter[str]]]:
        """Each file of a table: its path in the dataset and its rows by split; by table where that has no splits."""
        split = "split" in TABLES[table].names
        return [
            (
                f"{table}/{path.name}",
                _splits(path) if split else Counter({table: self.manifest.shards[table][path.stem].rows}),
            )
            for path in self.manifest.paths(table)
        ]

    def bytes(self, files: Iterable[str]) -> int:
        """Size of some files, named by their path in the dataset."""
        places = (Path(file) for file in files)
        return sum(self.manifest.shards[place.parent.name][place.stem].bytes for place in places)

    def configuration(self) -> dict[str, Any] | None:
        """What the only run was configured to do, without the checksums of its inputs; None when there were several."""
        if len(self.manifest.runs) != 1:
            return None
        return {section: value for section, value in self.manifest.config.items() if section != "inputs"}


def _splits(path: Path) -> Counter[str]:
    return Counter(read_shard(path, ["split"])["split"].to_pylist())
