"""What SQL counts: names, splits, doubles, refusals."""

import pytest

from dataset.inspection.counts import SHOWN, count
from dataset.manifest import Manifest
from dataset.schema import REJECTED
from dataset.shards import write_shard
from tests.dataset.inspection.conftest import copied
from tests.dataset.synthetic import rejected_row


def counted(folder):
    return count(Manifest.read(folder), lambda rows: None)


def test_names_are_counted(dataset_dir):
    names = counted(dataset_dir).names
    assert names["base poses"].top == {"cross": 2, "palms": 2, "apart": 1}
    assert names["environments"].top == {"forest": 2, "studio": 2, "sunset": 1}
    assert (names["skins"].distinct, names["skins"].total, names["skins"].fewest, names["skins"].most) == (4, 10, 2, 4)
    assert names["base poses"].listed == "cross 2, palms 2, apart 1"


def test_only_the_most_frequent_names_are_kept(written, samples):
    bases = [f"b{number:02d}" for number in range(20)] + ["often", "often"]
    found = counted(written([copied(samples[0], n, base_pose=base) for n, base in enumerate(bases)])).names[
        "base poses"
    ]
    assert len(found.top) == SHOWN
    assert next(iter(found.top.items())) == ("often", 2)
    assert (found.distinct, found.total, found.fewest) == (21, 22, 1)
    assert found.listed.endswith("b03 1 and 16 more")


def test_splits_are_counted_and_what_they_share_is_found(written, samples):
    test = copied(samples[1], 1, split="test", base_pose="palms")
    found = counted(written([*samples[:3], test]))
    assert list(found.splits) == ["train", "test"]
    train, held_out = found.splits["train"], found.splits["test"]
    assert {kind: train[kind] for kind in ("images", "poses", "base poses", "environments", "skins")} == {
        "images": 3,
        "poses": 3,
        "base poses": 3,
        "environments": 3,
        "skins": 3,
    }
    assert (held_out["images"], held_out["base poses"]) == (1, 1)
    assert found.shared == {"poses": 0, "base poses": 1, "environments": 1, "skins": 1, "hand shapes": 1}
    assert found.poses_seen == 4


def test_a_dataset_of_one_split_shares_nothing(dataset_dir):
    assert set(counted(dataset_dir).shared.values()) == {0}


def test_doubles_of_poses_are_found_in_spite_of_their_names(written, samples):
    twice, almost = copied(samples[0], 1), copied(samples[0], 2)
    twice["poses"]["right"]["hand_pose"] = [v + 1e-6 for v in samples[0]["poses"]["right"]["hand_pose"]]
    first, *others = samples[0]["poses"]["left"]["hand_pose"]
    almost["poses"]["left"]["hand_pose"] = [first + 0.001, *others]
    found = counted(written([samples[0], samples[1], twice, almost]))
    assert found.double_poses == 1
    assert found.double_views == 0, "the pose has another id in each"


def test_doubles_of_views_are_found(written, samples):
    again, elsewhere = copied(samples[0], 1), copied(samples[0], 2)
    for other in (again, elsewhere):
        other["images"]["pose_id"] = samples[0]["images"]["pose_id"]
    camera = samples[0]["images"]["camera"]
    elsewhere["images"]["camera"] = camera | {"t": [v + 0.01 for v in camera["t"]]}
    assert counted(written([samples[0], again, elsewhere])).double_views == 1


def test_refusals_are_counted_by_step_and_class_of_reason(written, samples):
    folder = written(samples[:2])
    rows = [
        rejected_row(n) | {"stage": "plan", "reason": f"too small: {n} %", "value": 0.01 * n, "limit": 0.1}
        for n in range(3)
    ]
    manifest = Manifest.read(folder)
    manifest.add("rejected", write_shard(manifest.path("rejected", "plan"), rows, REJECTED))
    found = counted(folder)
    plan, *others = found.refusals
    assert (plan.stage, plan.reason, plan.count, plan.least_limit) == ("plan", "too small", 3, 0.1)
    assert (plan.low, plan.high) == (0.0, pytest.approx(0.02))
    assert [(r.reason, r.count, r.of_stage) for r in others] == [("penetration", 3, 5), ("joint_limit", 2, 5)]
    assert (found.refused("plan"), found.refused("validate"), found.refused("render")) == (3, 5, 0)


def test_reasons_beyond_the_most_frequent_are_still_in_the_total(written, samples):
    folder = written(samples[:1])
    manifest = Manifest.read(folder)
    rows = [rejected_row(n) | {"stage": "render", "reason": f"fault {n}"} for n in range(30)]
    manifest.add("rejected", write_shard(manifest.path("rejected", "render"), rows, REJECTED))
    render = [refusal for refusal in counted(folder).refusals if refusal.stage == "render"]
    assert len(render) == 8
    assert render[0].of_stage == 30


def test_base_poses_that_were_refused_altogether_were_tried(dataset_dir):
    assert counted(dataset_dir).bases_tried == 3


def test_nothing_is_counted_as_nothing(written):
    found = counted(written([]))
    assert found.splits == {}
    assert found.names["skins"].top == {}
    assert (found.double_poses, found.double_views, found.poses_seen) == (0, 0, 0)
