"""Recorded poses as the source of a run: through the tasks up to validated poses, and what the dataset says of them."""

import json
import tracemalloc
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from dataset.assets.hand_files import load_hands
from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.pictures import photo_cell
from dataset.readers.source import RawPoses
from dataset.verification.verify import verify
from flows.cli import main
from flows.render_ih import COLLECT, POSES
from hands.pose import HandPose, TwoHandPose
from tasks.collect_poses import Candidates, candidates, collect_poses
from tasks.config import load_config
from tasks.run import open_run
from tasks.sharing.share import lead
from tests.dataset.readers.writers import example_poses, interhand, save_hic, save_interhand, save_reinterhand
from tests.flows.small_run import SMALL, config, rows

FREE = load_hands()


def recording(folder: Path, count: int = 3) -> Path:
    """InterHand2.6M's files with `count` frames and two faults."""
    content = json.loads(json.dumps(interhand(example_poses(FREE, count + 2), FREE)))
    frames = content["MANO_NeuralAnnot"]["13"]
    frames[str(100 + count)]["left"]["pose"][3] = float("nan")
    frames[str(101 + count)]["right"]["trans"] = [900.0, 100.0, 400.0]
    return save_interhand(folder, content)


def from_recording(folder: Path, *more: str):
    """A run of that source."""
    return config("source.kind=interhand26m", f"source.path={folder}", *more)


def make_poses(run_config, out: Path) -> None:
    """The flow without its rendering."""
    with open_run(run_config, out) as run:
        for stage in (COLLECT, POSES):
            lead(run, stage)


def test_a_recording_becomes_validated_poses_and_its_faults_are_listed(tmp_path, capsys):
    out = tmp_path / "out"
    make_poses(from_recording(recording(tmp_path / "ih")), out)
    judged = [row for row in rows(out, "rejected") if row["stage"] == "validate"] + rows(out, "poses")
    names = {f"interhand26m-train-13-{frame}-a{copy:03d}" for frame in (100, 101, 102) for copy in (0, 1)}
    assert {row["pose_id"] for row in judged} == names and rows(out, "poses")
    assert {row["source"] for row in judged} == {"interhand26m"}
    assert {row["base_pose"] for row in judged} == {name[:-5] for name in names}
    unread = [row for row in rows(out, "rejected") if row["stage"] == "read"]
    place = "InterHand2.6M_train_MANO_NeuralAnnot.json: 13."
    assert [(row["reason"], row["base_pose"]) for row in unread] == [
        ("not a finite number", f"{place}103.left.pose"),
        ("wrong unit", f"{place}104.right.trans"),
    ]
    assert not verify(out, FREE).problems
    said = capsys.readouterr().err
    for line in (
        "interhand26m holds parameters of MANO: with the free hand its poses are an approximation (hands.mano)",
        "Reading poses: 3 poses in ",
        f"Reading poses: 1 unusable: wrong unit, the first in {place}104.right.trans",
    ):
        assert line in said


def test_the_dataset_belongs_to_the_content_of_its_source_not_to_its_place(tmp_path):
    here, out = recording(tmp_path / "here"), tmp_path / "out"
    make_poses(from_recording(here), out)
    manifest = (out / "manifest.json").read_text()
    assert str(tmp_path) not in manifest and len(Manifest.read(out).config["inputs"]["source"]) == 64
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    here.rename(tmp_path / "there")
    make_poses(from_recording(tmp_path / "there", "source.faults=skip"), out)
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    with pytest.raises(InputError, match=r"inputs\.source is"):
        make_poses(from_recording(recording(tmp_path / "other", count=2)), out)


def test_a_finished_dataset_opens_without_its_source_but_gives_no_raw_poses(tmp_path):
    out, here = tmp_path / "out", recording(tmp_path / "ih")
    make_poses(from_recording(here), out)
    with open_run(config("source.kind=interhand26m"), out) as run:
        assert run.manifest.rows("poses") > 0
        with pytest.raises(InputError, match=r"raw poses of interhand26m are needed.*source\.path"):
            collect_poses(run, "read", None)


def test_what_cannot_be_read_is_refused_before_anything_is_written(tmp_path):
    out = tmp_path / "out"
    calls = {
        "no source.path is given": config("source.kind=hic"),
        "holds no InterHand2.6M_train_MANO": from_recording(tmp_path),
        "not a finite number; mend it": from_recording(recording(tmp_path / "ih"), "source.faults=refuse"),
        "3 hands more than 0.001 mm apart": from_recording(tmp_path / "ih", "source.max_hand_distance_mm=0.001"),
    }
    for sentence, run_config in calls.items():
        with pytest.raises(InputError, match=sentence), open_run(run_config, out):
            pass
        assert not out.exists()


@pytest.mark.parametrize("kind", ["reinterhand", "hic", "parquet"])
def test_every_kind_of_source_runs(tmp_path, kind):
    from dataset.readers.conventions import FingerAngles

    poses, folder = example_poses(FREE, 2), tmp_path / kind
    if kind == "parquet":
        make_poses(config("validation.max_penetration_mm=50", "augmentation.copies=0"), folder)
    elif kind == "hic":
        save_hic(folder, poses, FREE, FingerAngles.PCA)
    else:
        save_reinterhand(folder, poses, FREE)
    run_config = config(f"source.kind={kind}", f"source.path={folder}", "augmentation.copies=0")
    make_poses(run_config, tmp_path / "out")
    judged = rows(tmp_path / "out", "poses") + rows(tmp_path / "out", "rejected")
    assert len(judged) == 2 and {row["source"] for row in judged} == {kind}
    assert all(row["pose_id"].endswith("-a000") for row in judged)


def test_distinct_poses_of_a_recording(tmp_path):
    with open_run(from_recording(recording(tmp_path / "ih"), "source.distinct=2"), tmp_path / "out") as run:
        assert len(run.source.raw.names) == 2 and len(candidates(run)[0]) == 4


def test_distinct_gestures(tmp_path):
    with open_run(config("source.names=[]", "source.distinct=7"), tmp_path / "out") as run:
        assert len(set(run.source.raw.names)) == 7 and run.source.kind == "gestures"


def made_up(count: int) -> RawPoses:
    hand = HandPose(torch.zeros(count, 3), torch.zeros(count, 45), torch.zeros(count, 10), torch.zeros(count, 3))
    return RawPoses([f"p{number}" for number in range(count)], TwoHandPose(hand, hand), ["train"] * count)


def test_shards_are_made_when_they_are_asked_for():
    """20,000 poses × 31 copies × 122 numbers would be 300 MB."""
    candidates = Candidates(made_up(20_000), copies=31, size=256, source="parquet")
    assert len(candidates) == -(-620_000 // 256)
    tracemalloc.start()
    batches = [len(candidates[number]) for number in (0, 1, 2, len(candidates) - 1)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert batches == [256, 256, 256, 620_000 % 256 or 256] and peak < 1 << 20


def test_shards_cover_every_copy_once_in_order():
    candidates = Candidates(made_up(5), copies=3, size=4, source="hic")
    assert [batch.shard for batch in candidates] == ["00000", "00001", "00002", "00003"]
    names = [name for batch in candidates for name in batch.names]
    assert names == [f"p{base}-a{copy:03d}" for base in range(5) for copy in range(3)]
    assert [c for batch in candidates for c in batch.copies] == [0, 1, 2] * 5
    assert candidates[-1].names == candidates[3].names and candidates[3].bases == ["p4"] * 3
    with pytest.raises(IndexError):
        candidates[4]


@pytest.mark.render
def test_the_command_renders_a_recording(tmp_path):
    folder, out = recording(tmp_path / "ih", count=1), tmp_path / "out"
    words = [w for o in (*SMALL, "augmentation.copies=0", "source.kind=interhand26m") for w in ("--set", o)]
    result = CliRunner().invoke(main, ["run", "--out", str(out), *words, "--set", f"source.path={folder}"])
    assert result.exit_code == 0, result.output
    (image,) = rows(out, "images")
    assert image["provenance"]["source"] == "interhand26m"
    assert image["provenance"]["base_pose"] == "interhand26m-train-13-100"
    again = CliRunner().invoke(
        main, ["rerender", image["sample_id"], "--dataset", str(out), "--out", str(tmp_path / "a.png")]
    )
    assert again.exit_code == 0, again.output
    drawn = photo_cell((tmp_path / "a.png").read_bytes(), "a", load_config(None).picture.quality)
    assert drawn["bytes"] == image["image"]["bytes"], "without the recording at hand"
