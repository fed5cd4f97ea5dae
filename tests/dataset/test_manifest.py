"""The manifest: created once, resumed only by the same configuration, true whatever the order and number of writers."""

import json
import threading

import pytest

from dataset.errors import InputError
from dataset.manifest import Manifest, config_sha256
from dataset.schema import REJECTED, VERSION
from dataset.shards import write_shard
from tests.dataset.synthetic import CONFIG, rejected_row


def add(manifest, name, count=2):
    shard = write_shard(manifest.path("rejected", name), [rejected_row(n) for n in range(count)], REJECTED)
    manifest.add("rejected", shard)


def test_resume_knows_what_is_done(tmp_path):
    manifest = Manifest.open(tmp_path / "new" / "dataset", CONFIG)
    assert not manifest.done("rejected", "00000")
    add(manifest, "00000", 3)
    again = Manifest.open(tmp_path / "new" / "dataset", dict(reversed(CONFIG.items())))
    assert again.done("rejected", "00000")
    assert not again.done("images", "00000")
    assert again.rows("rejected") == 3
    assert again == manifest


def test_lost_or_cut_file_is_not_done(tmp_path):
    manifest = Manifest.open(tmp_path, CONFIG)
    add(manifest, "a")
    add(manifest, "b")
    manifest.path("rejected", "a").unlink()
    manifest.path("rejected", "b").write_bytes(b"PAR1")
    assert not manifest.done("rejected", "a")
    assert not manifest.done("rejected", "b")


def test_file_does_not_depend_on_the_order_of_work(tmp_path):
    orders = (("a", "b", "c"), ("c", "a", "b"))
    for number, order in enumerate(orders):
        manifest = Manifest.open(tmp_path / str(number), CONFIG)
        for name in order:
            add(manifest, name)
    assert (tmp_path / "0/manifest.json").read_bytes() == (tmp_path / "1/manifest.json").read_bytes()


def test_other_configuration_is_refused_with_the_keys_that_differ(tmp_path):
    Manifest.open(tmp_path, CONFIG)
    other = CONFIG | {"seed": 8, "camera": CONFIG["camera"] | {"width": 512}, "extra": True, "views": 9}
    with pytest.raises(InputError) as caught:
        Manifest.open(tmp_path, other)
    message = str(caught.value)
    assert "camera.width is 256 there and 512 here" in message
    assert "extra is nothing there and true here" in message
    assert "and 1 more" in message
    assert "\n" not in message


def test_foreign_directory_is_refused_untouched(tmp_path):
    (tmp_path / "holiday.jpg").write_text("mine")
    with pytest.raises(InputError, match=r"not empty and not a dataset \(it holds holiday.jpg\)"):
        Manifest.open(tmp_path, CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]
    with pytest.raises(InputError, match="is a file"):
        Manifest.open(tmp_path / "holiday.jpg", CONFIG)
    with pytest.raises(InputError, match="cannot be written"):
        Manifest.open(tmp_path / "holiday.jpg" / "dataset", CONFIG)


@pytest.mark.parametrize("content", ["", "{", "{}", '{"format": 2}', "[1]", '{"format": 2, "tables": []}'])
def test_damaged_manifest_is_explained(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match="is damaged"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize(
    ("form", "schema", "sentence"),
    [
        (3, "2.0", "a newer render-ih wrote it"),
        (2, "99.0", "a newer render-ih wrote it"),
        (2, VERSION.split(".")[0] + ".99", "a newer render-ih wrote it"),
        (1, "1.0", "no longer reads"),
        (2, "1.0", "no longer reads"),
    ],
)
def test_other_versions_are_refused_with_what_to_do(tmp_path, form, schema, sentence):
    Manifest.open(tmp_path, CONFIG)
    content = json.loads((tmp_path / "manifest.json").read_text()) | {"format": form, "schema": schema}
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=sentence):
        Manifest.read(tmp_path)


def test_no_run_goes_on_in_what_was_put_together(tmp_path):
    manifest = Manifest.open(tmp_path, CONFIG)
    manifest.origin = {"operation": "merge"}
    manifest.replace()
    with pytest.raises(InputError, match="was made by `render-ih merge`, so no run can go on in it"):
        Manifest.open(tmp_path, CONFIG)


def test_finished_is_what_has_its_splits_recorded(tmp_path):
    manifest = Manifest.open(tmp_path, CONFIG)
    assert not Manifest.read(tmp_path).is_finished
    manifest.finish({"train": {"images": 3}})
    assert Manifest.read(tmp_path).is_finished and Manifest.read(tmp_path).splits == {"train": {"images": 3}}


def test_missing_dataset_is_explained(tmp_path):
    with pytest.raises(InputError, match="is not a dataset"):
        Manifest.read(tmp_path / "nowhere")


def test_writers_at_the_same_time_lose_nothing(tmp_path):
    Manifest.open(tmp_path, CONFIG)
    writers = [threading.Thread(target=lambda n=n: add(Manifest.read(tmp_path), f"{n:05d}")) for n in range(12)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(Manifest.read(tmp_path).shards["rejected"]) == [f"{n:05d}" for n in range(12)]


def test_creating_twice_at_the_same_time_keeps_what_the_first_added(tmp_path):
    """The second process looked before the first had written anything."""
    late = Manifest.open(tmp_path / "elsewhere", CONFIG)
    late.folder = tmp_path / "here"
    add(Manifest.open(tmp_path / "here", CONFIG), "a")
    late.create()
    assert Manifest.read(tmp_path / "here").done("rejected", "a")


def test_leftovers_of_a_killed_writer_disappear_on_resume(tmp_path):
    manifest = Manifest.open(tmp_path, CONFIG)
    add(manifest, "a")
    from dataset.atomic import _host

    leftover = tmp_path / "rejected" / f".b.parquet.{_host()}-{2**22 + 1}.partial"
    leftover.write_bytes(b"half")
    Manifest.open(tmp_path, CONFIG)
    assert not leftover.exists()
    assert manifest.path("rejected", "a").exists()


def test_content_says_what_made_it(tmp_path):
    Manifest.open(tmp_path, CONFIG)
    content = json.loads((tmp_path / "manifest.json").read_text())
    (run,) = content["runs"].values()
    assert run["config"] == CONFIG and list(content["runs"]) == [config_sha256(CONFIG)]
    assert {"python", "numpy", "torch", "pyarrow", "bpy"} <= run["versions"].keys()
    assert run["code_version"] and content["schema"] == VERSION
    assert str(tmp_path) not in (tmp_path / "manifest.json").read_text()
