"""Pulling many maps: all that can be had, each once and whole, whatever happens to the others or to the pull."""

import hashlib
import json
import os

import pytest

from dataset.assets.environments import read_environments
from dataset.assets.pulling.haven import Haven
from dataset.assets.pulling.lock import LOCK, read_lock
from dataset.assets.pulling.mirror import MapMirror
from dataset.assets.pulling.pull import Wish, open_maps, pull_maps, select_maps
from dataset.errors import InputError
from tests.dataset.assets.pulling.haven_stand_in import BRISK, cut, entry, picture, says, slow, stand_in

STANDARD = Wish()
NAMES = ("attic", "barn", "cellar", "den", "eaves", "foyer", "garage", "hall")


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def pull(server, folder, names=NAMES, wish=STANDARD, parallel=3, **more):
    """Pull these maps from a stand-in."""
    with Haven(server.base, parallel, more.pop("patience", BRISK)) as source:
        return pull_maps([entry(name) for name in names], folder, source, wish, parallel, **more)


def names_in(folder) -> set[str]:
    """Files that are neither records nor guards."""
    return {path.name for path in folder.iterdir()} - {LOCK, ".pull.lock"}


def test_all_arrive_and_are_recorded_and_a_second_pull_asks_nothing(tmp_path):
    counted = []
    with stand_in(*NAMES) as server:
        report = pull(server, tmp_path, finished=counted.append)
        assert set(report.fetched) == set(NAMES) and not report.kept and not report.failed
        asked = len(server.asked)
        again = pull(server, tmp_path)
        assert sorted(again.kept) == list(NAMES) and not again.fetched and len(server.asked) == asked == 16
    assert counted == [1] * 8
    assert names_in(tmp_path) == {f"{name}_2k.hdr" for name in NAMES}
    content, record = picture("den"), read_lock(tmp_path)["den"]
    assert (tmp_path / record.file).read_bytes() == content
    assert record.sha256 == hashlib.sha256(content).hexdigest() and record.md5 == hashlib.md5(content).hexdigest()
    assert (record.url, record.bytes, record.resolution) == (server.base + "/dl/den_2k.hdr", len(content), "2k")


@pytest.mark.parametrize(("connections", "parallel"), [(8, 3), (3, 8)])
def test_no_more_requests_at_once_than_allowed(tmp_path, connections, parallel):
    """Bounded twice: by the threads of a pull, and by the client whatever the threads."""
    with stand_in(*NAMES) as server, Haven(server.base, connections, BRISK) as source:
        server.pause = 0.03
        pull_maps([entry(name) for name in NAMES], tmp_path, source, STANDARD, parallel)
    assert 2 <= server.most_at_once <= 3


def test_one_fault_is_no_other_maps_fault(tmp_path):
    with stand_in(*NAMES) as server:
        server.announced["barn"] = {"md5": "0" * 32}
        server.faults["/files/den"] = [says(404)]
        server.faults[server.file("hall")] = [cut]
        server.faults[server.file("eaves")] = [slow]
        server.faults["/files/foyer"] = [says(503)]
        report = pull(server, tmp_path)
    assert set(report.failed) == {"barn", "den"}
    assert "404" in report.failed["den"] and "MD5" in report.failed["barn"]
    assert names_in(tmp_path) == {f"{name}_2k.hdr" for name in NAMES} - {"barn_2k.hdr", "den_2k.hdr"}
    assert set(read_lock(tmp_path)) == set(NAMES) - {"barn", "den"}


def test_a_pull_that_failed_in_the_middle_goes_on_from_there(tmp_path):
    with stand_in("attic", "barn") as server:
        path = server.file("attic")
        server.faults[path], server.stubborn = [cut], {path}
        assert "tried 3 times" in pull(server, tmp_path, ("attic", "barn")).failed["attic"]
        server.faults[path].clear()
        server.asked.clear()
        report = pull(server, tmp_path, ("attic", "barn"))
        assert report.kept == ["barn"] and set(report.fetched) == {"attic"}
        assert server.paths() == ["/files/attic", path]
        assert server.ranges_asked("attic") == ["bytes=20000-"]
    assert names_in(tmp_path) == {"attic_2k.hdr", "barn_2k.hdr"}


def test_an_interrupted_pull_keeps_what_it_has(tmp_path):
    def interrupt(count):
        raise KeyboardInterrupt

    with stand_in(*NAMES) as server:
        server.pause = 0.02
        with pytest.raises(KeyboardInterrupt):
            pull(server, tmp_path, parallel=1, finished=interrupt)
        begun = len(server.asked)
        assert begun < 16, "the maps that nobody had begun are not fetched after an interrupt"
        first = set(read_lock(tmp_path))
        assert len(first) == 1
        report = pull(server, tmp_path)
        assert set(report.kept) == first and set(report.fetched) == set(NAMES) - first
        assert names_in(tmp_path) == {f"{name}_2k.hdr" for name in NAMES}


def test_a_map_that_was_damaged_here_is_fetched_again(tmp_path):
    with stand_in("attic", "barn") as server:
        pull(server, tmp_path, ("attic", "barn"))
        (tmp_path / "attic_2k.hdr").write_bytes(picture("attic")[:-1] + b"?")
        (tmp_path / "barn_2k.hdr").unlink()
        assert set(pull(server, tmp_path, ("attic", "barn")).fetched) == {"attic", "barn"}
    assert (tmp_path / "attic_2k.hdr").read_bytes() == picture("attic")


def test_a_file_that_somebody_brought_is_recorded_without_a_download(tmp_path):
    (tmp_path / "attic_2k.hdr").write_bytes(picture("attic"))
    with stand_in("attic") as server:
        assert set(pull(server, tmp_path, ("attic",)).fetched) == {"attic"}
        assert server.paths() == ["/files/attic"]


def test_what_was_begun_of_another_version_is_not_continued(tmp_path):
    (tmp_path / "attic_2k.hdr.0badc0de.part").write_bytes(b"old")
    with stand_in("attic") as server:
        pull(server, tmp_path, ("attic",))
        assert server.ranges_asked("attic") == [None]
    assert names_in(tmp_path) == {"attic_2k.hdr"}


def test_format_and_resolution_are_what_was_wished(tmp_path):
    with stand_in("attic") as server:
        pull(server, tmp_path, ("attic",))
        assert "no 2k exr; there is 2k hdr" in pull(server, tmp_path, ("attic",), Wish("2k", "exr")).failed["attic"]
        assert "no 4k hdr or exr" in pull(server, tmp_path, ("attic",), Wish("4k")).failed["attic"]
        assert pull(server, tmp_path, ("attic",), Wish("2k", "hdr")).kept == ["attic"]
    assert Wish().formats("exr") == ("exr", "hdr") and Wish(format="hdr").formats("exr") == ("hdr",)


def test_a_folder_that_cannot_be_written_and_a_full_disk_end_the_pull(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    with stand_in(*NAMES) as server:
        with pytest.raises(InputError, match="cannot be written"):
            pull(server, tmp_path / "file" / "maps")
        assert server.asked == []
        monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(InputError, match="no space left"):
            pull(server, tmp_path / "maps", parallel=1)
        assert not list((tmp_path / "maps").glob("*.hdr"))


def test_two_pulls_do_not_write_into_one_folder(tmp_path):
    with stand_in("attic") as server, Haven(server.base, patience=BRISK) as source:

        def second(count):
            with pytest.raises(InputError, match="another pull is at work"):
                pull_maps([entry("attic")], tmp_path, source, Wish())

        pull_maps([entry("attic")], tmp_path, source, Wish(), finished=second)


def test_a_damaged_record_is_one_sentence(tmp_path):
    for content in ("{", '{"format": 9}', '{"format": 1, "environments": {"a": {"file": "../a"}}}'):
        (tmp_path / LOCK).write_text(content)
        with pytest.raises(InputError, match=r"environments\.lock\.json: is damaged; remove it"):
            read_lock(tmp_path)


def test_another_pulls_folder_is_a_mirror(tmp_path):
    with stand_in("attic", "barn", "cellar") as server:
        pull(server, tmp_path / "there", ("attic", "barn", "cellar"))
    (tmp_path / "there" / "barn_2k.hdr").write_bytes(picture("barn")[:-1] + b"?")
    (tmp_path / "there" / "cellar_2k.hdr").write_bytes(picture("cellar")[:-1])
    wanted = [entry(name) for name in ("attic", "barn", "cellar", "den")]
    with open_maps(str(tmp_path / "there"), 2) as source:
        assert isinstance(source, MapMirror)
        report = pull_maps(wanted, tmp_path / "here", source, Wish())
    assert set(report.fetched) == {"attic"} and set(report.failed) == {"barn", "cellar", "den"}
    assert "differs from the checksums" in report.failed["barn"] and "59999 bytes" in report.failed["cellar"]
    assert "has no den_2k.hdr or den_2k.exr" in report.failed["den"]
    assert names_in(tmp_path / "here") == {"attic_2k.hdr"}
    assert read_lock(tmp_path / "here")["attic"].md5 == hashlib.md5(picture("attic")).hexdigest()


def test_a_mirror_without_a_record_must_at_least_hold_pictures(tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    (there / "attic_2k.hdr").write_bytes(picture("attic"))
    (there / "barn_2k.exr").write_bytes(b"\x76\x2f\x31\x01" + b"pixels")
    (there / "cellar_2k.hdr").write_bytes(b"<html>sign in first</html>")
    with open_maps(str(there), 2) as source:
        report = pull_maps([entry(name) for name in ("attic", "barn", "cellar")], tmp_path / "here", source, Wish())
    assert set(report.fetched) == {"attic", "barn"} and "is no hdr picture" in report.failed["cellar"]
    assert read_lock(tmp_path / "here")["barn"].file == "barn_2k.exr"
    with pytest.raises(InputError, match="no folder and no http"):
        open_maps(str(tmp_path / "nowhere"), 2)


def test_a_mirror_that_cannot_be_read_is_one_maps_fault(tmp_path, monkeypatch):
    there = tmp_path / "there"
    there.mkdir()
    (there / "attic_2k.hdr").write_bytes(picture("attic"))
    with open_maps(str(there), 2) as source:
        offer = source.find("attic", "2k", ("hdr",))
        (there / "attic_2k.hdr").unlink()
        monkeypatch.setattr(source, "find", lambda *words: offer)
        report = pull_maps([entry("attic")], tmp_path / "here", source, Wish())
    assert "cannot be read (No such file" in report.failed["attic"]


def test_records_are_readable_json(tmp_path):
    with stand_in("attic") as server:
        pull(server, tmp_path, ("attic",))
    content = json.loads((tmp_path / LOCK).read_text())["environments"]["attic"]
    assert set(content) == {"file", "url", "bytes", "md5", "sha256", "resolution"}


def test_selection_meets_every_demand_and_a_few_are_varied():
    entries = read_environments()
    assert len(select_maps(entries)) == 292
    few = select_maps(entries, count=8)
    assert [e.kind for e in few] == ["indoor", "night", "outdoor", "studio"] * 2
    assert [e.id for e in select_maps(entries, count=9)][:8] == [e.id for e in few]
    nights = select_maps(entries, kinds=("night",), splits=("test", "validation"))
    assert nights and all(e.kind == "night" and e.split != "train" for e in nights)
    assert {e.id for e in select_maps(entries, ids=("old_room", "pillars"))} == {"old_room", "pillars"}
    with pytest.raises(InputError, match="--ids names 'old_rom', which is not listed; the nearest are old_room"):
        select_maps(entries, ids=("old_rom",))
    with pytest.raises(InputError, match="--ids names 'city'"):
        select_maps(entries, ids=("city",))
