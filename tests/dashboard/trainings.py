"""Folders as trainers leave them."""

import json
import os
from pathlib import Path

NOW = 1_800_000_000.0
"""When tests look, in seconds since 1970."""
LINE = {"step": 5, "loss": 0.25}
JPEG, PNG = b"\xff\xd8\xff\xe0 a picture", b"\x89PNG\r\n\x1a\n a picture"


def make(
    folder: Path, lines=(), attempts=(), network: str = "TransHand", log: str = "", age: float = 10.0, **config
) -> Path:
    """A training's folder whose newest file is `age` seconds old at NOW; its attempts were noted last."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "training.log").write_text(log)
    dataset = {"url": "s3://someone:secret@hands/one", "runs": ["ab"], "rows": 52}
    tries = [{"devices": ["0", "1"], "batch_scale": 1.0, "seconds": 60.5, "ending": ending} for ending in attempts]
    note = {"network": network, "dataset": dataset, "config": {"dataset": "out/demo", "out": str(folder), **config}}
    (folder / "job.json").write_text(json.dumps(note | {"attempts": tries, "code_version": "1.2"}))
    for name in ("metrics.jsonl", "training.log", "job.json"):
        at = NOW - age - (60 if name != "job.json" and attempts else 0)
        os.utime(folder / name, (at, at))
    return folder


def paint(place: Path, *names: str, content: bytes = JPEG) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for name in names:
        (place / name).write_bytes(content)
