"""Maps of poses: the same every time, of few poses and many, read from the files piece by piece."""

from itertools import pairwise

import numpy as np
import pytest

from dashboard.diversity import pose_map as maps
from dashboard.diversity.placing import elsewhere, placed
from dataset.errors import InputError
from dataset.inspection.poses import PoseSample
from dataset.inspection.postures import nearest
from hands.selection import joint_features
from tests.dashboard.serving import desk_of
from tests.dataset.synthetic import make_sample, write_dataset


@pytest.fixture(scope="module")
def mapped(desk):
    """The finished dataset's map."""
    run = desk.run("finished")
    poses = maps.chosen(desk.index(run))
    return maps.pose_map(run.store, run.state.manifest, poses, 12)


@pytest.fixture(scope="module")
def columns(shown_samples):
    """Parameters of the same poses as they were made, in the order of their files."""
    rows = [sample["poses"] for sample in shown_samples]
    return {"pose_id": np.array([row["pose_id"] for row in rows])} | {
        f"{side}.{name}": np.array([row[side][name] for row in rows], dtype=np.float32)
        for side in ("right", "left")
        for name in ("global_orient", "hand_pose", "betas", "transl")
    }


def test_every_pose_is_on_the_map_once(mapped, shown_samples):
    assert [pose.name for pose in mapped.poses] == [sample["poses"]["pose_id"] for sample in shown_samples]
    assert mapped.places.shape == (12, 2) and np.isfinite(mapped.places).all()
    assert mapped.places.min() >= 0 and mapped.places.max() <= 1 and np.ptp(mapped.places, 0).max() == pytest.approx(1)
    assert not mapped.is_approximate and mapped.narrow == (), "twelve poses say nothing of angles"


def test_distances_are_those_of_the_inspection(mapped, columns, hands):
    expected = nearest(joint_features(PoseSample(columns).poses(), hands))
    assert mapped.nearest_mm == pytest.approx(expected, rel=1e-4)
    assert mapped.mean_nearest_mm == pytest.approx(expected.mean(), rel=1e-4)


def test_a_map_is_the_same_every_time(columns):
    first, second = (placed(columns, {}) for _ in range(2))
    assert np.array_equal(first["places"], second["places"])
    assert bool(first["is_approximate"]), "no hand model was named"


def test_a_map_reads_rows_and_not_files(shown_samples, tmp_path):
    folder = write_dataset(tmp_path / "many", [dict(sample) for sample in shown_samples], rows_per_shard=5).folder
    with desk_of(folder) as desk:
        run = desk.run("many")
        poses = [pose for pose in maps.chosen(desk.index(run)) if pose.name in ("000002", "000004", "000007", "000011")]
        read = maps._parameters(run.store, sorted(poses, key=lambda pose: (pose.shard, pose.number)))
    expected = [shown_samples[n]["poses"]["left"]["hand_pose"] for n in (2, 4, 7, 11)]
    assert read["left.hand_pose"] == pytest.approx(np.array(expected, dtype=np.float32))


def test_samples_are_bounded_and_hold_both_kinds(desk):
    index = desk.index(desk.run("finished"))  # three as read, nine augmented
    few = maps.chosen(index, most=4)
    assert len(few) == 4 and sum(pose.augmentation == 0 for pose in few) == 2
    assert few == maps.chosen(index, most=4)
    more = maps.chosen(index, most=10)
    assert len(more) == 10 and sum(pose.augmentation == 0 for pose in more) == 3
    assert set(few) <= set(more), "a larger map keeps the poses of a smaller one"
    assert len(maps.chosen(index)) == 12


def test_a_new_map_is_due_when_a_quarter_more_poses_are_there():
    due = [count for count in range(11, 2000) if maps.version(count, False) != maps.version(count - 1, False)]
    assert all(1.1 < b / a < 1.4 for a, b in pairwise(due[2:])), due
    assert maps.version(100, True) != maps.version(101, True)
    assert maps.version(100, True) != maps.version(100, False), "the last map is of all poses"


def test_a_file_that_is_gone_is_told(shown_samples, tmp_path):
    folder = write_dataset(tmp_path / "gone", shown_samples).folder
    with desk_of(folder) as desk:
        run = desk.run("gone")
        poses = maps.chosen(desk.index(run))
        (folder / "poses" / "00001.parquet").unlink()
        with pytest.raises(InputError, match="poses/00001"):
            maps.pose_map(run.store, run.state.manifest, poses, 12)
        (folder / "poses" / "00001.parquet").write_bytes(b"nothing of the kind")
        with pytest.raises(InputError, match=r"poses/00001\.parquet: cannot be read"):
            maps.pose_map(run.store, run.state.manifest, poses, 12)


def test_copies_of_one_pose_make_a_map(columns):
    same = {name: np.repeat(values[:1], 12, axis=0) for name, values in columns.items()}
    found = placed(same, {})
    assert np.isfinite(found["places"]).all() and not found["nearest_mm"].any()


def test_kinds_beyond_eight_are_summed_up(mapped):
    many = maps._divided(iter([f"k{n % 12:02d}" for n in range(30)]))
    assert len(many["names"]) == len(many["counts"]) == 8 and many["names"][-1] == "5 others"
    assert sum(many["counts"]) == 30 and many["counts"][0] == 3 and len(many["of"]) == 30
    content = mapped.content()
    assert content["colours"]["kind"]["names"] == ["augmented", "as read"]
    assert content["colours"]["kind"]["counts"] == [9, 3]
    assert content["label"] == content["name"], "base poses are there several times"


def test_a_new_pose_makes_another_version(mapped, hands):
    other = maps.PoseMap(mapped.poses[:-1], 11, mapped.places[:-1], mapped.nearest_mm[:-1], (), False)
    assert other.version != mapped.version
    assert make_sample(0, hands)["poses"]["pose_id"] == mapped.poses[0].name


def test_a_process_that_fails_is_told_in_a_sentence():
    with pytest.raises(InputError, match=r"could not be made .*directions"):
        elsewhere("cameras", {"nothing": np.zeros(1)})
