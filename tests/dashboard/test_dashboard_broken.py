"""Datasets that are broken, unfinished, or change while they are watched: pages answer, and are well again when they are."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dataset.manifest import Manifest
from tests.dashboard.serving import desk_of, look
from tests.dashboard.visitor import Visitor
from tests.dataset.synthetic import write_dataset

Change = Callable[[Path], object]
STRANGE = (
    "[]", "{}", "null", "1", "", "{", "\0", "[" * 4000, '{"worker": 5}', '{"worker": "a"}', '{"worker": null, "beat": "x"}',
    '{"worker": "half \\ud800", "state": "working"}',
    json.dumps({"worker": "<b>w</b>" * 50, "step": "x", "rates": [1], "gpus": {"a": 1}, "troubles": "no", "last_shard": 3}),
    json.dumps({"worker": "w", "beat": 1e308, "beat_seconds": -1, "rates": {"images": None}, "gpus": [3, {}], "stage": 7}),
    '{"worker": "n", "rates": {"images": NaN}, "seconds": Infinity, "shard_seconds": -Infinity, "memory_mib": 1e400}',
    json.dumps({"worker": "u", "stage": "unheard-of", "shard": {"a": 1}, "step": {"done": 1, "total": 0, "unit": 3}}),
)  # fmt: skip
"""What might stand in a record, a line of the history or a note."""


def manifest_of(folder: Path, change: Callable[[dict], object]) -> None:
    """Another manifest."""
    content = json.loads((folder / "manifest.json").read_text())
    change(content)
    (folder / "manifest.json").write_text(json.dumps(content))


def unfinished(folder: Path, images: int = 2, plan: int = 4, poses: int = 4) -> None:
    """As it was while it was made: so many shards of each table."""

    def change(content: dict) -> None:
        content["splits"] = {}
        for table, count in {"images": images, "plan": plan, "poses": poses}.items():
            content["tables"][table]["shards"] = content["tables"][table]["shards"][:count]

    manifest_of(folder, change)
    (folder / ".work/workers").mkdir(parents=True)
    (folder / ".work/stages.json").write_text(json.dumps({"collect": 1, "poses": 4}))


def strange_records(folder: Path) -> None:
    """Workers' records, notes of stages and history that make no sense."""
    unfinished(folder)
    for number, content in enumerate(STRANGE):
        (folder / f".work/workers/{number}.json").write_text(content)
    (folder / ".work/stages.json").write_text('{"images": "many", "poses": [], "": null}')


def strange_workers(folder: Path) -> None:
    """Records that are JSON and name a worker, and nothing else that is right."""
    unfinished(folder)
    for number, content in enumerate(STRANGE):
        if '"worker": "' in content:
            (folder / f".work/workers/{number}.json").write_text(content)


def strange_history(folder: Path) -> None:
    (folder / "history").mkdir()
    lines = [
        {"finished": 1},
        {"finished": "yesterday", "attempt": "a"},
        {"attempt": "b", "finished": "", "stage": 3, "rows": "x"},
    ]
    (folder / "history/shards.jsonl").write_text("\n".join(json.dumps(line) for line in lines))


def half_history(folder: Path) -> None:
    (folder / "history").mkdir()
    (folder / "history/shards.jsonl").write_text('{"attempt": "a", "finished": "2026-11-28T15:38:46+00:00", "sta')


def each_shard(folder: Path, change: Change) -> None:
    for path in sorted(folder.glob("*/*.parquet")):
        change(path)


def other_columns(folder: Path) -> None:
    """Files of the size that the manifest says, with nothing in them."""
    each_shard(folder, lambda path: path.write_bytes(b"\0" * path.stat().st_size))


def no_pictures(folder: Path) -> None:
    """Rows whose files are gone as soon as they have been read are another matter, see below; here none was ever there."""
    manifest_of(folder, lambda content: content["tables"].update(images={"rows": 0, "shards": []}))


BROKEN: dict[str, Change] = {
    "a manifest that ends in the middle": lambda folder: (folder / "manifest.json").write_text(
        (folder / "manifest.json").read_text()[:300]
    ),
    "a manifest of a newer program": lambda folder: manifest_of(folder, lambda content: content.update(schema="99.0")),
    "a manifest that is another JSON": lambda folder: (folder / "manifest.json").write_text("[1, 2]"),
    "a manifest with half of its fields": lambda folder: manifest_of(folder, lambda content: content.pop("runs")),
    "a manifest of no bytes": lambda folder: (folder / "manifest.json").write_bytes(b""),
    "a manifest that is a folder": lambda folder: (
        (folder / "manifest.json").unlink(),
        (folder / "manifest.json").mkdir(),
    ),
    "a configuration of strange values": lambda folder: manifest_of(
        folder,
        lambda content: [
            run.update(config={"shards": 3, "validation": [], "x": None}) for run in content["runs"].values()
        ],
    ),
    "two runs": lambda folder: manifest_of(
        folder, lambda content: content["runs"].update({"0" * 64: next(iter(content["runs"].values()))})
    ),
    "no image in a finished dataset": no_pictures,
    "no shard is there": lambda folder: each_shard(folder, Path.unlink),
    "all shards are cut off": lambda folder: each_shard(folder, lambda path: path.write_bytes(path.read_bytes()[:500])),
    "all shards are garbage of the right size": other_columns,
    "only the manifest is there": lambda folder: [shutil.rmtree(path) for path in folder.iterdir() if path.is_dir()],
    "an empty run": lambda folder: unfinished(folder, 0, 0, 0),
    "a run at its poses": lambda folder: unfinished(folder, 0, 0, 2),
    "a run at its plan": lambda folder: unfinished(folder, 0, 2),
    "a run at its images": unfinished,
    "strange records, lines and notes": strange_records,
    "strange workers": strange_workers,
    "strange lines in the history": strange_history,
    "half a line in the history": half_history,
    "the folder is gone": shutil.rmtree,
    "the folder is empty": lambda folder: (shutil.rmtree(folder), folder.mkdir()),
    "a file stands in the folder's place": lambda folder: (shutil.rmtree(folder), folder.write_text("x")),
}


def all_pages(visitor: Visitor, what: str) -> None:
    """Every page answers with itself, with a sentence that there is no such thing, or that there is none now."""
    for one in visitor.pages:
        text = visitor.get(one)
        is_answer = visitor.status in (200, 303, 307, 404, 422, 503)  # 422: it wants a query
        assert is_answer or visitor.faults, f"{what}: {one.pattern}: {visitor.status}"
        assert text or visitor.status in (303, 307) or ".jpg" in one.pattern, f"{what}: {one.pattern} says nothing"
    assert not visitor.faults, "\n".join(f"{what}: {fault}\n    {told}" for fault, told in visitor.faults.items())


@pytest.mark.parametrize("what", BROKEN)
def test_pages_answer_while_it_is_broken_and_after_it_is_mended(what, finished, tmp_path):
    folder = tmp_path / "finished"
    shutil.copytree(finished, folder)
    with desk_of(folder) as desk:
        visitor = Visitor(desk)
        BROKEN[what](folder)
        look(desk)
        all_pages(visitor, what)
        remove(folder)
        shutil.copytree(finished, folder)
        look(desk)
        assert not desk.run("finished").state.trouble and not desk.keeper.index("finished").troubles
        for page in (
            "",
            "/workers",
            "/gallery",
            "/quality",
            "/diversity",
            "/samples/000000-0",
            "/pictures/000000-0.jpg",
        ):
            assert visitor.client.get(f"/runs/finished{page}").status_code == 200, page


@pytest.mark.parametrize("what", BROKEN)
def test_pages_answer_when_it_was_never_well(what, finished, tmp_path):
    folder = tmp_path / "finished"
    shutil.copytree(finished, folder)
    BROKEN[what](folder)
    with desk_of(folder) as desk:
        visitor = Visitor(desk)
        visitor.values |= {"runs.name": "finished", "runs.sample_id": "000000-0"}
        visitor.addresses = [one for one in visitor.addresses if one.pattern.startswith(("/runs/", "/metrics"))]
        all_pages(visitor, what)


def remove(place: Path) -> None:
    """Whatever stands there."""
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def test_another_dataset_in_the_same_place_takes_over_its_pages(finished, shown_samples, tmp_path):
    folder = tmp_path / "finished"
    shutil.copytree(finished, folder)
    with desk_of(folder) as desk:
        visitor = Visitor(desk)
        shutil.rmtree(folder)
        write_dataset(folder, shown_samples[5:8])
        look(desk)
        gone = visitor.client.get("/runs/finished/samples/000000-0")
        assert gone.status_code == 404 and "000000-0" in gone.text
        assert visitor.client.get("/runs/finished/samples/000005-0").status_code == 200
        assert Manifest.read(folder).rows("images") == len(desk.keeper.index("finished").ask("FROM samples")) == 3
        all_pages(visitor, "replaced")


def test_shards_that_vanish_after_they_were_read(finished, tmp_path):
    """Rows are known, files are gone, and nobody has looked yet."""
    folder = tmp_path / "finished"
    shutil.copytree(finished, folder)
    with desk_of(folder) as desk:
        visitor = Visitor(desk)
        each_shard(folder, Path.unlink)
        all_pages(visitor, "vanished")
        assert visitor.client.get("/runs/finished/pictures/000000-0.jpg").status_code == 503


def test_a_place_where_nothing_is_yet(tmp_path):
    with desk_of(tmp_path / "later") as desk:
        visitor = Visitor(desk)
        all_pages(visitor, "nothing")
        assert "later" in visitor.client.get("/").text
