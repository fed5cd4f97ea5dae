"""How many shards each stage of a run has: `.work/stages.json`, for who watches; gone when the dataset is finished."""

import json
from contextlib import suppress

from dataset.errors import InputError
from dataset.storage.store import Store

FILE = ".work/stages.json"


def note_stage(store: Store, stage: str, shards: int) -> None:
    """Leave word of a stage that begins; what cannot be told holds nobody up."""
    with suppress(InputError, OSError, ValueError):
        stages = read_stages(store) | {stage: shards}
        store.write(FILE, (json.dumps(stages) + "\n").encode())


def read_stages(store: Store) -> dict[str, int]:
    """Shards of every stage that has begun, in the order in which they began; empty before, and when all is finished."""
    stored = store.read(FILE)
    return json.loads(stored.content) if stored else {}
