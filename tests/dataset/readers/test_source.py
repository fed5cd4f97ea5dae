"""A source as a whole: nothing disappears uncounted, distinct poses are chosen, its content has a checksum."""

import json
import tracemalloc
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from dataset.errors import InputError
from dataset.readers.frame import Fault
from dataset.readers.source import (
    Rules,
    assemble,
    choose_distinct,
    content_sha256,
    read_source,
    rejected_row,
)
from dataset.rows import pose_cell
from dataset.schema import REJECTED
from dataset.shards import table_of
from hands.joints import Side
from hands.pose import TwoHandPose
from hands.selection import distances_apart, farthest_points, joint_features
from tests.dataset.readers.writers import NAMES, example_poses, in_recording, interhand, save_interhand, surfaces


def write_poses(folder, poses: TwoHandPose, copies: int = 1) -> None:
    cells = [{str(s): pose_cell(poses.side(s)[[row]]) for s in Side} for row in range(len(poses))]
    rows = [{"pose_id": f"p{row}-{copy}"} | cells[row] for copy in range(copies) for row in range(len(poses))]
    pq.write_table(pa.Table.from_pylist(rows), folder / "poses.parquet")


def test_hands_too_far_apart_are_left_out_and_counted(hands, tmp_path):
    poses = example_poses(hands, 3)
    far = TwoHandPose(poses.right[[1]], poses.left[[1]].moved(torch.tensor([[-0.3, 0.0, 0.0]])))
    write_poses(tmp_path, TwoHandPose.stack([poses, far]))
    raw = read_source("parquet", tmp_path, "", hands, Rules(max_distance_mm=50))
    assert raw.names == ["p0-0", "p1-0", "p2-0"] and raw.left_out == {"hands more than 50 mm apart": 1}
    limit = 1000 * float(distances_apart(poses, hands)[2]) + 0.01
    near = read_source("parquet", tmp_path, "", hands, Rules(max_distance_mm=limit))
    assert "p2-0" in near.names
    assert read_source("parquet", tmp_path, "", hands, Rules(max_distance_mm=1000)).left_out == Counter()


def test_every_frame_is_a_pose_a_fault_or_counted(hands, tmp_path):
    poses = example_poses(hands, 5)
    content = json.loads(json.dumps(interhand(poses, hands)))
    frames, joints = content["MANO_NeuralAnnot"]["13"], content["joint_3d"]["13"]
    frames["100"]["left"]["pose"][5] = None
    frames["101"]["left"], joints["101"]["hand_type"] = None, "right"
    raw = read_source("interhand26m", save_interhand(tmp_path, content), "train", hands, Rules(distinct=2))
    assert len(raw.names) + len(raw.faults) + raw.left_out.total() == 5
    assert len(raw.names) == 2 and set(raw.left_out.values()) == {1}
    assert any(reason.startswith("like a chosen pose, within") for reason in raw.left_out)


def test_distinct_poses_are_the_farthest_ones_and_copies_are_dropped(hands, tmp_path):
    poses = example_poses(hands, 5)
    write_poses(tmp_path, poses, copies=3)
    raw = read_source("parquet", tmp_path, "", hands, Rules(distinct=4))
    everything = read_source("parquet", tmp_path, "", hands, Rules())
    chosen = farthest_points(joint_features(everything.poses, hands), 4)
    assert raw.names == [everything.names[row] for row in chosen.indices]
    assert (surfaces(raw.poses, hands) - surfaces(everything.poses[list(chosen.indices)], hands)).abs().max() == 0
    assert raw.left_out.total() == 11
    more = read_source("parquet", tmp_path, "", hands, Rules(distinct=99))
    assert len(more.names) == 5 and more.left_out == {"like a chosen pose, within 0 mm": 10}


def test_no_distinct_poses_asked_for_leaves_all_in_their_order(hands, tmp_path):
    write_poses(tmp_path, example_poses(hands, 2), copies=2)
    raw = read_source("parquet", tmp_path, "", hands, Rules())
    assert raw.names == ["p0-0", "p1-0", "p0-1", "p1-1"]
    assert choose_distinct(raw, hands, 0) is raw


def test_one_fault_ends_the_reading_where_none_may_be(hands, tmp_path):
    content = json.loads(json.dumps(interhand(example_poses(hands, 3), hands)))
    content["MANO_NeuralAnnot"]["13"]["102"]["left"]["trans"] = [1.0]
    folder = save_interhand(tmp_path, content)
    with pytest.raises(InputError, match=r"13\.102\.left\.trans: wrong length; .*source\.faults=skip") as error:
        read_source("interhand26m", folder, "train", hands, Rules(refuse_faults=True))
    assert "\n" not in str(error.value)


def test_a_source_of_faults_alone_is_one_sentence_with_the_reasons(hands, tmp_path):
    rows = [{"right": {"betas": [0.0]}, "left": {"betas": [0.0]}}] * 3
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"no pose of parquet can be used \(3 missing key\)"):
        read_source("parquet", tmp_path, "", hands, Rules())
    pq.write_table(pa.Table.from_pylist(rows).slice(0, 0), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"it holds none"):
        read_source("parquet", tmp_path, "", hands, Rules())


def test_poses_stand_upright_about_the_origin_however_far_away_they_were(hands):
    from dataset.readers.frame import Frame, PlacedHand

    poses = example_poses(hands, 2)
    up = (0.6, 0.0, 0.8)
    world = in_recording(poses, hands, up=up, at=(5.0, -3.0, 2.0))
    frames = []
    for row in range(2):
        values = {s: [v[row].numpy() for v in vars(world.side(s)).values()] for s in Side}
        placed = {
            s: PlacedHand(hand_pose, betas, orient, transl) for s, (orient, hand_pose, betas, transl) in values.items()
        }
        frames.append(Frame(f"f{row}", "", placed, up=up))
    found = assemble(frames, hands)
    assert (surfaces(found, hands) - surfaces(poses, hands)).abs().max() < 1e-5
    assert found.right.transl.abs().max() < 0.3 and found.right.transl.dtype == torch.float32


def test_faults_are_rows_of_the_rejected_table():
    fault = Fault("interhand26m-train-13-101", "MANO.json", "13.101.left.trans", "wrong unit", 900.0, 10.0)
    (row,) = table_of([rejected_row(fault, "interhand26m")], REJECTED).to_pylist()
    assert (row["pose_id"], row["stage"], row["reason"]) == (fault.name, "read", "wrong unit")
    assert row["base_pose"] == "MANO.json: 13.101.left.trans" and (row["value"], row["limit"]) == (900, 10)
    assert rejected_row(Fault("a", "MANO.json", "", "unreadable file"), "x")["base_pose"] == "MANO.json"


def test_the_checksum_is_of_content_and_not_of_places(hands, tmp_path):
    from dataset.readers import interhand26m

    content = interhand(example_poses(hands, 1), hands)
    sums = [
        content_sha256(interhand26m.files(save_interhand(tmp_path / name, content, layout=layout), "train"))
        for name, layout in (("a", "annotations/train"), ("b", "annotations/all"))
    ]
    assert sums[0] == sums[1]
    content["MANO_NeuralAnnot"]["13"]["100"]["right"]["trans"][0] += 1e-9
    save_interhand(tmp_path / "a", content)
    assert content_sha256(interhand26m.files(tmp_path / "a", "train")) != sums[0]


def test_the_checksum_reads_files_piece_by_piece(tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(b"0123456789abcdef" * (1 << 19))
    tracemalloc.start()
    assert len(content_sha256({"large": path})) == 64
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20 < path.stat().st_size


def test_the_examples_of_these_tests_touch(hands):
    poses = example_poses(hands, len(NAMES))
    assert (1000 * distances_apart(poses, hands) < 20).all()
