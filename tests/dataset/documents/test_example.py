"""The sample in the documents is a real one: it fits the schema, and its labels agree with geometry."""

import copy
import json

import numpy as np
import pyarrow as pa
import pytest

from dataset.documents.example import FILE, main, read_example, take_example, write_example
from dataset.documents.json_text import json_text
from dataset.errors import InputError
from dataset.rows import camera_of, joints_2d, joints_3d
from dataset.schema import IMAGES, TABLES, allowed_values, columns, is_picture
from dataset.shards import table_of, write_shard
from dataset.verification.geometry import check_geometry
from hands.joints import JointState, Side


@pytest.fixture(scope="module")
def example():
    return read_example()


def without_pictures(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field for field in schema if not is_picture(field)])


@pytest.mark.parametrize("table", TABLES)
def test_its_rows_fit_the_schema(table, example):
    schema = without_pictures(TABLES[table])
    assert table_of([example[table]], schema).to_pylist() == [example[table]]


@pytest.mark.parametrize("table", TABLES)
def test_its_values_are_among_the_allowed_ones(table, example):
    for column in columns(without_pictures(TABLES[table])):
        value = example[table]
        for name in column.name.split("."):
            value = value[name]
        if allowed := allowed_values(column.field):
            assert {str(one) for one in (value if isinstance(value, list) else [value])} <= set(allowed), column.name


def test_its_rows_belong_together(example):
    image, pose, plan = (example[table] for table in ("images", "poses", "plan"))
    assert image["sample_id"] == plan["sample_id"]
    assert image["pose_id"] == pose["pose_id"] == plan["pose_id"]
    for name in ("split", "camera", "width", "height", "viewpoint"):
        assert image[name] == plan[name]
    for name in ("hdri", "skin_right", "seed", "exposure"):
        assert image["render"][name] == plan[name]


def geometry_findings(folder, image, pose, hands):
    paths = [folder / "images.parquet", folder / "poses.parquet"]
    for path, row, table in zip(paths, (image, pose), ("images", "poses"), strict=True):
        write_shard(path, [row], without_pictures(TABLES[table]))
    return [str(problem) for problem in check_geometry(paths[:1], paths[1:], hands, lambda _: None)]


def test_its_parameters_give_its_joints(example, hands, tmp_path):
    image, pose = example["images"], example["poses"]
    assert geometry_findings(tmp_path, image, pose, hands) == []
    bent = copy.deepcopy(image)
    bent["left"]["hand_pose"][5] += 0.2
    found = geometry_findings(tmp_path, bent, pose, hands)
    assert found
    assert all(image["sample_id"] in sentence for sentence in found)


@pytest.mark.parametrize("side", Side)
def test_its_joints_are_where_its_camera_sees_them(side, example):
    row = example["images"]
    hand, camera = row[side], camera_of(row)
    pixels = camera.project(joints_3d(hand))
    np.testing.assert_allclose(joints_2d(hand), pixels, atol=1e-3)
    outside = ((pixels < 0) | (pixels >= (row["width"], row["height"]))).any(1)
    assert (outside == (np.array(hand["joint_state"]) == JointState.OUTSIDE_IMAGE)).all()
    x, y, width, height = hand["bbox"]
    inside = pixels[~outside]
    assert (inside >= (x - 1, y - 1)).all()
    assert (inside <= (x + width + 1, y + height + 1)).all()


def test_it_is_taken_from_a_dataset_without_pictures(dataset_dir, image_rows, tmp_path):
    taken = take_example(dataset_dir, image_rows[4]["sample_id"])
    assert taken["images"]["right"]["betas"] == pytest.approx(image_rows[4]["right"]["betas"])
    assert set(taken["images"]) == {field.name for field in IMAGES if not is_picture(field)}
    assert taken["poses"]["pose_id"] == taken["plan"]["pose_id"] == image_rows[4]["pose_id"]
    write_example(taken, tmp_path / "example.json")
    assert read_example(tmp_path / "example.json") == taken


def test_a_dataset_that_refused_nothing_leaves_the_refused_row(example, tmp_path):
    path = tmp_path / "example.json"
    path.write_text(FILE.read_text())
    write_example({"images": {"sample_id": "x"}}, path)
    assert read_example(path) == example | {"images": {"sample_id": "x"}}


def test_an_unknown_sample_is_one_sentence(dataset_dir, capsys, tmp_path):
    with pytest.raises(InputError, match="no row whose sample_id is 'nobody'; name one"):
        take_example(dataset_dir, "nobody")
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path), "nobody"])
    assert ended.value.code == 2
    assert "is not a dataset" in capsys.readouterr().err


def test_json_keeps_texts_and_puts_vectors_in_one_line():
    value = {
        "a": [1, 2.5, -3e-7],
        "b": ["x  [y", "{z}"],
        "c": "[ 1,\n 2 ]",
        "d": [],
        "e": [[1, 2], {"f": [3]}],
        "ö": None,
    }
    text = json_text(value)
    assert json.loads(text) == value
    assert '"a": [1, 2.5, -3e-07]' in text
    assert "ö" in text
    with pytest.raises(ValueError):
        json_text([float("nan")])
