"""Numbers that go on from shard to shard; the shards of an export are written one after the other, in name order."""

import json
from pathlib import Path

from dataset.atomic import atomic_write
from dataset.exports.job import PARTS


def numbers_before(folder: Path, shard: str) -> dict[str, int]:
    """What `keep_numbers` was given by the last shard before this one; empty for the first."""
    before = [path for path in (folder / PARTS).glob("*.json") if path.stem < shard]
    return json.loads(max(before, key=lambda path: path.stem).read_text()) if before else {}


def keep_numbers(folder: Path, shard: str, numbers: dict[str, int]) -> None:
    """What is counted to the number that comes next, for the shards after this one."""
    atomic_write(folder / PARTS / f"{shard}.json", json.dumps(numbers))
