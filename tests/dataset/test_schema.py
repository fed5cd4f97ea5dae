"""The schema: complete, described, and understood by Hugging Face."""

import json
from math import prod

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataset.pictures import png_cell
from dataset.schema import (
    IMAGES,
    REJECTED,
    RULE,
    TABLES,
    VERSION,
    Unit,
    allowed_values,
    columns,
    description,
    is_group,
    is_picture,
    leaf_columns,
    shape_of,
    unit_of,
)
from dataset.shards import table_of, write_shard
from dataset.splits import SPLITS
from hands.joints import JointState
from rendering.views.plan import LookConfig
from tests.dataset.synthetic import rejected_row


def walk(fields, prefix=""):
    for field in fields:
        yield prefix + field.name, field
        if pa.types.is_struct(field.type) and not is_picture(field):
            yield from walk(field.type, f"{prefix}{field.name}.")


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_explained(table):
    assert [name for name, field in walk(TABLES[table]) if not description(field)] == []
    assert [(column.name, column.field) for column in columns(TABLES[table])] == list(walk(TABLES[table]))


@pytest.mark.parametrize("table", TABLES)
def test_every_column_has_a_unit_and_quantities_have_a_true_one(table):
    for name, field in walk(TABLES[table]):
        unit = unit_of(field)
        if is_group(field) or field.type == pa.string():
            assert unit is Unit.NONE, name
        if pa.types.is_floating(getattr(field.type, "value_type", field.type)):
            assert unit is not Unit.NONE, name
        assert (unit is Unit.MILLIMETRE) == name.endswith("_mm"), name
        assert (unit is Unit.DEGREE) == name.endswith("_deg"), name


def test_a_column_without_a_known_unit_is_refused():
    with pytest.raises(ValueError, match="furlong"):
        unit_of(pa.field("x", pa.float32(), metadata={"unit": "furlong"}))
    with pytest.raises(ValueError):
        unit_of(pa.field("x", pa.float32()))


@pytest.mark.parametrize("table", TABLES)
def test_shapes_fill_what_is_stored(table):
    for name, field in walk(TABLES[table]):
        shape = shape_of(field)
        if pa.types.is_fixed_size_list(field.type):
            assert prod(map(int, shape)) == field.type.list_size, name
        elif is_picture(field):
            assert shape[:2] == ("height", "width"), name
        else:
            assert shape == (("n",) if pa.types.is_list(field.type) else ()), name


def test_allowed_values_are_those_of_the_code():
    of = {
        name: allowed_values(field) for table in TABLES for name, field in walk(TABLES[table]) if allowed_values(field)
    }
    assert tuple(of["split"]) == SPLITS
    assert set(map(int, of["right.joint_state"])) == set(JointState)
    assert [name.lower().replace("_", " ") for name in JointState.__members__] == [
        *(text.replace("by the", "by") for text in list(of["left.joint_state"].values())[:3]),
        "outside image",
    ]
    for denoiser in of["render.denoiser"]:
        LookConfig(denoiser=denoiser)
    assert set(of["mask_hands"]) == {"0", "1", "2"}
    assert {"viewpoint", "mask_parts", "mask_right_amodal", "stage", "denoiser"} <= set(of)


def test_the_version_has_two_numbers_and_a_rule():
    major, minor = VERSION.split(".")
    assert int(major) >= 2
    assert int(minor) >= 0
    assert "MINOR" in RULE
    assert "MAJOR" in RULE


def test_files_carry_the_meaning_of_their_columns(tmp_path):
    path = tmp_path / "r.parquet"
    write_shard(path, [rejected_row(1)], REJECTED)
    stored = pq.read_schema(path)
    assert stored.equals(REJECTED, check_metadata=True)
    assert stored.metadata[b"render_ih_schema"] == VERSION.encode()
    with pq.ParquetWriter(tmp_path / "i.parquet", IMAGES):
        pass
    inner = pq.read_schema(tmp_path / "i.parquet").field("left").type.field("joints_3d")
    assert (unit_of(inner), shape_of(inner)) == (Unit.METRE, ("21", "3"))


def test_images_have_the_columns_that_other_tools_rely_on():
    names = {name for name, _ in walk(IMAGES)}
    hand = ["global_orient", "hand_pose", "betas", "transl", "joints_3d", "joints_2d", "joint_state", "bbox"]
    assert {f"{side}.{name}" for side in ("right", "left") for name in hand} <= names
    assert {"camera.K", "camera.R", "camera.t", "render.hdri", "interaction.min_distance_mm"} <= names
    lengths = {name: field.type.list_size for name, field in walk(IMAGES) if pa.types.is_fixed_size_list(field.type)}
    assert lengths["camera.K"] == 9
    assert lengths["left.joints_3d"] == 63
    assert lengths["right.joints_2d"] == 42
    assert lengths["right.hand_pose"] == 45


def arrow_type(feature):
    """The type that `datasets` gives a feature; written from its documentation, not from our code."""
    if feature.get("_type") == "Value":
        return {"string": pa.string(), "float32": pa.float32(), "float64": pa.float64()}.get(
            feature["dtype"], getattr(pa, feature["dtype"])()
        )
    if feature.get("_type") == "Sequence":
        return pa.list_(arrow_type(feature["feature"]), feature["length"])
    if feature.get("_type") == "Image":
        return pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.struct([(name, arrow_type(inner)) for name, inner in feature.items()])


@pytest.mark.parametrize("table", TABLES)
def test_hugging_face_features_describe_the_stored_types(table):
    features = json.loads(TABLES[table].metadata[b"huggingface"])["info"]["features"]
    assert list(features) == TABLES[table].names
    for field in TABLES[table]:
        assert arrow_type(features[field.name]).equals(field.type)


def test_pictures_are_image_features():
    features = json.loads(IMAGES.metadata[b"huggingface"])["info"]["features"]
    pictures = {name for name, feature in features.items() if feature.get("_type") == "Image"}
    masks = {"mask_hands", "mask_parts", "mask_right_amodal", "mask_left_amodal"}
    assert pictures == {"image", "depth", "normals"} | masks
    assert not pictures & {name.split(".")[0] for name in leaf_columns(IMAGES)}
    assert pictures <= set(leaf_columns(IMAGES, with_pictures=True))


def test_rows_with_missing_unknown_or_empty_values_are_refused(image_rows):
    row = image_rows[0]
    with pytest.raises(ValueError, match="unknown columns"):
        table_of([row | {"colour": 1}], IMAGES)
    with pytest.raises(ValueError, match="right: missing columns"):
        table_of([row | {"right": {k: v for k, v in row["right"].items() if k != "bbox"}}], IMAGES)
    with pytest.raises(ValueError, match="empty values in the columns camera"):
        table_of([row | {"camera": row["camera"] | {"t": [0.0, None, 0.0]}}], IMAGES)


def test_vectors_of_the_wrong_length_are_refused(image_rows):
    row = image_rows[0]
    with pytest.raises((pa.ArrowInvalid, ValueError)):
        table_of([row | {"right": row["right"] | {"betas": [0.0] * 9}}], IMAGES)


def test_png_cells_depend_on_the_values_alone():
    depth = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    assert png_cell(depth, "a") == png_cell(depth.copy(), "a")
