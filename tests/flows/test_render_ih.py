"""The main job as a user runs it: small, real, with Blender."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import dataset.atomic
from dataset.assets.environments import read_environments
from dataset.manifest import Manifest
from dataset.pictures import photo_cell
from dataset.verification.verify import verify
from flows.cli import main
from flows.render_ih import render_ih, run_without_server
from hands.joints import Side
from rendering.skin.skins import load_skins
from tasks.config import load_config
from tests.dataset.assets.test_mano_pickle import entries, write
from tests.flows.small_run import SMALL, config, rows


@pytest.mark.render
def test_the_dataset_is_whole(made, hands):
    report = verify(made, hands)
    assert not report.problems
    assert report.rows["poses"] == report.rows["plan"] == report.rows["images"] == 4
    for name in ("manifest.json", "README.md", "croissant.json", "contact_sheet.png", "contact_sheet.html"):
        assert (made / name).stat().st_size > 500


@pytest.mark.render
def test_same_seed_same_rows_and_pixels_whatever_the_shards(made, tmp_path):
    run_without_server(config("shards={poses: 3, images: 1}", "machine.optimise_batch=2"), tmp_path / "again")
    assert rows(made, "poses") == rows(tmp_path / "again", "poses")
    assert rows(made, "plan") == rows(tmp_path / "again", "plan")
    ours, theirs = rows(made, "images"), rows(tmp_path / "again", "images")
    assert [row["image"]["bytes"] for row in ours] == [row["image"]["bytes"] for row in theirs]
    assert [row["depth"]["bytes"] for row in ours] == [row["depth"]["bytes"] for row in theirs]


@pytest.mark.render
def test_same_shards_same_bytes(made, tmp_path):
    folder = tmp_path / "twice"
    run_without_server(config(), folder)
    for table in ("poses", "plan"):
        for path in Manifest.read(made).paths(table):
            assert path.read_bytes() == (folder / table / path.name).read_bytes()


@pytest.mark.render
def test_a_finished_dataset_is_left_alone(made):
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*.parquet")}
    run_without_server(config(), made)
    assert before == {path: path.stat().st_mtime_ns for path in made.rglob("*.parquet")}


@pytest.mark.render
def test_one_sample_renders_again_to_the_same_pixels(made, tmp_path):
    sample = rows(made, "images")[0]
    target = tmp_path / "again.png"
    result = CliRunner().invoke(main, ["rerender", sample["sample_id"], "--dataset", str(made), "--out", str(target)])
    assert result.exit_code == 0, result.output
    again = photo_cell(target.read_bytes(), "again", load_config(None).picture.quality)
    assert again["bytes"] == sample["image"]["bytes"]


@pytest.mark.render
def test_each_split_shows_its_own_poses_environments_and_skins(made):
    own = {"prayer": "validation", "hand_heart": "train"}
    environments = {environment.id: environment.split for environment in read_environments()}
    for image in rows(made, "images"):
        assert image["split"] == own[image["provenance"]["base_pose"]] == environments[image["render"]["hdri"]]
        assert {load_skins()[image["render"][f"skin_{side}"]].split for side in Side} == {image["split"]}
    assert [path.stem for path in Manifest.read(made).paths("images")] == ["train-00000", "validation-00000"]
    assert sorted(Manifest.read(made).splits) == ["train", "validation"]


@pytest.mark.render
def test_pictures_may_be_kept_as_png(tmp_path):
    one = ("source.names=[prayer]", "augmentation.copies=0", "picture.format=png")
    run_without_server(config(*one), tmp_path / "png")
    (image,) = rows(tmp_path / "png", "images")
    assert image["image"]["bytes"].startswith(b"\x89PNG") and image["image"]["path"].endswith(".png")


@pytest.mark.render
def test_ctrl_c_keeps_finished_shards_and_the_next_run_goes_on(tmp_path, hands):
    folder = tmp_path / "stopped"
    many = ("camera={views: 6, width: 128, height: 84}", "shards.images=1")  # 24 images, so that some are left
    words = [w for o in (*SMALL, *many) for w in ("--set", o)]
    # A shell starts background jobs with Ctrl-C ignored, and children inherit that.
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{heeding}; from flows.cli import main; main()", "run", "--out", str(folder)]
    process = subprocess.Popen([*command, *words], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not list(folder.glob("images/*.parquet")):
        time.sleep(0.05)
    time.sleep(0.5)  # the first file is there; give the manifest time to list it
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    kept = Manifest.read(folder).paths("images")
    assert process.returncode == 2 and "goes on from there" in said and "Traceback" not in said
    assert 1 <= len(kept) < 24
    before = {path: path.stat().st_mtime_ns for path in kept}
    run_without_server(config(*many), folder)
    assert before == {path: path.stat().st_mtime_ns for path in kept}
    assert not verify(folder, hands).problems and Manifest.read(folder).rows("images") == 24


@pytest.mark.render
def test_under_prefect_every_step_is_recorded(tmp_path):
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        state = render_ih(
            config("source.names=[prayer]", "augmentation.copies=0"), str(tmp_path / "flow"), return_state=True
        )
        assert state.is_completed()
        assert state.result().images == 1


def failing(*words: str) -> str:
    """What `render-ih` says when it refuses."""
    result = CliRunner().invoke(main, list(words))
    assert result.exit_code == 2, result.output
    message = result.output.strip().splitlines()[-1]
    assert message.startswith("error: ") and "Traceback" not in result.output
    return message


def test_bad_input_is_refused_before_anything_is_written(tmp_path):
    out = tmp_path / "out"
    assert "unknown key" in failing("run", "--out", str(out), "--set", "camera.zoom=2")
    assert "no such gesture" in failing("run", "--out", str(out), "--set", "source.names=[levitation]")
    assert "MANO_RIGHT.pkl" in failing("run", "--out", str(out), "--set", f"hands.mano={tmp_path}")
    assert "names 'city', which belongs to test" in failing(
        "run", "--out", str(out), "--set", "environments.ids=[city]", "--set", "split=train"
    )
    assert "no environment of split 'test'" in failing(
        "run", "--out", str(out), "--set", "environments.ids=[night, forest]"
    )
    assert "no skin of split 'test'" in failing(
        "run", "--out", str(out), "--set", "skins.names=[olive_man, tan_freckled]"
    )
    assert "no raw pose belongs to split 'test'" in failing(
        "run", "--out", str(out), "--set", "source.names=[prayer]", "--set", "split=test"
    )
    assert "would share a hand shape" in failing("run", "--out", str(out), "--set", "augmentation.shape_sigma=0")
    assert "names 'moon'" in failing("run", "--out", str(out), "--set", "environments.ids=[moon]")
    assert "torch sees no device" in failing("run", "--out", str(out), "--set", "machine.optimise_device=xpu")
    assert "is no device" in failing("run", "--out", str(out), "--set", "machine.optimise_device=gpu")
    assert "no such anchor file" in failing("run", "--out", str(out), "--set", f"hands.anchors={tmp_path / 'a.json'}")
    assert "no checkpoint" in failing("run", "--out", str(out), "--set", f"naturalness.checkpoint={tmp_path / 'd'}")
    assert "not a dataset" in failing("verify", str(tmp_path / "nothing"))
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "sentence"), [(None, "no environment of split 'train' is present"), (b"", "damaged")]
)
def test_missing_and_damaged_environments_are_refused_before_work_begins(tmp_path, monkeypatch, content, sentence):
    monkeypatch.setattr("dataset.assets.environments.bundled_folder", lambda: tmp_path)
    if content is not None:
        (tmp_path / "city.exr").write_bytes(content)
    assert sentence in failing("run", "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.render
def test_another_configuration_is_refused(made):
    assert "seed is 1 there and 5 here" in failing(
        "run", "--out", str(made), *[w for o in (*SMALL, "seed=5") for w in ("--set", o)]
    )
    assert "has no sample" in failing("rerender", "nobody", "--dataset", str(made))


def test_a_full_disk_is_one_sentence_and_leaves_no_half_file(tmp_path, monkeypatch):
    real = os.fsync

    def full(descriptor: int) -> None:
        if ".parquet" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(dataset.atomic.os, "fsync", full)
    words = [w for o in SMALL for w in ("--set", o)]
    message = failing("run", "--out", str(tmp_path / "full"), *words)
    assert "no space left" in message
    assert not list((tmp_path / "full").rglob("*.parquet*"))


@pytest.mark.render
def test_mano_files_make_the_same_dataset_as_the_hand_they_hold(made, tmp_path, hands):
    folder = tmp_path / "mano"
    folder.mkdir()
    for side, model in hands.items():
        write(folder, side, entries(model.arrays))
    run_without_server(config(f"hands.mano={folder}"), tmp_path / "with-mano")
    assert rows(tmp_path / "with-mano", "poses") == rows(made, "poses")
    assert [r["depth"] for r in rows(tmp_path / "with-mano", "images")] == [r["depth"] for r in rows(made, "images")]
    assert str(folder) not in (tmp_path / "with-mano" / "manifest.json").read_text()
