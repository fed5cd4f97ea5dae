"""IHDiff as the source of a run: `--set source=ihdiff:CHECKPOINT`, with an untrained network."""

import pytest
import torch
from click.testing import CliRunner

from dataset.assets.gestures import load_gestures
from dataset.assets.hand_files import hand_checksum, load_hands
from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.readers.source import Rules
from dataset.shards import file_sha256
from dataset.splits import split_of
from dataset.verification.verify import verify
from flows.cli import main
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.pose import TwoHandPose
from models.ihdiff import checkpoint
from models.ihdiff.network import Denoiser
from models.ihdiff.representation import Standard, pack
from tasks.config import RenderIHConfig, SourceConfig, load_config
from tasks.pose_source import open_source, sort_out
from tasks.run import open_run
from tests.flows.small_run import SMALL, config, rows
from tests.tasks.test_ihdiff_sampling import TINY, save

FREE = load_hands()
ANYWHERE = (
    "source.max_hand_distance_mm=100000",
    "validation={max_distance_mm: 100000, max_penetration_mm: 1000, max_forearm_depth_mm: 1000}",
)
"""An untrained network's hands are far apart."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Its scale is so narrow that all its hands are nearly one gesture, which can be pictured."""
    gestures = {gesture.name: gesture for gesture in load_gestures()}
    poses = [gesture_pose(gestures[name], FREE[Side.RIGHT], FREE[Side.LEFT]) for name in ("prayer", "clap")]
    standard = Standard.of(pack(TwoHandPose.stack(poses), FREE).x)
    standard = Standard(standard.mean, torch.full_like(standard.std, 1e-3))
    folder = tmp_path_factory.mktemp("training")
    save(folder / checkpoint.FILE, checkpoint.IHDiff(Denoiser(TINY), standard), {"hands": hand_checksum(FREE)})
    return folder


def drawn(folder, *more: str) -> RenderIHConfig:
    section = f"source={{kind: ihdiff, path: {folder}, samples: 3, sampling_steps: 4}}"
    return config(section, *ANYWHERE, "augmentation.copies=0", *more)


def test_kind_and_path_may_be_given_in_one():
    short = load_config(None, ("source=ihdiff:out/some where/model.safetensors",)).source
    assert (short.kind, str(short.path)) == ("ihdiff", "out/some where/model.safetensors")
    assert (short.samples, short.sampling_steps) == (256, 100)
    assert load_config(None, ("source=hic:DIR",)).source == SourceConfig(kind="hic", path="DIR")
    for wrong, sentence in (
        ("ihdiff", "write KIND:PATH"),
        ("ihdiff:", "write KIND:PATH"),
        ("mocap:x", r"source\.kind"),
    ):
        with pytest.raises(InputError, match=sentence) as caught:
            load_config(None, (f"source='{wrong}'",))
        assert "\n" not in str(caught.value)
    for wrong in ("samples=0", "sampling_steps=0", "sampling_steps=1001"):
        with pytest.raises(InputError, match=r"source\.sampl"):
            load_config(None, ("source.kind=ihdiff", "source.path=x", f"source.{wrong}"))


def test_how_poses_are_drawn_is_part_of_the_identity_of_such_datasets_alone():
    """Datasets of other kinds that were made before go on."""
    one = load_config(None, ("source=ihdiff:a",))
    assert one.identity() == load_config(None, ("source=ihdiff:b",)).identity()
    keys = ("source.kind=ihdiff", "source.path=a")
    for more in ("source.samples=9", "source.sampling_steps=9"):
        assert load_config(None, (*keys, more)).identity() != one.identity()
    assert RenderIHConfig.model_validate(one.identity()).source.kind == "ihdiff"
    for kind in (("source.kind=hic", "source.path=a"), ()):
        stored = load_config(None, kind).identity()["source"]
        assert not {"samples", "sampling_steps", "path"} & stored.keys() and "distinct" in stored


def test_poses_are_named_by_number_and_follow_from_the_seed(trained):
    source = drawn(trained).source
    opened = [open_source(source, FREE, seed=seed) for seed in (1, 1, 2)]
    assert {one.sha256 for one in opened} == {file_sha256(trained / checkpoint.FILE)}
    first, again, other = (one.raw for one in opened)
    assert first.names == ["ihdiff-000000", "ihdiff-000001", "ihdiff-000002"] and not first.faults
    assert first.splits == [split_of("person", name) for name in first.names]
    assert torch.equal(first.poses.right.hand_pose, again.poses.right.hand_pose)
    assert not torch.equal(first.poses.right.hand_pose, other.poses.right.hand_pose)


def test_the_seed_of_a_run_reaches_its_source(trained, tmp_path):
    found = []
    for seed in (1, 2):
        with open_run(drawn(trained, f"seed={seed}"), tmp_path / str(seed)) as run:
            found.append(run.source.raw.poses.right.hand_pose)
    assert not torch.equal(*found)


def test_poses_that_no_hands_have_are_faults(capsys):
    poses = TwoHandPose.stack([gesture_pose(g, FREE[Side.RIGHT], FREE[Side.LEFT]) for g in load_gestures()[:4]])
    poses.left.hand_pose[1, 7] = torch.nan
    poses.right.betas[2, 0] = 30.0
    names = [f"n{row}" for row in range(4)]
    raw = sort_out(names, poses, FREE, Rules(1e6), "model.safetensors")
    assert raw.names == ["n0", "n3"] and len(raw.poses) == 2
    assert [(fault.name, fault.place, fault.reason) for fault in raw.faults] == [
        ("n1", "model.safetensors: n1.left.hand_pose", "not a finite number"),
        ("n2", "model.safetensors: n2.right.betas", "implausible value"),
    ]
    with pytest.raises(InputError, match=r"n1\.left\.hand_pose: not a finite number.*source\.faults=skip"):
        sort_out(names, poses, FREE, Rules(1e6, refuse_faults=True), "model.safetensors")
    with pytest.raises(InputError, match=r"no pose drawn.*2 hands more than 0\.001 mm apart.*1 not a finite number"):
        sort_out(names, poses, FREE, Rules(0.001), "model.safetensors")


def test_what_cannot_be_drawn_from_is_refused_before_anything_is_written(trained, tmp_path):
    other = save(tmp_path / "other", checkpoint.load(trained), {"hands": "f" * 64})
    calls = {
        "no checkpoint of IHDiff is there": drawn(tmp_path / "nowhere"),
        "another hand model than the built-in free hand": drawn(other),
        r"no source\.path is given; add --set source\.path=CHECKPOINT": config("source={kind: ihdiff}"),
    }
    for sentence, run_config in calls.items():
        with pytest.raises(InputError, match=sentence), open_run(run_config, tmp_path / "out"):
            pass
        assert not (tmp_path / "out").exists()


@pytest.mark.render
def test_the_command_renders_what_is_drawn_and_renders_it_again_without_the_checkpoint(trained, tmp_path):
    out, recipe = tmp_path / "out", tmp_path / "one.yaml"
    recipe.write_text(f"source: {{kind: ihdiff, path: {trained}, samples: 1, sampling_steps: 3}}\n")
    words = [w for o in (*SMALL, *ANYWHERE, "augmentation.copies=0") for w in ("--set", o)]
    result = CliRunner().invoke(main, ["run", "--config", str(recipe), "--out", str(out), *words])
    assert result.exit_code == 0, result.output
    (image,) = rows(out, "images")
    assert image["provenance"]["source"] == "ihdiff" and image["provenance"]["base_pose"] == "ihdiff-000000"
    assert Manifest.read(out).config["inputs"]["source"] == file_sha256(trained / checkpoint.FILE)
    assert not verify(out, FREE).problems
    again = tmp_path / "again.png"
    told = CliRunner().invoke(main, ["rerender", image["sample_id"], "--dataset", str(out), "--out", str(again)])
    assert told.exit_code == 0 and again.stat().st_size > 1000, told.output
