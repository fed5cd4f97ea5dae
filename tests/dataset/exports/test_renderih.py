"""RenderIH's files: what the authors' training code reads, and MANO's reference layer on the parameters, are the dataset's."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial.transform import Rotation

from dataset.exports.job import PARTS, export
from dataset.exports.renderih import FIRST, SHARE, SIZE, RenderIH
from dataset.manifest import Manifest
from dataset.rows import joints_2d, joints_3d
from dataset.shards import iterate_rows
from hands.joints import Side, joints_21
from tests.dataset.exports.several_views import awkward_hands, write_views
from tests.dataset.synthetic import write_dataset
from tests.hands.test_model import reference

ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}
HAND = {"hms", "verts3d", "joints3d", "verts2d", "joints2d", "R", "pose", "shape", "camera"}


class PlainUnpickler(pickle.Unpickler):
    """Arrays of numbers and what Python builds itself, nothing else."""

    def find_class(self, module: str, name: str) -> object:
        assert (module, name) in ADMITTED, f"asks for {module}.{name}"
        return super().find_class(module, name)


def plain(content: bytes) -> dict:
    return PlainUnpickler(io.BytesIO(content)).load()


def plain_npy(content: bytes) -> dict:
    """`np.load(…, allow_pickle=True)[()]`, for plain content alone."""
    file = io.BytesIO(content)
    assert np.lib.format.read_magic(file) == (1, 0)
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    assert shape == () and dtype.hasobject
    return PlainUnpickler(file).load()[()]


@pytest.fixture(scope="module")
def mano_like():
    return awkward_hands()


@pytest.fixture(scope="module")
def views(mano_like, tmp_path_factory) -> Manifest:
    return write_views(tmp_path_factory.mktemp("views") / "data", mano_like)


@pytest.fixture(scope="module")
def rows(views) -> dict[str, dict]:
    return {row["sample_id"]: row for row in iterate_rows(views.paths("images"))}


@pytest.fixture(scope="module")
def poses(views) -> dict[str, dict]:
    return {row["pose_id"]: row for row in iterate_rows(views.paths("poses"))}


@pytest.fixture(scope="module")
def exported(views, mano_like, tmp_path_factory) -> Path:
    return export(views, RenderIH(views, mano_like), "renderih", tmp_path_factory.mktemp("renderih") / "out")


def load(exported: Path, split: str) -> list[dict]:
    """What is read of a split: the released code counts the files and takes numbers from a first one on."""
    folder, count = exported / split, len(list((exported / split / "color_annot").glob("*.pkl")))
    return [
        {
            "picture": Image.open(folder / "color_img" / f"{number}.jpg"),
            "annotation": plain((folder / "color_annot" / f"{number}.pkl").read_bytes()),
            "seen": plain_npy((folder / "ori_handdict" / f"{number}.npy").read_bytes()),
        }
        for number in range(FIRST, FIRST + count)
    ]


@pytest.fixture(scope="module")
def items(exported) -> list[dict]:
    return load(exported, "train") + load(exported, "val")


def test_numbers_follow_the_shards_without_a_gap(exported, rows):
    for split, name in (("train", "train"), ("val", "validation")):
        expected = [row["sample_id"] for row in rows.values() if row["split"] == name]
        found = load(exported, split)
        assert [item["annotation"]["image"]["sample_id"] for item in found] == expected
        assert [item["annotation"]["inter_idx"] for item in found] == list(range(FIRST, FIRST + len(expected)))
    assert not (exported / PARTS).exists() and not (exported / "test").exists()


def test_arrays_have_the_released_shapes(items):
    shapes = {"pose": (1, 45), "oripose": (16, 3), "shape": (1, 10), "trans": (1, 3), "R": (1, 3, 3)}
    for item in items:
        annotation = item["annotation"]
        assert set(annotation) == {"inter_idx", "image", "annotation", "mano_params", "camera"}
        assert {k: v.shape for k, v in annotation["camera"].items()} == {"R": (3, 3), "t": (1, 3), "camera": (3, 3)}
        for side in ("left", "right"):
            assert {k: v.shape for k, v in annotation["mano_params"][side].items()} == shapes
            assert set(item["seen"][side]) == HAND
            assert item["seen"][side]["verts3d"].shape == (778, 3) and item["seen"][side]["joints2d"].shape == (21, 2)
        assert item["picture"].size == (SIZE, SIZE)


def angles(parameters: dict, arrays) -> np.ndarray:
    """Full finger angles from the coefficients, as the released layer takes them."""
    return parameters["pose"][0].astype(float) @ arrays.hands_components + arrays.hands_mean


def test_finger_angles_come_back(items, rows, poses, mano_like):
    for item in items:
        pose = poses[rows[item["annotation"]["image"]["sample_id"]]["pose_id"]]
        for side in Side:
            parameters, arrays = item["annotation"]["mano_params"][str(side)], mano_like[side].arrays
            np.testing.assert_allclose(angles(parameters, arrays), pose[side]["hand_pose"], atol=1e-5)
            np.testing.assert_allclose(
                parameters["oripose"][1:].ravel() + arrays.hands_mean, pose[side]["hand_pose"], atol=1e-5
            )
            np.testing.assert_allclose(parameters["oripose"][0], pose[side]["global_orient"], atol=1e-6)


def test_mano_s_reference_layer_on_the_parameters_gives_what_is_seen(items, mano_like):
    for item in items:
        camera = item["annotation"]["camera"]
        for side in Side:
            parameters = item["annotation"]["mano_params"][str(side)]
            values = {
                "global_orient": Rotation.from_matrix(parameters["R"]).as_rotvec(),
                "hand_pose": angles(parameters, mano_like[side].arrays)[None],
                "betas": parameters["shape"],
                "transl": parameters["trans"],
            }
            layer = reference(mano_like[side].arrays, flat_hand_mean=True)
            posed = layer(**{k: torch.from_numpy(v).double() for k, v in values.items()})
            joints = joints_21(posed.joints, posed.vertices)
            seen = item["seen"][str(side)]
            for name, points in (("verts", posed.vertices), ("joints", joints)):
                moved = points[0].detach().numpy() @ camera["R"].T + camera["t"]
                np.testing.assert_allclose(moved, seen[f"{name}3d"], atol=2e-6)
                pixels = moved @ camera["camera"].T
                np.testing.assert_allclose(pixels[:, :2] / pixels[:, 2:], seen[f"{name}2d"], atol=0.01)
            np.testing.assert_allclose(seen["R"], camera["R"] @ parameters["R"][0], atol=1e-6)
            np.testing.assert_array_equal(seen["camera"], camera["camera"])


def test_joints_are_the_dataset_s_through_the_cut(items, rows):
    """The square around both hands' joints, of which they take 80 %, is what the picture shows."""
    for item in items:
        row = rows[item["annotation"]["image"]["sample_id"]]
        joints = np.concatenate([joints_2d(row[side]) for side in Side])
        low, high = joints.min(0), joints.max(0)
        side = (high - low).max() / SHARE
        placed = (joints - (low + high - side) / 2) * SIZE / side
        seen = np.concatenate([item["seen"][str(s)]["joints2d"] for s in Side])
        np.testing.assert_allclose(seen, placed, atol=0.01)
        np.testing.assert_allclose(seen.min(0) + seen.max(0), [SIZE, SIZE], atol=0.02)
        np.testing.assert_allclose((seen.max(0) - seen.min(0)).max(), SHARE * SIZE, atol=0.02)
        for s in Side:
            np.testing.assert_allclose(item["seen"][str(s)]["joints3d"], joints_3d(row[s]), atol=2e-6)


def test_hands_lie_where_their_vertices_are(samples, hands, tmp_path):
    """On a picture of its own camera: most vertices fall on pixels that are not the background's."""
    manifest = write_dataset(tmp_path / "data", samples)
    for item in load(export(manifest, RenderIH(manifest, hands), "renderih", tmp_path / "out"), "train"):
        picture = np.asarray(item["picture"], dtype=int)
        on_hand = np.abs(picture - (70, 82, 96)).sum(-1) > 30
        pixels = np.floor(np.concatenate([hand["verts2d"] for hand in item["seen"].values()])).astype(int)
        inside = ((pixels >= 0) & (pixels < SIZE)).all(1)
        assert inside.mean() > 0.9 and on_hand[pixels[inside][:, 1], pixels[inside][:, 0]].mean() > 0.95
        assert on_hand.mean() < 0.6, "the test could not fail on a picture full of hands"


def test_a_stopped_export_ends_like_an_uninterrupted_one(exported, views, mano_like, tmp_path, contents):
    class Stopping(RenderIH):
        def write_shard(self, name, rows, folder):
            if name == "00001":
                super().write_shard(name, (row for row, _ in zip(rows, range(2), strict=False)), folder)
                raise KeyboardInterrupt
            super().write_shard(name, rows, folder)

    with pytest.raises(KeyboardInterrupt):
        export(views, Stopping(views, mano_like), "renderih", tmp_path / "out")
    export(views, RenderIH(views, mano_like), "renderih", tmp_path / "out")
    assert contents(tmp_path / "out") == contents(exported)


def test_some_images_are_numbered_without_a_gap(views, mano_like, tmp_path):
    out = export(views, RenderIH(views, mano_like), "renderih", tmp_path / "out", samples=4)
    assert len(load(out, "train")) + len(load(out, "val")) == 4
