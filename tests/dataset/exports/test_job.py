"""An export that is stopped, repeated, refused."""

import json
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from dataset.errors import InputError
from dataset.exports import huggingface, pieces, webdataset
from dataset.exports.formats import FORMATS, open_format
from dataset.exports.job import JOURNAL, MARKER, PARTS, export, fingerprint
from dataset.exports.pieces import Limit
from dataset.manifest import Manifest
from dataset.shards import Row

OURS = ("coco", "webdataset", "hf")


class Names:
    """Lists the samples of each shard, and joins the lists."""

    columns = ("sample_id",)

    def __init__(self) -> None:
        self.written: list[str] = []

    def write_shard(self, name: str, rows: Iterator[Row], folder: Path) -> None:
        (folder / PARTS).mkdir(exist_ok=True)
        (folder / PARTS / name).write_text("".join(row["sample_id"] + "\n" for row in rows))
        self.written.append(name)

    def finish(self, folder: Path, shards: Sequence[str]) -> None:
        (folder / "names.txt").write_text("".join((folder / PARTS / shard).read_text() for shard in shards))


def _shards(manifest: Manifest) -> list[str]:
    return sorted(manifest.shards["images"])


def _counts(manifest: Manifest) -> list[int]:
    return [manifest.shards["images"][name].rows for name in _shards(manifest)]


class Stopped(Exception):
    pass


def _stop_after(images: int):
    left = images

    def advance(count: int) -> None:
        nonlocal left
        left -= count
        if left <= 0:
            raise Stopped

    return advance


@pytest.fixture(params=OURS)
def whole(request, manifest, tmp_path, contents):
    """A format's name, and the files of an export that nothing disturbed."""
    out = export(manifest, open_format(request.param, manifest), request.param, tmp_path / "whole")
    return request.param, contents(out)


def test_all_shards_are_written_and_joined(manifest, tmp_path, exported_rows):
    format, finished = Names(), []
    out = export(manifest, format, "names", tmp_path / "out", advance=finished.append)
    assert (out / "names.txt").read_text().split("\n")[:-1] == [row["sample_id"] for row in exported_rows]
    assert format.written == _shards(manifest)
    assert finished == _counts(manifest)


def test_only_results_and_a_marker_stay(manifest, tmp_path):
    out = export(manifest, Names(), "names", tmp_path / "out")
    assert {path.name for path in out.iterdir()} == {"names.txt", MARKER}
    marker = json.loads((out / MARKER).read_text())
    assert (marker["format"], marker["images"], marker["dataset"]) == ("names", 5, fingerprint(manifest))


def test_a_stopped_export_goes_on_where_it_was(manifest, tmp_path):
    out, format = tmp_path / "out", Names()
    with pytest.raises(Stopped):
        export(manifest, format, "names", out, advance=_stop_after(4))
    finished = []
    export(manifest, format, "names", out, advance=finished.append)
    assert format.written == _shards(manifest)
    assert finished == _counts(manifest)


@pytest.mark.parametrize("images", [1, 3, 5])
def test_stopped_between_shards_gives_the_same_files(whole, manifest, tmp_path, contents, images):
    name, expected = whole
    with pytest.raises(Stopped):
        export(manifest, open_format(name, manifest), name, tmp_path / "out", advance=_stop_after(images))
    assert contents(export(manifest, open_format(name, manifest), name, tmp_path / "out")) == expected


def test_stopped_within_a_shard_gives_the_same_files(whole, manifest, tmp_path, contents):
    name, expected = whole

    class Interrupted:
        columns = None

        def write_shard(self, shard: str, rows: Iterator[Row], folder: Path) -> None:
            def some():
                yield next(rows)
                raise Stopped

            open_format(name, manifest).write_shard(shard, some(), folder)

        def finish(self, folder: Path, shards: Sequence[str]) -> None:
            raise AssertionError

    with pytest.raises(Stopped):
        export(manifest, Interrupted(), name, tmp_path / "out")
    assert contents(export(manifest, open_format(name, manifest), name, tmp_path / "out")) == expected


@pytest.mark.parametrize("name", ["webdataset", "hf"])
@pytest.mark.parametrize("joined", [0, 1, 2])
def test_stopped_while_joining_gives_the_same_files(manifest, tmp_path, contents, monkeypatch, name, joined):
    for module in (webdataset, huggingface):
        monkeypatch.setattr(module, "FILE", Limit(rows=2, bytes=10**9))
        monkeypatch.setattr(module, "_PIECE", Limit(rows=1, bytes=10**9))
    expected = contents(export(manifest, open_format(name, manifest), name, tmp_path / "whole"))
    module, left = {"webdataset": webdataset, "hf": huggingface}[name], [None] * joined
    original = module._join

    def failing(found, target):
        if not left:
            raise Stopped
        left.pop()
        original(found, target)

    monkeypatch.setattr(module, "_join", failing)
    with pytest.raises(Stopped):
        export(manifest, open_format(name, manifest), name, tmp_path / "out")
    monkeypatch.setattr(module, "_join", original)
    assert contents(export(manifest, open_format(name, manifest), name, tmp_path / "out")) == expected


def test_finished_twice_gives_the_same_files(whole, manifest, tmp_path, contents):
    """A kill after the last join and before the marker."""
    name, expected = whole

    class Twice:
        def __init__(self) -> None:
            self.format = open_format(name, manifest)
            self.columns, self.write_shard = self.format.columns, self.format.write_shard

        def finish(self, folder: Path, shards: Sequence[str]) -> None:
            self.format.finish(folder, shards)
            self.format.finish(folder, shards)

    assert contents(export(manifest, Twice(), name, tmp_path / "out")) == expected


_KILLED = """
import os, signal, sys
from pathlib import Path
from dataset.exports.formats import open_format
from dataset.exports.job import export
from dataset.manifest import Manifest

manifest, out = Manifest.read(Path(sys.argv[1])), Path(sys.argv[2])
format = open_format("hf", manifest)

class Killed:
    columns = None
    def write_shard(self, name, rows, folder):
        def some():
            yield next(rows)
            if name == sys.argv[3]:
                os.kill(os.getpid(), signal.SIGKILL)
            yield from rows
        format.write_shard(name, some(), folder)

export(manifest, Killed(), "hf", out)
"""


def test_a_killed_process_loses_only_its_shard(manifest, tmp_path, contents):
    expected = contents(export(manifest, open_format("hf", manifest), "hf", tmp_path / "whole"))
    out = tmp_path / "out"
    first, second, *_ = _shards(manifest)
    command = [sys.executable, "-c", _KILLED, manifest.folder, out, second]
    killed = subprocess.run(command, cwd=Path(__file__).parents[3])
    assert killed.returncode == -signal.SIGKILL
    assert list(out.rglob(".*.partial"))
    assert json.loads((out / JOURNAL).read_text())["done"] == [first]
    assert contents(export(manifest, open_format("hf", manifest), "hf", out)) == expected


def test_a_kill_before_the_tidying_up_needs_a_repetition_only(manifest, tmp_path):
    out, format = tmp_path / "out", Names()
    with pytest.raises(Stopped):
        export(manifest, format, "names", out, advance=_stop_after(5))
    journal = (out / JOURNAL).read_text()
    export(manifest, format, "names", out)
    (out / JOURNAL).write_text(journal)
    (out / PARTS).mkdir()
    export(manifest, format, "names", out)
    assert {path.name for path in out.iterdir()} == {"names.txt", MARKER}


@contextmanager
def _largest_file(size: int) -> Iterator[None]:
    """Writing beyond fails as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_sentence_and_can_be_mended(whole, manifest, tmp_path, contents):
    name, expected = whole
    largest = max(len(content) for content in expected.values())
    with _largest_file(largest // 2), pytest.raises(InputError, match="no space left"):
        export(manifest, open_format(name, manifest), name, tmp_path / "out")
    assert contents(export(manifest, open_format(name, manifest), name, tmp_path / "out")) == expected


def _journal_of(manifest: Manifest, out: Path, samples: int = 0) -> None:
    with pytest.raises(Stopped):
        export(manifest, Names(), "names", out, samples, advance=_stop_after(1))


def _refused(manifest: Manifest, out: Path, name: str = "names", samples: int = 0) -> str:
    with pytest.raises(InputError) as caught:
        export(manifest, Names(), name, out, samples)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_is_refused(manifest, tmp_path):
    (tmp_path / "out").write_text("")
    assert "is a file" in _refused(manifest, tmp_path / "out")


def test_a_folder_with_other_things_is_refused_untouched(manifest, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    assert "thesis.tex" in _refused(manifest, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_a_finished_export_is_refused(manifest, tmp_path):
    export(manifest, Names(), "names", tmp_path / "out")
    assert "finished export" in _refused(manifest, tmp_path / "out")


def test_the_dataset_itself_is_no_target(manifest):
    assert "in the dataset itself" in _refused(manifest, manifest.folder / "coco")
    assert "in the dataset itself" in _refused(manifest, manifest.folder)


def test_two_exports_at_once_are_refused(manifest, tmp_path):
    refusals = []

    def advance(count: int) -> None:
        refusals.append(_refused(manifest, tmp_path / "out"))

    export(manifest, Names(), "names", tmp_path / "out", advance=advance)
    assert len(refusals) == len(_shards(manifest))
    assert all("another export is writing into it" in refusal for refusal in refusals)


def test_another_format_or_number_is_refused(manifest, tmp_path):
    _journal_of(manifest, tmp_path / "out")
    assert "format is names there and tables here" in _refused(manifest, tmp_path / "out", "tables")
    assert "samples is 0 there and 3 here" in _refused(manifest, tmp_path / "out", samples=3)


def test_another_dataset_is_refused(manifest, altered, tmp_path):
    _journal_of(manifest, tmp_path / "out")
    del altered.shards["images"][_shards(altered)[-1]]
    assert "another dataset" in _refused(altered, tmp_path / "out")


def test_a_damaged_journal_is_refused(manifest, tmp_path):
    _journal_of(manifest, tmp_path / "out")
    (tmp_path / "out" / JOURNAL).write_text('{"job": {"form')
    assert "is damaged" in _refused(manifest, tmp_path / "out")


@pytest.mark.parametrize("number", [0, 3])
def test_a_cut_shard_is_refused(altered, tmp_path, number):
    path = altered.path("images", _shards(altered)[1])
    path.write_bytes(path.read_bytes()[:-7])
    assert path.name in _refused(altered, tmp_path / "out", samples=number)


def test_a_missing_shard_is_refused(altered, tmp_path):
    path = altered.path("images", _shards(altered)[1])
    path.unlink()
    assert f"{path.name}: this shard is missing" in _refused(altered, tmp_path / "out")


def test_one_altered_byte_is_refused_and_mended_by_a_copy(altered, manifest, tmp_path):
    path = altered.path("images", _shards(altered)[1])
    content = bytearray(path.read_bytes())
    shutil.copy(path, tmp_path / "copy")
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    format = Names()
    with pytest.raises(InputError, match="is not the file that manifest\\.json lists"):
        export(altered, format, "names", tmp_path / "out")
    shutil.copy(tmp_path / "copy", path)
    export(altered, format, "names", tmp_path / "out")
    assert format.written == _shards(altered)


def test_a_mask_that_cannot_be_decoded_is_named(manifest, exported_rows, tmp_path):
    row = exported_rows[0] | {"mask_hands": {"bytes": b"no picture", "path": "a.png"}}
    with pytest.raises(InputError, match="mask_hands cannot be decoded"):
        open_format("coco", manifest).write_shard("00000", iter([row]), tmp_path)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_opens(manifest, name):
    assert callable(open_format(name, manifest).write_shard)


def test_an_unknown_format_is_refused_with_the_known_ones(manifest):
    with pytest.raises(InputError, match="there is no format 'voc'; choose one of coco"):
        open_format("voc", manifest)


def test_a_missing_library_is_named(manifest, monkeypatch):
    monkeypatch.delitem(sys.modules, "dataset.exports.coco", raising=False)
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(InputError, match="'coco' needs pycocotools"):
        open_format("coco", manifest)


@pytest.mark.parametrize("name", OURS)
def test_some_images_of_all_splits(manifest, tmp_path, name):
    out = export(manifest, open_format(name, manifest), name, tmp_path / "out", samples=3)
    assert json.loads((out / MARKER).read_text())["images"] == 3
    named = " ".join(str(path.relative_to(out)) for path in out.rglob("*"))
    assert all(split in named for split in ("train", "validation", "test"))


def test_parts_are_decided_once(manifest, tmp_path, exported_rows):
    """A plan that was kept counts, even where pieces are already gone."""
    webdataset.WebDataset().write_shard("a", iter(exported_rows[:1]), tmp_path)
    webdataset.WebDataset().finish(tmp_path, ["a"])
    before = (tmp_path / "train-000000.tar").read_bytes()
    assert pieces.join_pieces(tmp_path, ["a"], Limit(1, 1), str, shutil.copy) == {"train": ["train-000000.tar"]}
    assert (tmp_path / "train-000000.tar").read_bytes() == before
