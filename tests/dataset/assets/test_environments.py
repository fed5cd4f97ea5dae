"""Environment maps: what is listed is here and whole, and what is not is said in one sentence."""

import hashlib
import re
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from dataset.assets.environments import (
    KINDS,
    SPLITS,
    bundled_folder,
    check,
    choose_environments,
    default_folder,
    presence,
    read_environments,
)
from dataset.assets.pulling.lock import Pulled, write_lock
from dataset.errors import InputError

HOURS = {"night", "day", "dawn", "dusk", "noon", "morning", "afternoon", "evening", "sunrise", "sunset"}
ORIGINALS = {"city": "portland_landing_pad", "sunset": "venice_sunset", "sunrise": "spruit_sunrise"}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch) -> Path:
    """No test sees the maps of who runs it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "render-ih" / "environments"


def bring(folder: Path, name: str, content: bytes) -> Pulled:
    """A map as if pulled."""
    folder.mkdir(parents=True, exist_ok=True)
    record = Pulled(
        f"{name}_4k.exr",
        "http://127.0.0.1/x",
        len(content),
        hashlib.md5(content).hexdigest(),
        hashlib.sha256(content).hexdigest(),
        "4k",
    )
    (folder / record.file).write_bytes(content)
    write_lock(folder, {name: record})
    return record


def stem(name: str) -> str:
    """A name up to its first number or hour: what maps of one place share."""
    words = name.split("_")
    ends = (n for n, word in enumerate(words) if n and (word[0].isdigit() or word in HOURS))
    return "_".join(words[: next(ends, len(words))])


def test_every_map_of_the_bpy_package_is_listed_and_whole():
    bundled = [e for e in read_environments() if e.origin == "bundled"]
    assert {e.file for e in bundled} == {f.name for f in bundled_folder().glob("*.exr")}
    for environment in bundled:
        assert check(environment) == environment.sha256
        assert environment.path().stat().st_size == environment.bytes
    assert {e.id: e.split for e in bundled if e.split != "train"} == {"city": "test", "forest": "validation"}


def test_three_hundred_maps_are_listed_with_all_that_is_known():
    listed = read_environments()
    assert len(listed) == len({e.id for e in listed}) == len({e.file for e in listed}) == 300
    assert all(e.licence == "CC0-1.0" and e.author and e.source.startswith("https://polyhaven.com/a/") for e in listed)
    pulled = [e for e in listed if e.origin == "polyhaven"]
    assert len(pulled) == 292
    for e in pulled:
        assert e.source == f"https://polyhaven.com/a/{e.id}" and e.resolution == "2k" and 1e6 < e.bytes < 3e7
        assert re.fullmatch(rf"{re.escape(e.id)}_2k\.(hdr|exr)", e.file) and (e.md5, e.sha256) == ("", "")
    originals = {e.source.rsplit("/", 1)[1] for e in listed if e.origin == "bundled"}
    assert not originals & {e.id for e in pulled}
    assert len({e.author for e in pulled}) == 9


def test_kinds_and_splits_are_spread():
    listed = read_environments()
    assert {(e.kind, e.split) for e in listed} == {(kind, split) for kind in KINDS for split in SPLITS}
    shares = Counter(e.split for e in listed)
    assert 0.78 < shares["train"] / 300 < 0.82 and min(shares["validation"], shares["test"]) >= 28
    kinds = Counter(e.kind for e in listed)
    assert kinds["outdoor"] < 160 and kinds["indoor"] > 100 and kinds["night"] > 20 and kinds["studio"] > 10


def test_no_place_is_in_two_splits():
    """Also the places of the bundled maps, under their originals' names, and families that a number does not show."""
    splits: dict[str, set[str]] = {}
    for e in read_environments():
        original = e.source.rsplit("/", 1)[1]
        splits.setdefault(stem(original), set()).add(e.split)
        for family in ("venice", "kiara", "teufelsberg", "kloppenheim", "lythwood", "vondelpark", "golf", "blaubeuren"):
            if family in original.split("_"):
                splits.setdefault(f"family {family}", set()).add(e.split)
    assert not {place for place, of in splits.items() if len(of) > 1}
    assert splits["studio_small"] == splits["family golf"] == {"train"}
    assert stem("syferfontein_18d_clear") == "syferfontein" and stem("venice_dawn_2") == stem("venice_sunset")


def test_names_are_made_of_ids():
    names = {e.id: e.name for e in read_environments()}
    assert names["abandoned_factory_canteen_01"] == "Abandoned Factory Canteen 01" and names["city"] == "City"


def test_all_present_ones_of_the_split_are_chosen(empty_cache):
    assert len(choose_environments((), ("train",))) == 6
    assert len(choose_environments((), SPLITS)) == 8
    assert [e.id for e in choose_environments(("night", "studio"), ("train",))] == ["night", "studio"]
    with pytest.raises(InputError, match="names 'city', which belongs to test"):
        choose_environments(("night", "city"), ("train",))
    record = bring(empty_cache, "old_bus_depot", b"pixels")
    _, chosen = choose_environments((), ("test",))
    assert chosen.path() == empty_cache / "old_bus_depot_4k.exr"
    assert (chosen.sha256, chosen.resolution, chosen.bytes) == (record.sha256, "4k", 6)


def test_a_pulled_map_is_compared_with_what_the_pull_recorded(tmp_path):
    bring(tmp_path / "maps", "pillars", b"pixels")
    assert [e.id for e in choose_environments(("pillars",), ("train",), tmp_path / "maps")] == ["pillars"]
    (tmp_path / "maps" / "pillars_4k.exr").write_bytes(b"pixelS")
    with pytest.raises(InputError, match=r"'pillars' is damaged.*`render-ih assets pull --ids pillars`"):
        choose_environments((), ("train",), tmp_path / "maps")
    (tmp_path / "maps" / "old_room_2k.hdr").write_bytes(b"nobody recorded this")
    assert not next(e for e in read_environments() if e.id == "old_room").is_here(tmp_path / "maps")
    with pytest.raises(InputError, match=r"no pull recorded what this file should be; run `render-ih assets pull"):
        choose_environments(("old_room",), ("train",), tmp_path / "maps")


def test_how_many_are_here_is_one_sentence(tmp_path):
    assert presence() == "8 of 300 environments are here; `render-ih assets pull` fetches the rest"
    bring(tmp_path, "pillars", b"pixels")
    own = {"id": "mine", "kind": "indoor", "split": "train", "licence": "own", "file": "mine.exr"}
    (tmp_path / "environments.yaml").write_text(yaml.safe_dump({"environments": [own]}))
    (tmp_path / "mine.exr").write_bytes(b"pixels")
    assert presence(tmp_path).startswith("9 of 300 environments and 1 of your own are here; ")
    bundled = [asdict(e) for e in read_environments() if e.origin == "bundled"]
    (tmp_path / "few.yaml").write_text(yaml.safe_dump({"environments": bundled}))
    assert presence(manifest=tmp_path / "few.yaml") == "8 of 8 environments are here"


def test_own_maps_are_used_beside_the_listed_ones(tmp_path):
    own = {"id": "kitchen", "kind": "indoor", "split": "test", "licence": "mine", "file": "my kitchen.hdr"}
    (tmp_path / "environments.yaml").write_text(yaml.safe_dump({"environments": [own]}))
    with pytest.raises(InputError, match=r"my kitchen\.hdr: environment 'kitchen' is missing; bring the file"):
        choose_environments(("kitchen",), ("test",), tmp_path)
    (tmp_path / "my kitchen.hdr").write_bytes(b"pixels")
    _, chosen = choose_environments((), ("test",), tmp_path)
    assert (chosen.id, chosen.origin, chosen.path(tmp_path)) == ("kitchen", "folder", tmp_path / "my kitchen.hdr")
    assert chosen.sha256 == hashlib.sha256(b"pixels").hexdigest(), "a run must notice when the file is another"
    (tmp_path / "environments.yaml").write_text(yaml.safe_dump({"environments": [own | {"sha256": "0" * 64}]}))
    with pytest.raises(InputError, match="damaged"):
        choose_environments((), ("test",), tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"id": "city"}, "'city' is listed twice"),
        ({"kind": "space"}, r"entry 0 \(kitchen\) has the kind 'space'; it can be outdoor"),
        ({"split": "dev"}, "has the split 'dev'"),
        ({"origin": "polyhaven"}, "has the origin 'polyhaven'; it can be folder"),
        ({"colour": "red"}, "unknown fields: colour"),
        ({"id": "../x"}, "other characters"),
        ({"bytes": "many"}, "bytes that are no number"),
    ],
)
def test_a_faulty_list_of_own_maps_names_the_entry(tmp_path, change, sentence):
    own = {"id": "kitchen", "kind": "indoor", "split": "test", "licence": "mine", "file": "a.hdr"}
    (tmp_path / "environments.yaml").write_text(yaml.safe_dump({"environments": [own | change]}))
    with pytest.raises(InputError, match=sentence):
        read_environments(folder=tmp_path)


def test_unknown_missing_and_damaged_maps_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"names 'nigth', which is not listed; the nearest are night"):
        choose_environments(("nigth",), ("train",))
    only_train = tmp_path / "train.yaml"
    only_train.write_text(yaml.safe_dump({"environments": [asdict(read_environments()[1])]}))
    with pytest.raises(InputError, match=r"no environment of split 'test' is present.*pull --split test"):
        choose_environments((), ("test",), manifest=only_train)
    with pytest.raises(
        InputError, match=r"pillars_2k\.hdr: environment 'pillars' is missing; run `render-ih assets pull"
    ):
        choose_environments(("pillars",), ("train",))
    entry = asdict(read_environments()[1]) | {"id": "mine", "origin": "folder", "file": "mine.exr"}
    manifest = tmp_path / "hdri.yaml"
    manifest.write_text(yaml.safe_dump({"environments": [entry]}))
    with pytest.raises(InputError, match=r"mine\.exr.*missing"):
        choose_environments(("mine",), ("train",), tmp_path, manifest)
    (tmp_path / "mine.exr").write_bytes(b"not a picture")
    with pytest.raises(InputError, match="damaged"):
        choose_environments(("mine",), ("train",), tmp_path, manifest)


def test_a_manifest_with_a_missing_field_names_the_entry(tmp_path):
    manifest = tmp_path / "hdri.yaml"
    manifest.write_text(yaml.safe_dump({"environments": [{"id": "bare"}]}))
    with pytest.raises(InputError, match=r"entry 0 \(bare\).*sha256"):
        read_environments(manifest)
    manifest.write_text("environments: [1, 2]")
    with pytest.raises(InputError, match="no readable list"):
        read_environments(manifest)


def test_maps_live_in_the_users_cache(tmp_path, monkeypatch, empty_cache):
    assert default_folder() == empty_cache
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".cache" / "render-ih" / "environments"
