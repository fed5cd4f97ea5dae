"""Rerun recordings, read back by Rerun's own reader: every entity is there and holds what the row says."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import rerun.dataframe as rd
import torch
from rerun.error_utils import RerunWarning

from dataset.errors import InputError
from dataset.exports import rerun_recording
from dataset.exports.job import export
from dataset.exports.rerun_recording import RerunRecordings, write_recording
from dataset.pictures import values
from dataset.rows import camera_of, pose_of
from dataset.shards import iterate_rows
from hands.joints import BONES_21, JOINTS_21, Side
from tests.dataset.synthetic import write_dataset

# Rerun drops what it cannot convert and only warns.
pytestmark = [pytest.mark.filterwarnings("error::rerun.error_utils.RerunWarning")]
IMAGE = "/world/camera/image"


@pytest.fixture(scope="module")
def rows(manifest) -> list[dict]:
    return list(iterate_rows(manifest.paths("images")))


@pytest.fixture(scope="module")
def recording(rows, hands, tmp_path_factory) -> rd.Recording:
    path = tmp_path_factory.mktemp("rerun") / "some.rrd"
    write_recording(path, rows, hands)
    return rd.load_recording(path)


@pytest.fixture(scope="module")
def table(recording) -> pa.Table:
    return recording.view(index="sample", contents="/**").select().read_all()


def column(table: pa.Table, name: str, row: int) -> np.ndarray:
    return np.array(table[name][row].as_py())


def test_warnings_of_rerun_fail_these_tests():
    with pytest.raises(RerunWarning):
        rerun_recording.rr.Points3D("no points")


def test_a_recording_has_the_name_of_its_file(recording):
    assert recording.recording_id() == "some"


def test_every_entity_is_there(recording):
    entities = {c.entity_path for c in recording.schema().component_columns() if not c.entity_path.startswith("/__")}
    assert entities == {
        *("/sample", "/world", "/world/camera", IMAGE),
        *(f"{IMAGE}/{name}" for name in ("mask_hands", "mask_parts", "depth", "normals", "right", "left")),
        *(f"/world/camera/{side}/{what}" for side in Side for what in ("joints", "surface")),
    }
    assert {"sample"} < {c.name for c in recording.schema().index_columns()}


def test_a_step_of_the_timeline_is_a_row(table, rows):
    assert table["sample"].to_pylist() == list(range(len(rows)))
    for number, row in enumerate(rows):
        assert f"| {row['sample_id']} |" in column(table, "/sample:Text", number)[0]


def test_joints_are_the_row_s(table, rows):
    for number, row in enumerate(rows):
        for side in Side:
            pixels = column(table, f"{IMAGE}/{side}:Position2D", number)
            np.testing.assert_array_equal(pixels.ravel(), np.float32(row[side]["joints_2d"]))
            metres = column(table, f"/world/camera/{side}/joints:Position3D", number)
            np.testing.assert_array_equal(metres.ravel(), np.float32(row[side]["joints_3d"]))
            states = column(table, f"{IMAGE}/{side}:joint_state", number)
            np.testing.assert_array_equal(states, row[side]["joint_state"])
            radii = column(table, f"{IMAGE}/{side}:Radius", number)
            np.testing.assert_array_equal(radii > 2, states == 0)


def test_surfaces_are_the_hand_layer_s(table, rows, hands):
    for number, row in enumerate(rows):
        for side, model in hands.items():
            vertices = pose_of([row[side]]).pose(model).vertices[0]
            path = f"/world/camera/{side}/surface"
            np.testing.assert_array_equal(column(table, f"{path}:Position3D", number), vertices.numpy())
            faces = column(table, f"{path}:TriangleIndices", number)
            np.testing.assert_array_equal(faces, model.arrays.faces)
            normals = torch.from_numpy(column(table, f"{path}:Vector3D", number))
            corners = vertices[model.faces].double()
            across = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
            assert ((across * normals[model.faces[:, 0]]).sum(-1) > 0).double().mean() > 0.95


def test_the_camera_takes_the_surface_into_the_picture(table, rows):
    """As Rerun composes it: camera frame to world by the transform, to pixels by the pinhole's matrix."""
    for number, row in enumerate(rows):
        camera = camera_of(row)
        turned = column(table, "/world/camera:TransformMat3x3", number).reshape(3, 3).T  # Rerun stores columns
        np.testing.assert_allclose(turned, camera.R.T, atol=1e-6)
        np.testing.assert_allclose(column(table, "/world/camera:Translation3D", number)[0], camera.position, atol=1e-6)
        K = column(table, f"{IMAGE}:PinholeProjection", number).reshape(3, 3).T
        joints = column(table, "/world/camera/left/joints:Position3D", number)
        pixels = joints @ K.T
        expected = column(table, f"{IMAGE}/left:Position2D", number)
        np.testing.assert_allclose(pixels[:, :2] / pixels[:, 2:], expected, atol=0.01)
        np.testing.assert_array_equal(column(table, f"{IMAGE}:Resolution", number)[0], [row["width"], row["height"]])


def test_pictures_are_copied_and_maps_keep_their_numbers(table, rows):
    for number, row in enumerate(rows):
        assert column(table, f"{IMAGE}:Blob", number)[0].astype(np.uint8).tobytes() == row["image"]["bytes"]
        kind = "image/png" if row["image"]["bytes"].startswith(b"\x89PNG") else "image/jpeg"
        assert column(table, f"{IMAGE}:MediaType", number)[0] == kind
        for name, dtype in (("mask_hands", np.uint8), ("mask_parts", np.uint8), ("depth", np.uint16)):
            stored = column(table, f"{IMAGE}/{name}:ImageBuffer", number)[0].astype(np.uint8).tobytes()
            found = np.frombuffer(stored, dtype).reshape(row["height"], row["width"])
            np.testing.assert_array_equal(found, values(row[name]))
        assert column(table, f"{IMAGE}/depth:DepthMeter", number)[0] == 10_000, "steps of 0.1 mm a metre"


def test_normals_are_there_where_the_row_has_them(table, rows):
    stored = [blob is not None for blob in table[f"{IMAGE}/normals:Blob"].to_pylist()]
    assert stored == [row["normals"] is not None for row in rows] and any(stored) and not all(stored)


def test_classes_have_names_and_hands_have_bones(recording):
    static = recording.view(index="sample", contents="/**").select_static().read_all().to_pylist()[0]
    hands = {c["class_id"]: c["class_description"] for c in static["/world:AnnotationContext"][0]}
    assert {number: about["info"]["label"] for number, about in hands.items()} == {
        0: "none",
        1: "right hand",
        2: "left hand",
    }
    for number in (1, 2):
        assert [joint["label"] for joint in hands[number]["keypoint_annotations"]] == list(JOINTS_21)
        assert [tuple(bone.values()) for bone in hands[number]["keypoint_connections"]] == list(BONES_21)
    parts = {c["class_id"]: c["class_description"]["info"] for c in static[f"{IMAGE}/mask_parts:AnnotationContext"][0]}
    assert sorted(parts) == list(range(35))
    assert parts[1]["label"] == "right wrist" and parts[31]["label"] == "left thumb_2"
    assert parts[34]["label"] == "left forearm"
    assert len({part["color"] for part in parts.values()}) == 34, "the forearms share a colour"


def test_a_shard_becomes_files_of_a_limited_number_of_samples(manifest, rows, hands, tmp_path, monkeypatch):
    monkeypatch.setattr(rerun_recording, "SAMPLES_A_FILE", 1)
    out = export(manifest, RerunRecordings(manifest, hands), "rerun", tmp_path / "out")
    files = ["00000-000", "00000-001", "00001-000", "00001-001", "00002-000"]
    assert sorted(path.name for path in out.iterdir()) == [*(f"{file}.rrd" for file in files), "export.json"]
    names = set()
    for number, (file, row) in enumerate(zip(files, rows, strict=True)):
        found = rd.load_recording(out / f"{file}.rrd")
        text = found.view(index="sample", contents="/sample").select().read_all()
        assert text["sample"].to_pylist() == [number], "the timeline goes on from file to file"
        assert f"| {row['sample_id']} |" in text["/sample:Text"][0].as_py()[0]
        assert found.application_id() == "render-ih"
        names.add(found.recording_id())
    assert len(names) == 1, "opened together, the files are one recording"


def test_recordings_of_two_datasets_are_two(manifest, split_samples, hands, tmp_path):
    other = write_dataset(tmp_path / "data", split_samples[:1])
    names = []
    for number, dataset in enumerate((manifest, other)):
        out = export(dataset, RerunRecordings(dataset, hands), "rerun", tmp_path / str(number), samples=1)
        names.append(rd.load_recording(next(out.glob("*.rrd"))).recording_id())
    assert names[0] != names[1]


def test_the_content_depends_on_the_rows_alone(table, rows, hands, tmp_path):
    write_recording(tmp_path / "again.rrd", rows, hands)
    again = rd.load_recording(tmp_path / "again.rrd").view(index="sample", contents="/**").select().read_all()
    same = [name for name in table.column_names if name not in ("log_time", "log_tick")]
    assert table.select(same).equals(again.select(same))


def test_a_damaged_mask_is_one_sentence(rows, hands, tmp_path):
    damaged = rows[0] | {"mask_parts": {"bytes": b"\x89PNG\r\n", "path": "x"}}
    with pytest.raises(InputError, match=f"{rows[0]['sample_id']}: its mask_parts cannot be decoded"):
        write_recording(tmp_path / "bad.rrd", [damaged], hands)
    assert not list(Path(tmp_path).iterdir())
