"""What the history tells of poses before and after their optimisation."""

from types import SimpleNamespace

import numpy as np
import pytest

from dataset.manifest import Manifest
from dataset.storage.folder import FolderStore
from flows.render_ih import COLLECT, POSES
from hands.referee import judge
from tasks.augment_poses import augment_poses
from tasks.collect_poses import candidates
from tasks.observing.history import read_history
from tasks.optimise_poses import optimise_poses
from tasks.pose_figures import FEWEST, SHARE, measured_rows, note_after, note_before, summary
from tasks.run import open_run
from tasks.sharing.share import lead
from tests.flows.small_run import config, rows

SETTINGS = config(
    "source.names=[prayer, hand_heart, clasp]",
    "augmentation.copies=3",
    "optimisation.iterations=60",
    "validation.min_naturalness=0",
)


@pytest.fixture(scope="module")
def optimised(tmp_path_factory):
    """A dataset of accepted poses, made as every run makes them."""
    folder = tmp_path_factory.mktemp("figures") / "dataset"
    with open_run(SETTINGS, folder) as run:
        for stage in (COLLECT, POSES):
            lead(run, stage)
    return folder


@pytest.fixture(scope="module")
def figures(optimised):
    (line,) = (line for line in read_history(FolderStore(optimised)) if line["stage"] == "poses")
    return line["figures"]


def test_hands_are_less_deep_in_each_other_after_than_before(figures):
    before, after = figures["before"], figures["after"]
    assert before["count"] == after["count"] == FEWEST
    for kind in ("mean", "max", "median"):
        assert before["penetration_mm"][kind] > 2 * after["penetration_mm"][kind]
    assert after["limit_excess_deg"]["max"] < 0.01


def test_before_is_what_an_independent_judgement_of_the_same_poses_gives(figures, tmp_path, monkeypatch):
    starts = []
    monkeypatch.setattr("tasks.optimise_poses.optimise", lambda poses, *_: starts.append(poses) or poses)
    with open_run(SETTINGS, tmp_path / "other") as run:
        batch = augment_poses(run, candidates(run)[0])
        optimise_poses(run, batch)
        verdicts = judge(starts[0][measured_rows(batch.names)], run.hands)
    depths = [verdict.max_penetration_mm for verdict in verdicts]
    told = figures["before"]["penetration_mm"]
    wanted = {"mean": np.mean(depths), "min": min(depths), "max": max(depths), "median": np.median(depths)}
    assert told == pytest.approx(
        wanted | {"p05": np.quantile(depths, 0.05), "p95": np.quantile(depths, 0.95)}, rel=1e-3
    )


def test_after_is_what_the_dataset_says_of_the_same_poses(optimised, figures):
    assert not rows(optimised, "rejected"), "these settings refuse nothing"
    accepted = rows(optimised, "poses")
    chosen = [accepted[row] for row in measured_rows([row["pose_id"] for row in accepted])]
    columns = {
        "penetration_mm": "max_penetration_mm",
        "distance_mm": "min_distance_mm",
        "contact_vertices": "contact_vertices",
        "naturalness": "naturalness",
    }
    for told, column in columns.items():
        values = [row[column] for row in chosen]
        found = [figures["after"][told][kind] for kind in ("mean", "median", "max")]
        assert found == pytest.approx([np.mean(values), np.median(values), max(values)], rel=1e-3, abs=1e-4)


def test_listening_changes_no_byte_of_the_dataset(optimised, tmp_path, monkeypatch):
    for name in ("optimise_poses.note_before", "validate_poses.note_after"):
        monkeypatch.setattr(f"tasks.{name}", lambda *_: None)
    with open_run(SETTINGS, tmp_path / "deaf") as run:
        for stage in (COLLECT, POSES):
            lead(run, stage)
    assert "figures" not in str(read_history(FolderStore(tmp_path / "deaf")))
    assert Manifest.read(tmp_path / "deaf").shards["poses"] == Manifest.read(optimised).shards["poses"]
    assert Manifest.read(tmp_path / "deaf").shards["rejected"] == Manifest.read(optimised).shards["rejected"]


def test_nothing_is_measured_when_nobody_listens(monkeypatch):
    monkeypatch.setattr("tasks.pose_figures.Referee", lambda *_: pytest.fail("measured"))
    note_before(SimpleNamespace(hands={}), ["a"], None)
    note_after(["a"], [None], [0.5])


def test_one_pose_in_some_is_measured_and_copies_are_no_pattern():
    names = [f"base{base:03d}-a{copy:03d}" for base in range(64) for copy in range(SHARE)]
    chosen = measured_rows(names)
    assert len(chosen) == len(names) / SHARE and chosen == sorted(set(chosen))
    assert len({names[row][-4:] for row in chosen}) > 3, "every copy has its chance"
    shuffled = names[::-1]
    assert {shuffled[row] for row in measured_rows(shuffled)} == {names[row] for row in chosen}
    assert measured_rows(["one", "two"]) == [0, 1] and measured_rows([]) == []


def test_no_poses_have_no_figures():
    assert summary([], []) == {}
