"""Commands on a dataset that is there, called as a user calls them."""

import json
import shutil

import pytest
from click.testing import CliRunner, Result

from dataset.exports.formats import FORMATS
from dataset.manifest import Manifest
from flows.cli import main
from tests.dataset.synthetic import make_sample, write_dataset


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def refused(*words: object) -> str:
    """The sentence with which a command refuses; one line, exit code 2."""
    result = call(*words)
    assert result.exit_code == 2 and "Traceback" not in result.output, result.output
    message = result.output.strip().splitlines()[-1]
    assert message.startswith("error: "), result.output
    return message


@pytest.fixture(scope="module")
def whole(hands, tmp_path_factory):
    """Three images of three poses; tests must not change it."""
    samples = [make_sample(number, hands) for number in range(3)]
    return write_dataset(tmp_path_factory.mktemp("whole") / "d", samples).folder


@pytest.fixture
def own(whole, tmp_path):
    """A copy that may be changed."""
    return shutil.copytree(whole, tmp_path / "own")


def test_verify_says_what_it_looked_at(whole, tmp_path):
    result = call("verify", whole, "--sample", 2, "--report", tmp_path / "report.json")
    assert result.exit_code == 0, result.output
    assert "geometry of 2 and pictures of 2 images: all labels and checksums that were looked at agree" in result.output
    assert json.loads((tmp_path / "report.json").read_text())["looked_at"]["pictures"] == 2
    assert "pictures of 0 images" in call("verify", whole, "--no-pictures").output


def test_verify_lists_offending_rows_and_ends_with_1(own, tmp_path):
    path = Manifest.read(own).path("images", "00000")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    result = call("verify", own, "--report", tmp_path / "report.json")
    assert result.exit_code == 1 and "images 00000: the file's checksum is not the manifest's" in result.output
    found = json.loads((tmp_path / "report.json").read_text())
    assert not found["ok"] and {"table", "row", "message"} == set(found["problems"][0])


def test_inspect_writes_a_page(whole, tmp_path):
    result = call("inspect", whole, "--out", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    assert "images        3 of 3 planned" in result.output and (tmp_path / "page.html").stat().st_size > 20_000


@pytest.mark.parametrize(("option", "suffix"), [((), "html"), (("--rerun",), "rrd")])
def test_view_writes_a_file_and_says_where(whole, tmp_path, option, suffix):
    target = tmp_path / f"view.{suffix}"
    result = call("view", whole, "000001-0", "--out", target, *option)
    assert result.exit_code == 0, result.output
    assert f"view: {target}" in result.output and target.stat().st_size > 20_000


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_exported_and_an_export_is_not_overwritten(whole, tmp_path, name):
    result = call("export", whole, "--format", name, "--out", tmp_path / name, "--samples", 2)
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / name / "export.json").read_text())["format"] == name
    assert str(tmp_path / name) in refused("export", whole, "--format", name, "--out", tmp_path / name, "--samples", 2)


def test_merge_append_and_subset_leave_sound_datasets(whole, hands, tmp_path):
    more = write_dataset(tmp_path / "more", [make_sample(number, hands) for number in (8, 10)]).folder
    result = call("merge", whole, more, "--out", tmp_path / "both")
    assert result.exit_code == 0 and "(5 images: train 5)" in result.output, result.output
    result = call("subset", tmp_path / "both", "--where", "render.hdri = 'forest'", "--out", tmp_path / "part")
    assert result.exit_code == 0 and "images: train" in result.output, result.output
    again = shutil.copytree(whole, tmp_path / "grown")
    assert call("append", again, more).exit_code == 0
    for folder in (tmp_path / "both", tmp_path / "part", again):
        assert call("verify", folder).exit_code == 0
        assert {"README.md", "croissant.json", "contact_sheet.html"} <= {path.name for path in folder.iterdir()}


def test_bad_input_is_one_sentence_and_changes_nothing(own, tmp_path):
    before = {path: path.read_bytes() for path in own.rglob("*.*") if path.is_file()}
    assert "has no sample 'nobody'" in refused("view", own, "nobody")
    assert "is not a dataset" in refused("merge", own, tmp_path / "nothing", "--out", tmp_path / "both")
    assert "SELECT" in refused("subset", own, "--where", "SELECT 1; DROP", "--out", tmp_path / "part")
    assert not (tmp_path / "both").exists() and not (tmp_path / "part").exists()
    assert before == {path: path.read_bytes() for path in own.rglob("*.*") if path.is_file()}


@pytest.mark.parametrize("command", ["verify", "inspect", "view", "export"])
def test_a_manifest_of_a_newer_schema_is_refused(own, tmp_path, command):
    path = own / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": "3.0"}))
    more = ("--format", "coco", "--out", tmp_path / "coco") if command == "export" else ()
    assert "a newer render-ih wrote it (schema 3.0" in refused(command, own, *more)


def test_a_dataset_that_is_not_finished_is_neither_merged_nor_hidden(own, whole, tmp_path):
    manifest = Manifest.read(own)
    manifest.splits = {}
    manifest.replace()
    assert "finish" in refused("append", whole, own)
    assert "the last step is missing" in call("verify", own).output
