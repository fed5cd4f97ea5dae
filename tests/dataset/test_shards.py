"""Shards: what is written is read back, the same rows give the same bytes, nothing half-written ever appears."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from dataset import atomic
from dataset.errors import InputError
from dataset.pictures import photo, values
from dataset.schema import IMAGES, POSES, REJECTED
from dataset.shards import iterate_rows, open_shard, read_shard, rows_at, write_shard
from tests.dataset.synthetic import rejected_row


def test_images_survive_a_round_trip(image_rows, tmp_path):
    shard = write_shard(tmp_path / "a.parquet", image_rows, IMAGES)
    back = list(iterate_rows([tmp_path / "a.parquet"]))
    assert shard.rows == len(back) == len(image_rows)
    for row, stored in zip(image_rows, back, strict=True):
        assert stored["mask_parts"] == row["mask_parts"]
        np.testing.assert_array_equal(stored["camera"]["K"], row["camera"]["K"])
        np.testing.assert_array_equal(stored["right"]["joints_2d"], row["right"]["joints_2d"])
        np.testing.assert_array_equal(stored["left"]["joint_state"], row["left"]["joint_state"])
        assert photo(stored["image"]).size == (row["width"], row["height"])
        assert values(stored["depth"]).max() > 1000, "16 bits survive"


def test_file_keeps_schema_metadata_and_matches_its_record(image_rows, tmp_path):
    path = tmp_path / "a.parquet"
    shard = write_shard(path, image_rows, IMAGES)
    assert pq.read_schema(path).metadata[b"huggingface"] == IMAGES.metadata[b"huggingface"]
    assert pq.read_schema(path).field("depth").metadata == IMAGES.field("depth").metadata
    content = path.read_bytes()
    assert (shard.name, shard.bytes, shard.sha256) == ("a", len(content), hashlib.sha256(content).hexdigest())


def test_same_rows_give_the_same_bytes_in_another_process(tmp_path):
    rows = [rejected_row(n) for n in range(4)]
    here = write_shard(tmp_path / "here.parquet", rows, REJECTED)
    program = f"""
        import sys; from pathlib import Path
        from dataset.schema import REJECTED; from dataset.shards import write_shard
        write_shard(Path(sys.argv[1]), {rows!r}, REJECTED)
    """
    run_python(program, tmp_path / "there.parquet")
    assert (tmp_path / "there.parquet").read_bytes() == (tmp_path / "here.parquet").read_bytes()
    assert write_shard(tmp_path / "other.parquet", rows[::-1], REJECTED).sha256 != here.sha256


def test_empty_shard(tmp_path):
    assert write_shard(tmp_path / "none.parquet", [], POSES).rows == 0
    assert list(iterate_rows([tmp_path / "none.parquet"])) == []
    assert read_shard(tmp_path / "none.parquet").schema.equals(POSES)


def test_chosen_columns_and_rows(image_rows, tmp_path):
    path = tmp_path / "a.parquet"
    write_shard(path, image_rows * 30, IMAGES)
    with open_shard(path) as file:
        assert file.num_row_groups > 1
    numbers = [1, 63, 64, 149]
    found = rows_at(path, numbers, ["sample_id", "right.bbox"])
    assert [row["sample_id"] for row in found] == [image_rows[n % len(image_rows)]["sample_id"] for n in numbers]
    assert set(found[0]) == {"sample_id", "right"}
    assert set(found[0]["right"]) == {"bbox"}


@pytest.mark.parametrize("content", [None, b"", b"PAR1 not really PAR1"])
def test_missing_or_damaged_shard_is_explained(tmp_path, content):
    path = tmp_path / "a.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.parquet: this shard is (missing|damaged)"):
        read_shard(path)


class FullDisk:
    """A file on a disk that has room for a few bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, data):
        if self.file.tell() + len(data) > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(data)

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()


@pytest.mark.parametrize("room", [0, 10_000])
def test_full_disk_is_explained_and_leaves_the_old_file(image_rows, tmp_path, monkeypatch, room):
    path = tmp_path / "a.parquet"
    before = write_shard(path, image_rows[:1], IMAGES)
    real_open = type(path).open
    monkeypatch.setattr(type(path), "open", lambda self, mode="r", *rest: FullDisk(real_open(self, mode, *rest), room))
    with pytest.raises(InputError, match="no space left"):
        write_shard(path, image_rows, IMAGES)
    monkeypatch.undo()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before.sha256
    assert [file.name for file in tmp_path.iterdir()] == ["a.parquet"]


def test_file_size_limit_of_the_system_counts_as_full(tmp_path):
    """The kernel itself refuses the bytes: the nearest to a full disk that needs no rights."""
    program = """
        import resource, signal, sys; from pathlib import Path
        from dataset.atomic import atomic_write; from dataset.errors import InputError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            atomic_write(Path(sys.argv[1]), b"x" * 100_000)
        except InputError:
            sys.exit(7)
    """
    assert run_python(program, tmp_path / "a.bin", check=False) == 7
    assert list(tmp_path.iterdir()) == []


def test_kill_between_write_and_rename_leaves_only_a_leftover(tmp_path):
    program = """
        import os, signal, sys; from pathlib import Path
        from dataset import atomic
        from dataset.schema import REJECTED; from dataset.shards import write_shard
        Path.replace = lambda self, target: os.kill(os.getpid(), signal.SIGKILL)
        write_shard(Path(sys.argv[1]), [], REJECTED)
    """
    path = tmp_path / "a.parquet"
    assert run_python(program, path, check=False) == -signal.SIGKILL
    assert not path.exists()
    (leftover,) = tmp_path.iterdir()
    assert atomic.is_partial(leftover)
    assert leftover.stat().st_size > 0
    assert atomic.remove_leftovers(tmp_path) == [leftover]
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_living_writers_and_other_files_stay(tmp_path):
    with atomic.atomic_file(tmp_path / "a.parquet") as file:
        file.write(b"half")
        (tmp_path / ".hidden.partial").write_text("not ours")
        (tmp_path / ".a.elsewhere-1.partial").write_text("written by another machine just now")
        assert atomic.remove_leftovers(tmp_path) == []
    assert (tmp_path / "a.parquet").read_bytes() == b"half"


def test_error_while_writing_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic.atomic_file(tmp_path / "a.parquet") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def run_python(program, *arguments, check=True):
    command = [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": root}, capture_output=True, text=True)
    if check:
        assert done.returncode == 0, done.stderr
    return done.returncode
