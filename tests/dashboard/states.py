"""States of runs for tests, made by hand: manifests, workers and lines of a history."""

from datetime import UTC, datetime, timedelta

from dashboard.watching.pulse import Health, WorkerState
from dataset.manifest import Manifest, RunRecord
from dataset.schema import TABLES
from dataset.shards import Shard

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
STAGES = {"collect": 1, "poses": 4, "plan": 1, "images": 4}


def manifest(tmp_path, origin=None, splits=(), **tables) -> Manifest:
    """Of shards by table: name to rows."""
    shards = {t: {n: Shard(n, rows, 10, "0") for n, rows in tables.get(t, {}).items()} for t in TABLES}
    run = RunRecord({"seed": 1}, "1", {})
    return Manifest(tmp_path, {"a": run}, origin or {"operation": "run"}, {s: {} for s in splits}, shards)


def worker(name="w0", stage="images", shard="", health=Health.WORKING, **record) -> WorkerState:
    return WorkerState({"worker": name, "stage": stage, "shard": shard, **record}, health, 0.0)


def line(stage, shard, rows, seconds, finished, refused=0, **more) -> dict:
    about = {"stage": stage, "shard": shard, "rows": rows, "refused": refused, "seconds": seconds, "worker": "w0"}
    return about | {"finished": (NOON + timedelta(seconds=finished)).isoformat(timespec="seconds")} | more
