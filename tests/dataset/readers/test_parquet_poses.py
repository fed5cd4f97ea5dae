"""Parquet tables of poses: our own, and other tools' with only the parameter columns."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataset.errors import InputError
from dataset.readers import parquet
from dataset.readers.frame import Fault
from dataset.readers.source import Rules, read_source
from dataset.rows import pose_cell
from dataset.schema import POSES
from dataset.shards import write_shard
from hands.joints import Side
from tests.dataset.readers.writers import example_poses, surfaces

LENGTHS = {"global_orient": 3, "hand_pose": 45, "betas": 10, "transl": 3}


@pytest.fixture(scope="module")
def poses(hands):
    return example_poses(hands, 3)


@pytest.fixture
def rows(poses) -> list[dict]:
    """Rows as another tool writes them: plain lists of doubles."""
    cells = [{str(s): pose_cell(poses.side(s)[[row]]) for s in Side} for row in range(3)]
    return [{s: {name: value.tolist() for name, value in hand.items()} for s, hand in row.items()} for row in cells]


def write(folder, rows, name="poses.parquet", **types) -> None:
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, **types), folder / name)


def read(folder, hands) -> list:
    return list(parquet.read(folder, "", hands))


def faults(folder, hands) -> list[tuple[str, str, str]]:
    return [(f.reason, f.file, f.key) for f in read(folder, hands) if isinstance(f, Fault)]


UNBENT = {"wrist_bend": (0.0, 0.0), "contact": ()}


def test_our_own_poses_table_is_a_source(poses, hands, tmp_path):
    others = {field.name: "x" if pa.types.is_string(field.type) else 0 for field in POSES}
    rows = [
        others | {"pose_id": f"clasp-a{n:03d}"} | {str(s): pose_cell(poses.side(s)[[n]]) | UNBENT for s in Side}
        for n in range(3)
    ]
    write_shard(tmp_path / "dataset" / "poses" / "00000.parquet", rows, POSES)
    for place in (tmp_path / "dataset", tmp_path / "dataset" / "poses", tmp_path / "dataset/poses/00000.parquet"):
        raw = read_source("parquet", place, "train", hands, Rules())
        assert raw.names == ["clasp-a000", "clasp-a001", "clasp-a002"]
        assert (surfaces(raw.poses, hands) - surfaces(poses, hands)).abs().max() < 1e-6


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64()])
@pytest.mark.parametrize("fixed", [True, False])
def test_lists_of_any_kind_with_only_the_parameters(poses, rows, hands, tmp_path, kind, fixed):
    hand = pa.struct([(name, pa.list_(kind, length) if fixed else pa.list_(kind)) for name, length in LENGTHS.items()])
    write(tmp_path, rows, schema=pa.schema([("right", hand), ("left", hand)]))
    raw = read_source("parquet", tmp_path, "train", hands, Rules())
    assert raw.names == [f"poses-{n:06d}" for n in range(3)], "rows without an id are named after file and number"
    assert (surfaces(raw.poses, hands) - surfaces(poses, hands)).abs().max() < 1e-6


def test_other_columns_are_not_read(rows, hands, tmp_path):
    write(tmp_path, [row | {"picture": b"x" * 100, "score": 0.5} for row in rows])
    assert len(read(tmp_path, hands)) == 3


def test_ids_that_no_file_can_have_are_made_so(rows, hands, tmp_path):
    ids = ["a/b c", "ünder", ""]
    write(tmp_path, [row | {"pose_id": name} for row, name in zip(rows, ids, strict=True)])
    assert [frame.name for frame in read(tmp_path, hands)] == ["a_b_c", "_nder", "poses-000002"]


def test_duplicate_ids_across_files_are_faults(rows, hands, tmp_path):
    for name in ("a.parquet", "b.parquet"):
        write(tmp_path, [row | {"pose_id": f"p{n}"} for n, row in enumerate(rows)], name)
    raw = read_source("parquet", tmp_path, "train", hands, Rules())
    assert raw.names == ["p0", "p1", "p2"]
    assert [(f.reason, f.file, f.name) for f in raw.faults] == [
        ("duplicate frame", "b.parquet", f"p{n}") for n in range(3)
    ]


@pytest.mark.parametrize(
    ("spoil", "reason", "key"),
    [
        (lambda row: row.update(left=None), "missing hand", "left"),
        (lambda row: row["left"].update(betas=None), "wrong type", "left.betas"),
        (lambda row: row["right"]["hand_pose"].__setitem__(3, np.nan), "not a finite number", "right.hand_pose"),
        (lambda row: row["right"]["hand_pose"].__setitem__(3, None), "not a finite number", "right.hand_pose"),
        (lambda row: row["right"]["hand_pose"].pop(), "wrong length", "right.hand_pose"),
        (lambda row: row["left"].update(transl=[99.0, 30.0, 0.0]), "wrong unit", "left.transl"),
        (lambda row: row["left"].update(global_orient=[90.0, 0.0, 0.0]), "wrong unit", "left.global_orient"),
        (lambda row: row["left"].update(betas=[40.0] * 10), "implausible value", "left.betas"),
    ],
)
def test_a_spoilt_row_is_named(rows, hands, tmp_path, spoil, reason, key):
    spoil(rows[1])
    write(tmp_path, rows)
    assert faults(tmp_path, hands) == [(reason, "poses.parquet", f"[1].{key}")]
    assert len(read_source("parquet", tmp_path, "train", hands, Rules()).names) == 2


@pytest.mark.parametrize(
    ("rows", "reason", "key"),
    [
        ([{"right": {"betas": [0.0]}}], "missing key", "left"),
        ([{"right": "x", "left": "y"}], "wrong type", "[0].right"),
        ([{"right": {"betas": [0.0]}, "left": {"betas": [0.0]}}], "missing key", "[0].right.hand_pose"),
        ([{"right": {"hand_pose": ["x"] * 45}, "left": {"betas": [0.0]}}], "wrong type", "[0].right.hand_pose"),
        ([{"right": {"hand_pose": 5.0}, "left": {"betas": [0.0]}}], "wrong type", "[0].right.hand_pose"),
    ],
)
def test_other_columns_than_ours_are_named(hands, tmp_path, rows, reason, key):
    write(tmp_path, rows)
    assert faults(tmp_path, hands)[0] == (reason, "poses.parquet", key)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_named_and_the_others_read(rows, hands, tmp_path, share):
    write(tmp_path, rows, "a.parquet")
    write(tmp_path, rows, "b.parquet")
    path = tmp_path / "a.parquet"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert faults(tmp_path, hands) == [("unreadable file", "a.parquet", "")]
    assert len(read_source("parquet", tmp_path, "train", hands, Rules()).names) == 3


def test_a_damaged_page_is_a_fault_not_a_traceback(rows, hands, tmp_path):
    write(tmp_path, rows * 50)
    path = tmp_path / "poses.parquet"
    content = bytearray(path.read_bytes())
    content[4 : len(content) // 2] = b"\xff" * (len(content) // 2 - 4)
    path.write_bytes(content)
    assert "unreadable file" in [reason for reason, *_ in faults(tmp_path, hands)]


def test_no_file_is_one_sentence(tmp_path, hands):
    with pytest.raises(InputError, match="holds no Parquet file"):
        read(tmp_path, hands)
