"""The client of Poly Haven's API against a local server that cuts, lies, dawdles and refuses."""

import errno
import hashlib
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from dataset.assets.pulling.haven import Haven, Offer, Patience, Refused, _asked_wait, user_agent
from dataset.errors import InputError
from dataset.versions import code_version
from tests.dataset.assets.pulling.haven_stand_in import BRISK, SLOW, cut, half_a_sentence, picture, says, slow, stand_in

FORMATS = ("hdr", "exr")


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def fetch(server, part: Path, name: str = "room", patience: Patience = BRISK) -> bytes:
    """Find and fetch one map as a pull does."""
    with Haven(server.base, patience=patience) as haven:
        haven.fetch(haven.find(name, "2k", FORMATS), part)
    return part.read_bytes()


def test_a_file_arrives_as_it_was_announced_and_every_request_names_the_program(tmp_path):
    with stand_in("room") as server:
        assert fetch(server, tmp_path / "a.part") == picture("room")
    assert server.paths() == ["/files/room", "/dl/room_2k.hdr"]
    assert {headers["user-agent"] for _, headers in server.asked} == {user_agent()}
    assert user_agent().startswith(f"render-ih/{code_version().partition('+')[0]} ")


def test_a_cut_connection_is_continued_with_a_range(tmp_path):
    with stand_in("room") as server:
        server.faults[server.file("room")] = [cut]
        assert fetch(server, tmp_path / "a.part") == picture("room")
    assert server.ranges_asked("room") == [None, "bytes=20000-"]


def test_a_server_that_ignores_ranges_sends_the_whole_file_again(tmp_path):
    with stand_in("room") as server:
        server.ranges = False
        server.faults[server.file("room")] = [cut]
        assert fetch(server, tmp_path / "a.part") == picture("room")
    assert server.ranges_asked("room") == [None, "bytes=20000-"]


def test_a_server_that_sends_another_range_than_asked_is_asked_for_the_whole(tmp_path):
    part = tmp_path / "a.part"
    part.write_bytes(picture("room")[:100])
    with stand_in("room") as server:
        server.faults[server.file("room")] = [says(206, **{"Content-Range": "bytes 7-8/60000"})]
        assert fetch(server, part) == picture("room")
    assert server.ranges_asked("room") == ["bytes=100-", None]


@pytest.mark.parametrize("begun", [b"another map" * 50, b"x" * 70_000, b"y" * 60_000], ids=["begun", "longer", "full"])
def test_what_was_begun_of_another_file_is_thrown_away(tmp_path, begun):
    part = tmp_path / "a.part"
    part.write_bytes(begun)
    with stand_in("room") as server:
        assert fetch(server, part) == picture("room")


def test_a_range_beyond_the_end_starts_anew(tmp_path):
    part = tmp_path / "a.part"
    part.write_bytes(picture("room")[:50])
    with stand_in("room") as server:
        server.faults[server.file("room")] = [says(416)]
        assert fetch(server, part) == picture("room")


def test_a_wrong_md5_is_refused_and_nothing_is_left(tmp_path):
    part = tmp_path / "a.part"
    with stand_in("room") as server:
        server.announced["room"] = {"md5": "0" * 32}
        with pytest.raises(Refused, match=f"MD5 {hashlib.md5(picture('room')).hexdigest()} where 0000"):
            fetch(server, part)
    assert not part.exists()
    assert server.ranges_asked("room") == [None]


def test_a_wrong_size_is_refused(tmp_path):
    with stand_in("room", "hall") as server:
        server.announced["room"] = {"size": 100}
        server.announced["hall"] = {"size": 99_000}
        with pytest.raises(Refused, match="more than the 100 bytes"):
            fetch(server, tmp_path / "a.part")
        server.ranges = False
        with pytest.raises(Refused, match=r"ended after 60000 of 99000 bytes \(tried 3 times\)"):
            fetch(server, tmp_path / "b.part", "hall")
    assert not (tmp_path / "a.part").exists()


@pytest.mark.parametrize("lie", [{"md5": ""}, {"md5": None}, {"size": 0}, {"size": "9"}, {"url": "file:///etc/passwd"}])
def test_an_announcement_without_address_size_and_md5_is_refused(lie):
    with stand_in("room") as server, Haven(server.base, patience=BRISK) as haven:
        server.announced["room"] = lie
        with pytest.raises(Refused, match="without an address, a size and an MD5"):
            haven.find("room", "2k", FORMATS)


def test_what_is_not_there_is_asked_for_once():
    with stand_in("room") as server, Haven(server.base, patience=BRISK) as haven:
        with pytest.raises(Refused, match=r"files/moon is not there \(404\)"):
            haven.find("moon", "2k", FORMATS)
        with pytest.raises(Refused, match="no 8k hdr or exr; there is 2k hdr"):
            haven.find("room", "8k", FORMATS)
        with pytest.raises(Refused, match="no 2k exr; there is 2k hdr"):
            haven.find("room", "2k", ("exr",))
    assert len(server.asked) == 3


def test_a_late_answer_is_asked_for_again(tmp_path):
    with stand_in("room") as server:
        server.faults["/files/room"] = [slow]
        server.faults[server.file("room")] = [slow]
        hasty = Patience(attempts=2, first_wait=0.01, timeout=SLOW / 6)
        assert fetch(server, tmp_path / "a.part", patience=hasty) == picture("room")
    assert server.paths() == ["/files/room"] * 2 + ["/dl/room_2k.hdr"] * 2


def test_half_a_sentence_is_asked_for_again_and_given_up_on_at_last():
    with stand_in("room") as server, Haven(server.base, patience=BRISK) as haven:
        server.faults["/files/room"] = [half_a_sentence]
        assert haven.find("room", "2k", FORMATS).bytes == 60_000
        server.faults["/files/room"], server.stubborn = [half_a_sentence], {"/files/room"}
        with pytest.raises(Refused, match=r"no JSON \(tried 3 times\)"):
            haven.find("room", "2k", FORMATS)
    assert len(server.asked) == 5


def test_waits_double_and_a_server_that_names_a_wait_gets_it(monkeypatch):
    waits = []
    monkeypatch.setattr(Haven, "_sleep", lambda self, seconds: waits.append(seconds))
    with stand_in("room") as server, Haven(server.base, patience=Patience(first_wait=0.5)) as haven:
        server.faults["/files/room"] = [says(503), says(500), says(429, **{"Retry-After": "7"})]
        haven.find("room", "2k", FORMATS)
    assert waits[1::2] == [0.5, 1.0, 7.0]
    assert waits[6] == pytest.approx(7.0, abs=0.5)  # what holds the other threads back


def test_a_server_that_wants_hours_is_left_alone():
    with stand_in("room") as server, Haven(server.base, patience=BRISK) as haven:
        server.faults["/files/room"] = [says(429, **{"Retry-After": "3600"})]
        with pytest.raises(Refused, match="asks to wait 3600 s; run the same command again later"):
            haven.find("room", "2k", FORMATS)
    assert len(server.asked) == 1


def test_retry_after_is_a_number_or_a_date():
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert _asked_wait("12") == 12
    assert 85 < _asked_wait(date) <= 90
    assert _asked_wait("") == _asked_wait("soon") == _asked_wait("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    real = Path.open

    def full(self, *words):
        if self.suffix == ".part" and words == ("wb",):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, *words)

    monkeypatch.setattr(Path, "open", full)
    with stand_in("room") as server, pytest.raises(InputError, match=r"a\.part: no space left"):
        fetch(server, tmp_path / "a.part")


def test_nobody_there_is_one_sentence_for_all_maps(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Haven(base, patience=BRISK) as haven, pytest.raises(InputError, match="check the network"):
            haven.find("room", "2k", FORMATS)


def test_a_whole_part_needs_no_request(tmp_path):
    part, content = tmp_path / "a.part", picture("room")
    part.write_bytes(content)
    with stand_in("room") as server, Haven(server.base, patience=BRISK) as haven:
        haven.fetch(Offer(server.base + "/x", len(content), hashlib.md5(content).hexdigest(), "2k", "hdr"), part)
    assert server.asked == []
