"""The poses that IHDiff learns from: which are taken, what is counted, and what is said of places that hold none."""

from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from dataset.assets.gestures import load_gestures
from dataset.assets.hand_files import hand_checksums
from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.rows import pose_cell
from dataset.schema import POSES
from dataset.shards import write_shard
from dataset.storage.opening import open_store
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.pose import TwoHandPose
from tasks.ihdiff.contacting_poses import read_contacting_poses
from tests.dataset.readers.writers import interhand, save_interhand
from tests.s3_server import s3_server

SHIFTS_MM = (-8.0, -4.0, -1.0, 0.0, 1.0, 2.0, 4.0, 8.0, 30.0, 200.0)
SPLITS = ("train", "train", "validation", "test")
CONTENT = {"min_distance_mm": 0.0, "max_penetration_mm": 0.0, "contact_vertices": 0}
CONTENT |= {"limit_excess_deg": 0.0, "naturalness": 0.5, "forearm_depth_mm": 0.0}


@pytest.fixture(scope="module")
def poses(hands) -> TwoHandPose:
    """Four gestures, each with the left hand moved along x by every one of `SHIFTS_MM`."""
    gestures = load_gestures(names=("clasp", "prayer", "hand_heart", "fist_bump"))
    raw = TwoHandPose.stack([gesture_pose(g, hands[Side.RIGHT], hands[Side.LEFT]) for g in gestures])
    every = raw[torch.arange(4).repeat_interleave(len(SHIFTS_MM))]
    offset = torch.tensor(SHIFTS_MM).repeat(4)[:, None] * torch.tensor([-1e-3, 0.0, 0.0])
    return TwoHandPose(every.right, every.left.moved(offset))


@pytest.fixture(scope="module")
def distances(poses, hands) -> np.ndarray:
    """The whole table of distances, in double precision, millimetres."""
    right, left = (poses.side(side).pose(hands[side]).vertices.double() for side in Side)
    return np.array([float((a[:, None] - b).norm(dim=-1).min()) * 1000 for a, b in zip(right, left, strict=True)])


@pytest.fixture
def rows(poses) -> list[dict]:
    """Rows of the table `poses`; each gesture has its split."""
    return [_row(poses, number) for number in range(len(poses))]


def _row(poses: TwoHandPose, number: int) -> dict:
    gesture = number // len(SHIFTS_MM)
    about = {"pose_id": f"p{number:03d}", "source": "gestures", "base_pose": f"g{gesture}", "augmentation": number}
    unbent = {"wrist_bend": [0.0, 0.0], "contact": []}
    cells = {side.value: pose_cell(poses.side(side)[[number]]) for side in Side}
    sides = {side: {name: value.tolist() for name, value in cell.items()} | unbent for side, cell in cells.items()}
    return about | CONTENT | {"split": SPLITS[gesture]} | sides


def folder_of(place: Path, rows: list[dict], per_shard: int = 7) -> str:
    """A folder with nothing but the table, in columns of any kind."""
    (place / "poses").mkdir(parents=True)
    for first in range(0, len(rows), per_shard):
        table = pa.Table.from_pylist(rows[first : first + per_shard])
        pq.write_table(table, place / "poses" / f"{first:05d}.parquet")
    return str(place)


def dataset_of(place: str | Path, rows: list[dict], hands) -> Manifest:
    """An unfinished dataset whose poses are there."""
    store = open_store(place)
    manifest = Manifest.open(store, {"seed": 1, "inputs": {"hands": hand_checksums(hands)}})
    for first in range(0, len(rows), 16):
        shard = write_shard(manifest.path("poses", f"{first:05d}"), rows[first : first + 16], POSES)
        store.publish(f"poses/{first:05d}.parquet")
        manifest.add("poses", shard)
    return manifest


def test_exactly_the_poses_within_the_distance_are_taken(poses, rows, distances, hands, tmp_path):
    near = (distances < 3).nonzero()[0].tolist()
    assert 4 < len(near) < len(rows) - 4, "the poses tell something"
    found = read_contacting_poses(folder_of(tmp_path, rows), hands)
    assert found.names == [f"p{number:03d}" for number in near] and len(found) == len(near)
    assert np.abs(found.min_distance_mm.numpy() - distances[near]).max() < 1e-3
    assert found.left_out == {"hands not within 3 mm": len(rows) - len(near)}
    for side in Side:
        for name, value in vars(poses.side(side)[near]).items():
            assert torch.equal(getattr(found.poses.side(side), name), value), "stored numbers are not changed"


def test_at_the_distance_itself_is_not_within_it(rows, hands, tmp_path):
    """§5.1: "shorter than"."""
    place = folder_of(tmp_path, rows[3:4])
    distance = float(read_contacting_poses(place, hands, within_mm=100).min_distance_mm)
    above = float(np.nextafter(np.float32(distance), np.float32(100)))
    assert len(read_contacting_poses(place, hands, within_mm=above)) == 1
    with pytest.raises(InputError, match="none of 1 poses"):
        read_contacting_poses(place, hands, within_mm=distance)


def test_splits_are_the_datasets_own(rows, hands, tmp_path):
    found = read_contacting_poses(folder_of(tmp_path, rows), hands, within_mm=500)
    assert found.names == [row["pose_id"] for row in rows] and found.splits == [row["split"] for row in rows]
    parts = {split: found.of(split) for split in ("train", "validation", "test")}
    for split, part in parts.items():
        chosen = [number for number, row in enumerate(rows) if row["split"] == split]
        assert part.names == [rows[number]["pose_id"] for number in chosen]
        assert torch.equal(part.poses.left.transl, found.poses.left.transl[chosen])
        assert torch.equal(part.min_distance_mm, found.min_distance_mm[chosen])
    assert len(found.of("test").of("train")) == 0
    with pytest.raises(ValueError, match="split is 'val'"):
        found.of("val")


def test_a_few_are_spread_over_all(rows, hands, tmp_path):
    found = read_contacting_poses(folder_of(tmp_path, rows), hands, within_mm=500, most=4)
    assert found.names == ["p000", "p010", "p020", "p030"], "one of every gesture"
    assert found.left_out == {"more than were asked for": 36}
    assert found.about == "4 of 40 poses of a dataset made from 4 poses of gestures: hands within 500 mm"
    assert len(read_contacting_poses(str(tmp_path), hands, within_mm=500, most=41)) == 40


def test_an_unfinished_dataset_is_read_by_its_manifest(rows, hands, tmp_path):
    dataset_of(tmp_path / "a", rows, hands)
    found = read_contacting_poses(str(tmp_path / "a"), hands)
    (tmp_path / "a" / "poses" / "99999.parquet").write_bytes(b"a shard that nobody has recorded")
    again = read_contacting_poses(str(tmp_path / "a"), hands)
    assert (again.names, again.sha256) == (found.names, found.sha256) and len(found) > 4


def test_the_checksum_is_that_of_the_content(rows, hands, tmp_path):
    one, same, other = (
        read_contacting_poses(folder_of(tmp_path / name, content), hands, within_mm=500)
        for name, content in (("a", rows), ("b", rows), ("c", rows[1:]))
    )
    assert one.sha256 == same.sha256 != other.sha256


def test_a_dataset_in_a_bucket(rows, hands, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    here = read_contacting_poses(str(dataset_of(tmp_path / "a", rows, hands).folder), hands)
    with s3_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        httpx.put(f"{server.endpoint}/bucket", timeout=60).raise_for_status()  # its 5 s are few on a busy machine
        dataset_of("s3://bucket/runs/a", rows, hands)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
        there = read_contacting_poses("s3://bucket/runs/a", hands)
    assert (there.names, there.splits, there.sha256) == (here.names, here.splits, here.sha256)


def test_another_hand_model_than_the_datasets_is_refused(rows, hands, tmp_path):
    place = dataset_of(tmp_path / "a", rows, {Side.RIGHT: hands[Side.RIGHT], Side.LEFT: hands[Side.RIGHT]}).folder
    with pytest.raises(InputError, match="made with another hand model; name its folder with --mano"):
        read_contacting_poses(str(place), hands)


def _spoil(row: dict, what: str) -> None:
    hand = row["left"]
    if what == "missing hand":
        row["left"] = None
    elif what == "not a finite number":
        row["left"] = hand | {"hand_pose": [float("nan"), *hand["hand_pose"][1:]]}
    elif what == "wrong length":
        row["left"] = hand | {"hand_pose": [*hand["hand_pose"], 0.0, 0.0, 0.0]}
    elif what == "no such split":
        row["split"] = "val"
    elif what == "duplicate frame":
        row["pose_id"] = "p000"


FAULTS = ("missing hand", "not a finite number", "wrong length", "no such split", "duplicate frame")


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_counted_and_told_with_their_place(rows, hands, tmp_path, capsys, fault):
    for number in (5, 20):
        _spoil(rows[number], fault)
    found = read_contacting_poses(folder_of(tmp_path, rows), hands, within_mm=500)
    assert found.left_out == {fault: 2} and len(found) == len(rows) - 2
    assert found.names == [row["pose_id"] for number, row in enumerate(rows) if number not in (5, 20)]
    assert f"2 unusable: {fault}, the first in 00000.parquet" in capsys.readouterr().err


@pytest.mark.parametrize("fault", FAULTS[:-1])
def test_nothing_but_faults_is_refused(rows, hands, tmp_path, fault):
    for row in rows:
        _spoil(row, fault)
    with pytest.raises(
        InputError, match=rf"no pose can be used \(40 {fault}\), the first in 00000.parquet: .*; mend it$"
    ):
        read_contacting_poses(folder_of(tmp_path, rows), hands)


def test_no_pose_in_contact_is_refused(rows, hands, tmp_path):
    apart = [row for number, row in enumerate(rows) if number % len(SHIFTS_MM) == len(SHIFTS_MM) - 1]
    _spoil(apart[0], "missing hand")
    wanted = r"none of 4 poses has hands within 3 mm \(1 missing hand\); IHDiff models hands in contact: give"
    with pytest.raises(InputError, match=wanted):
        read_contacting_poses(folder_of(tmp_path, apart), hands)
    with pytest.raises(InputError, match=r"no pose of parquet can be used .*3 hands more than 50 mm apart"):
        read_contacting_poses(f"parquet={tmp_path}", hands)


def test_a_damaged_shard_is_refused(rows, hands, tmp_path):
    place = Path(folder_of(tmp_path, rows))
    shard = place / "poses" / "00007.parquet"
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"00007.parquet: cannot be read; `render-ih verify`"):
        read_contacting_poses(str(place), hands)


def test_damage_within_a_shard_is_refused(rows, hands, tmp_path):
    """The footer and the columns beside the hands are sound."""
    place = Path(folder_of(tmp_path, rows, per_shard=40))
    shard = place / "poses" / "00000.parquet"
    group, content = pq.ParquetFile(shard).metadata.row_group(0), bytearray(shard.read_bytes())
    columns = [group.column(number) for number in range(group.num_columns)]
    pose = next(c for c in columns if c.path_in_schema.startswith("left.hand_pose"))
    start = pose.dictionary_page_offset or pose.data_page_offset
    content[start : start + pose.total_compressed_size] = b"\xff" * pose.total_compressed_size
    shard.write_bytes(content)
    with pytest.raises(InputError, match=r"00000.parquet: cannot be read"):
        read_contacting_poses(str(place), hands)


@pytest.mark.parametrize("column", ["split", "left", "base_pose"])
def test_tables_of_another_program_are_told_where_they_belong(rows, hands, tmp_path, column):
    for row in rows:
        del row[column]
    with pytest.raises(InputError, match=f"has no column '{column}'; .*parquet=PATH"):
        read_contacting_poses(folder_of(tmp_path, rows), hands)


def test_places_without_poses(rows, hands, tmp_path):
    dataset_of(tmp_path / "begun", [], hands)
    (tmp_path / "empty").mkdir()
    folder_of(tmp_path / "no rows", rows)
    for path in (tmp_path / "no rows" / "poses").iterdir():
        pq.write_table(pq.read_table(path)[:0], path)
    for name in ("begun", "empty", "no rows"):
        with pytest.raises(InputError, match=rf"{name}: holds no poses.*; give a dataset whose run has made some$"):
            read_contacting_poses(str(tmp_path / name), hands)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere", "nowhere: no such folder; give that of a dataset, or KIND=PATH"),
        ("renderih=there", "renderih=there: must be a dataset or KIND=PATH with one of the kinds interhand26m"),
        ("freihand=there", "with one of the kinds interhand26m, reinterhand, hic, parquet$"),
        ("parquet=", "must be a dataset or KIND=PATH"),
        ("hic=nowhere", "nowhere: no such file or folder; give the one that holds the poses of hic"),
        ("ftp://there/poses", "'ftp' is no kind of storage"),
    ],
)
def test_places_that_are_none(place, said, hands, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said):
        read_contacting_poses(place, hands)


@pytest.mark.parametrize(("within_mm", "most"), [(0.0, 0), (-1.0, 0), (float("nan"), 0), (3.0, -1)])
def test_limits_that_make_no_sense(within_mm, most, hands, tmp_path):
    with pytest.raises(InputError, match="give a distance above 0, and 0 or more poses"):
        read_contacting_poses(str(tmp_path), hands, within_mm, most=most)


def test_a_folder_with_an_equals_sign_is_a_folder(rows, hands, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "seed=7", rows)
    assert len(read_contacting_poses("seed=7", hands)) > 4


def test_recordings_and_foreign_tables(poses, rows, distances, hands, tmp_path):
    folder = save_interhand(tmp_path / "interhand", interhand(poses, hands))
    recorded = read_contacting_poses(f"interhand26m={folder}", hands)
    near = (distances < 3).nonzero()[0].tolist()
    assert recorded.names == [f"interhand26m-train-13-{100 + number}" for number in near]
    assert np.abs(recorded.min_distance_mm.numpy() - distances[near]).max() < 1e-2
    assert set(recorded.splits) == {"train"} and recorded.poses.left.transl.dtype == torch.float32
    assert "of interhand26m (train) on the free hand, an approximation" in recorded.about
    assert len(near) + recorded.left_out.total() == len(rows)
    with pytest.raises(InputError, match="subset is 'all'"):
        read_contacting_poses(f"interhand26m={folder}", hands, subset="all")
    table = read_contacting_poses(f"parquet={folder_of(tmp_path / 'table', rows)}", hands)
    assert table.names == [f"p{number:03d}" for number in near] and len(table.sha256) == 64


def test_wide_distances_and_faults_reach_recordings_too(rows, hands, tmp_path):
    _spoil(rows[5], "missing hand")
    found = read_contacting_poses(f"parquet={folder_of(tmp_path, rows)}", hands, within_mm=500)
    assert found.left_out == {"missing hand": 1} and len(found) == len(rows) - 1
    assert found.about == "39 of 40 poses of parquet: hands within 500 mm"
