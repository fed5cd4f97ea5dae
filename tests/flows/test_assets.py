"""`render-ih assets` from the outside: what it says, where it puts things, how it ends."""

import pytest
from click.testing import CliRunner, Result

from flows.cli import main
from tests.dataset.assets.pulling.haven_stand_in import cut, says, stand_in

MAPS = ("pillars", "old_room", "zwinger_night")


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def assets(*words: str) -> Result:
    return CliRunner().invoke(main, ["assets", *words])


def test_maps_are_pulled_into_the_cache_listed_and_verified(tmp_path):
    with stand_in(*MAPS) as server:
        server.faults[server.file("old_room")] = [cut]
        pulled = assets("pull", "--mirror", server.base, "--ids", "pillars,old_room", "--ids", "zwinger_night")
        assert pulled.exit_code == 0, pulled.output
        assert "Powered by Poly Haven" in pulled.output and "3 fetched (0.2 MB), 0 kept, 0 failed" in pulled.output
        assert "11 of 300 environments are here" in pulled.output
    folder = tmp_path / "render-ih" / "environments"
    assert (folder / "pillars_2k.hdr").is_file()
    listed = assets("list")
    assert listed.exit_code == 0 and "11 of 300 environments are here" in listed.output
    assert any(line.startswith("here") and "pillars" in line for line in listed.output.splitlines())
    assert any(line.startswith("missing") and " night " in line for line in listed.output.splitlines())
    assert assets("verify").output.count("whole") == 11
    (folder / "pillars_2k.hdr").write_bytes(b"")
    damaged = assets("verify")
    assert damaged.exit_code == 1 and "'pillars' is damaged" in damaged.output
    again = assets("pull", "--mirror", str(folder), "--ids", "old_room")
    assert again.exit_code == 0 and "Powered by" not in again.output and "1 kept" in again.output


def test_each_failure_is_one_sentence_and_the_exit_code_says_so(tmp_path):
    with stand_in(*MAPS) as server:
        server.faults["/files/pillars"] = [says(404)]
        server.announced["old_room"] = {"md5": "0" * 32}
        result = assets("pull", "--mirror", server.base, "--folder", str(tmp_path / "maps"), "--ids", ",".join(MAPS))
    assert result.exit_code == 1 and "Traceback" not in result.output
    failures = [line for line in result.output.splitlines() if line.startswith("failed: ")]
    assert len(failures) == 2 and "old_room: " in failures[0] and "pillars: " in failures[1]
    assert "1 fetched" in result.output and "2 failed" in result.output


def test_what_cannot_be_is_refused_with_2(tmp_path):
    assert "names 'piers'" in assets("pull", "--ids", "piers").output
    assert assets("pull", "--ids", "piers").exit_code == 2
    assert assets("pull", "--kind", "space").exit_code == 2
    assert assets("pull", "--resolution", "3k").exit_code == 2
    refused = assets("pull", "--mirror", str(tmp_path / "nowhere"))
    assert refused.exit_code == 2 and "is no folder and no http(s) address" in refused.output
