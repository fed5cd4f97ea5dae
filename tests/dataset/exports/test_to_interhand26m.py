"""InterHand2.6M: a loader written after the published one, MANO's reference layer and our own reader all read the same."""

import io
import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO

from dataset.errors import InputError
from dataset.exports import captures
from dataset.exports.interhand26m import InterHand26M
from dataset.exports.job import PARTS, export
from dataset.manifest import Manifest
from dataset.pictures import photo
from dataset.readers import interhand26m as reader
from dataset.readers.source import Rules, read_source
from dataset.rows import joints_2d, joints_3d, pose_of
from dataset.schema import POSES
from dataset.shards import iterate_rows, write_shard
from hands.joints import JOINTS_21, JointState, Side, joints_21
from tests.dataset.exports.several_views import awkward_hands, write_views
from tests.hands.test_model import reference

FINGERS = ("thumb", "index", "middle", "ring", "pinky")
PUBLISHED = [f"{finger}{number}" for finger in FINGERS for number in (4, 3, 2, 1)] + ["wrist"]
OURS = [
    JOINTS_21.index(name if name == "wrist" else f"{name[:-1]}_{name[-1]}".replace("_4", "_tip")) for name in PUBLISHED
]
ROOTS = {"right": 20, "left": 41}


@pytest.fixture(scope="module")
def mano_like():
    return awkward_hands()


@pytest.fixture(scope="module")
def views(mano_like, tmp_path_factory) -> Manifest:
    return write_views(tmp_path_factory.mktemp("views") / "data", mano_like)


@pytest.fixture(scope="module")
def exported(views, mano_like, tmp_path_factory) -> Path:
    return export(views, InterHand26M(views, mano_like), "interhand", tmp_path_factory.mktemp("interhand") / "out")


@pytest.fixture(scope="module")
def rows(views) -> dict[str, dict]:
    return {row["sample_id"]: row for row in iterate_rows(views.paths("images"))}


def content(exported: Path, split: str, part: str) -> dict:
    return json.loads((exported / "annotations" / split / f"InterHand2.6M_{split}_{part}.json").read_text())


def load(exported: Path, split: str) -> list[dict]:
    """What the published loader makes of a split, in its single precision and with its rule about wrists."""
    db = COCO(str(exported / "annotations" / split / f"InterHand2.6M_{split}_data.json"))
    cameras, joints = content(exported, split, "camera"), content(exported, split, "joint_3d")
    loaded = []
    for annotation in db.anns.values():
        image = db.loadImgs(annotation["image_id"])[0]
        capture, camera, frame = str(image["capture"]), str(image["camera"]), str(image["frame_idx"])
        of_camera = lambda key: np.array(cameras[capture][key][camera], dtype=np.float32)  # noqa: B023, E731
        world = np.array(joints[capture][frame]["world_coord"], dtype=np.float32)
        seen = (of_camera("camrot") @ (world - of_camera("campos")).T).T
        valid = np.array(annotation["joint_valid"], dtype=np.float32).reshape(42)
        for side, first in (("right", 0), ("left", 21)):
            valid[first : first + 21] *= valid[ROOTS[side]]
        pixels = seen[:, :2] / seen[:, 2:] * of_camera("focal") + of_camera("princpt")
        file = exported / "images" / split / image["file_name"]
        loaded.append(image | {"file": file, "seen": seen, "pixels": pixels, "valid": valid, "annotation": annotation})
    return loaded


@pytest.fixture(scope="module")
def loaded(exported) -> list[dict]:
    return load(exported, "train") + load(exported, "val")


def test_every_image_is_there_once_in_the_folder_of_its_split(exported, loaded, rows):
    assert Counter(item["sample_id"] for item in loaded) == Counter(rows.keys())
    assert {item["file"] for item in loaded} == set((exported / "images").rglob("*.jpg"))
    for split, name in (("train", "train"), ("val", "validation")):
        assert {rows[item["sample_id"]]["split"] for item in load(exported, split)} == {name}
    assert not (exported / "annotations" / "test").exists()
    assert not (exported / PARTS).exists()


def test_the_published_loader_finds_the_joints_where_the_dataset_has_them(loaded, rows):
    gaps = []
    for item in loaded:
        row = rows[item["sample_id"]]
        pixels = np.concatenate([joints_2d(row[side])[OURS] for side in Side])
        seen = np.concatenate([joints_3d(row[side])[OURS] for side in Side])
        gaps.append(np.linalg.norm(item["pixels"] - pixels, axis=1).max())
        np.testing.assert_allclose(item["seen"], 1000 * seen, atol=2e-3)
    assert max(gaps) < 0.005


def test_joints_outside_the_image_are_invalid_and_a_hand_without_its_wrist_is_wholly_so(loaded, rows):
    wristless = 0
    for item in loaded:
        row = rows[item["sample_id"]]
        inside = np.stack([np.array(row[side]["joint_state"])[OURS] != JointState.OUTSIDE_IMAGE for side in Side])
        np.testing.assert_array_equal(np.reshape(item["annotation"]["joint_valid"], (2, 21)), inside)
        np.testing.assert_array_equal(item["valid"].reshape(2, 21), inside & inside[:, 20:])
        wristless += (~inside[:, 20]).sum()
        assert item["annotation"]["hand_type"] == "interacting" and item["annotation"]["hand_type_valid"]
    assert wristless, "a wrist of this dataset lies outside"


def test_boxes_hold_the_boxes_of_both_hands(loaded, rows):
    for item in loaded:
        x, y, width, height = item["annotation"]["bbox"]
        for side in Side:
            left, top, w, h = rows[item["sample_id"]][side]["bbox"]
            assert x - 0.01 <= left and y - 0.01 <= top
            assert left + w <= x + width + 0.01 and top + h <= y + height + 0.01


def test_pictures_are_jpeg_and_copied_where_they_were(loaded, rows):
    for item in loaded:
        stored = rows[item["sample_id"]]["image"]
        picture = item["file"].read_bytes()
        assert picture.startswith(b"\xff\xd8")
        assert Image.open(io.BytesIO(picture)).size == (item["width"], item["height"])
        if stored["bytes"].startswith(b"\xff\xd8"):
            assert picture == stored["bytes"]
        else:
            difference = np.asarray(Image.open(item["file"]), dtype=int) - np.asarray(photo(stored), dtype=int)
            assert np.abs(difference).mean() < 2


def test_views_of_a_pose_share_a_frame_and_have_cameras_of_their_own(exported, loaded, rows):
    frames = defaultdict(set)
    for item in loaded:
        frames[rows[item["sample_id"]]["pose_id"]].add((item["capture"], item["frame_idx"]))
    assert sorted(map(len, frames.values())) == [1, 1, 1, 1]
    assert len(set.union(*frames.values())) == 4
    assert len({(item["capture"], item["camera"]) for item in loaded}) == len(loaded)
    joints = content(exported, "train", "joint_3d")
    assert {(c, f) for c, frames in joints.items() for f in frames} == {("0", "0"), ("0", "1"), ("2", "0")}
    assert joints["0"]["1"]["seq"] == next(i for i in loaded if i["capture"] == 0 and i["frame_idx"] == 1)["seq_name"]


def test_a_subject_is_a_hand_shape(exported, loaded):
    subjects = (exported / "annotations" / "subject.txt").read_text().splitlines()[1:]
    assert subjects == ["0 0", "1 1", "2 2"]
    shapes = defaultdict(set)
    for split in ("train", "val"):
        mano = content(exported, split, "MANO_NeuralAnnot")
        for item in load(exported, split):
            hand = mano[str(item["capture"])][str(item["frame_idx"])]["left"]
            shapes[item["subject"]].add(tuple(hand["shape"]))
    assert sorted(map(len, shapes.values())) == [1, 1, 1] and len(set.union(*shapes.values())) == 3


def test_a_capture_has_a_limited_number_of_poses(views, mano_like, tmp_path, monkeypatch):
    query = captures._NUMBERING.replace(str(captures.POSES_A_CAPTURE), "1")
    monkeypatch.setattr(captures, "_NUMBERING", query)
    out = export(views, InterHand26M(views, mano_like), "interhand", tmp_path / "out")
    loaded = load(out, "train")
    assert {(item["capture"], item["subject"], item["frame_idx"]) for item in loaded} == {
        (0, 0, 0),
        (1, 0, 0),
        (3, 2, 0),
    }


def test_mano_s_reference_layer_gives_the_joints(exported, mano_like):
    """smplx adds the mean finger pose itself, as everybody does who reads these files."""
    mano, joints = content(exported, "train", "MANO_NeuralAnnot"), content(exported, "train", "joint_3d")
    assert max(abs(model.arrays.hands_mean).max() for model in mano_like.values()) > 0.1
    for capture, frame in (("0", "0"), ("0", "1"), ("2", "0")):
        for side, first in (("right", 0), ("left", 21)):
            hand = {key: torch.tensor([value]).double() for key, value in mano[capture][frame][side].items()}
            layer = reference(mano_like[Side(side)].arrays, flat_hand_mean=False)
            pose = {"global_orient": hand["pose"][:, :3], "hand_pose": hand["pose"][:, 3:]}
            posed = layer(**pose, betas=hand["shape"], transl=hand["trans"])
            ours = joints_21(posed.joints, posed.vertices)[0, OURS]
            world = joints[capture][frame]["world_coord"][first : first + 21]
            np.testing.assert_allclose(1000 * ours.detach().numpy(), world, atol=1e-4)


def test_our_reader_reads_the_parameters_back(exported, views, mano_like):
    poses = {row["pose_id"]: row for row in iterate_rows(views.paths("poses"))}
    places = {
        "interhand26m-train-0-0": "000000",
        "interhand26m-train-0-1": "000002",
        "interhand26m-train-2-0": "000003",
    }
    frames = {frame.name: frame for frame in reader.read(exported, "train", mano_like)}
    assert set(frames) == set(places)
    for name, pose_id in places.items():
        assert frames[name].interacting and frames[name].split == "train"
        assert frames[name].up[2] > 0.5, "the cameras stand upright in a world whose z points up"
        for side in Side:
            for key, value in poses[pose_id][side].items():
                if key in ("global_orient", "hand_pose", "betas", "transl"):
                    np.testing.assert_allclose(getattr(frames[name].hands[side], key), value, atol=1e-8)


def test_a_run_can_start_from_an_export(exported, views, mano_like):
    raw = read_source("interhand26m", exported, "train", mano_like, Rules(max_distance_mm=1000))
    assert not raw.faults and len(raw.names) == 3
    poses = {row["pose_id"]: row for row in iterate_rows(views.paths("poses"))}
    both = [mano_like[s].joints_21(raw.poses.side(s).pose(mano_like[s])) for s in Side]
    read = torch.cat(both, dim=1).numpy()
    for pose_id, joints in zip(("000000", "000002", "000003"), read, strict=True):
        stored = [mano_like[s].joints_21(pose_of([poses[pose_id][s]]).pose(mano_like[s]))[0].numpy() for s in Side]
        np.testing.assert_allclose(_distances(joints), _distances(np.concatenate(stored)), atol=1e-6)


def _distances(joints: np.ndarray) -> np.ndarray:
    return np.linalg.norm(joints[:, None] - joints[None], axis=-1)


def test_the_skeleton_names_joints_and_parents_as_published(exported):
    lines = (exported / "annotations" / "skeleton.txt").read_text().splitlines()
    table = [line.split(" ") for line in lines if not line.startswith("#")]
    assert [name for name, _, _ in table] == [f"{letter}_{name}" for letter in "rl" for name in PUBLISHED]
    assert [int(number) for _, number, _ in table] == list(range(42))
    parents = [20 if n % 4 == 3 else n + 1 for n in range(20)]
    assert [int(parent) for _, _, parent in table] == [*parents, -1, *(parent + 21 for parent in parents), -1]


def test_a_stopped_export_ends_like_an_uninterrupted_one(exported, views, mano_like, tmp_path, contents):
    class Stopping(InterHand26M):
        def write_shard(self, name, rows, folder):
            if name == "00002":
                super().write_shard(name, (row for row, _ in zip(rows, range(1), strict=False)), folder)
                raise KeyboardInterrupt
            super().write_shard(name, rows, folder)

        def finish(self, folder, shards):
            raise AssertionError("it was stopped before")

    with pytest.raises(KeyboardInterrupt):
        export(views, Stopping(views, mano_like), "interhand", tmp_path / "out")
    export(views, InterHand26M(views, mano_like), "interhand", tmp_path / "out")
    assert contents(tmp_path / "out") == contents(exported)


def test_the_last_step_can_be_repeated(views, mano_like, exported, tmp_path, contents):
    class Twice(InterHand26M):
        def finish(self, folder, shards):
            super().finish(folder, shards)
            super().finish(folder, shards)

    export(views, Twice(views, mano_like), "interhand", tmp_path / "out")
    assert contents(tmp_path / "out") == contents(exported)


def test_some_images_keep_the_numbers_of_all(exported, loaded, views, mano_like, tmp_path):
    out = export(views, InterHand26M(views, mano_like), "interhand", tmp_path / "out", samples=4)
    some = [item for split in ("train", "val") for item in load(out, split)]
    names = {item["sample_id"]: item["file_name"] for item in loaded}
    assert len(some) == 4
    assert all(names[item["sample_id"]] == item["file_name"] for item in some)
    frames = {
        (str(item["capture"]), str(item["frame_idx"]))
        for item in some
        if item["file"].is_relative_to(out / "images" / "train")
    }
    stored = content(out, "train", "joint_3d")
    assert {(capture, frame) for capture, found in stored.items() for frame in found} == frames


def test_an_image_without_its_pose_is_one_sentence(mano_like, tmp_path):
    manifest = write_views(tmp_path / "data", mano_like)
    path, rows = manifest.path("poses", "00000"), list(iterate_rows(manifest.paths("poses")))
    manifest.add("poses", write_shard(path, rows[1:], POSES))
    with pytest.raises(InputError, match=r"00000\.parquet: 000000-v00: its pose 000000 is not in poses"):
        export(manifest, InterHand26M(manifest, mano_like), "interhand", tmp_path / "out")
    manifest.shards["poses"] = {}
    with pytest.raises(InputError, match="has no poses"):
        export(manifest, InterHand26M(manifest, mano_like), "interhand", tmp_path / "other")
