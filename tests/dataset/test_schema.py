"""The schema: complete, described, understood by Hugging Face, and in step with its page."""

import json

import pyarrow as pa
import pytest

from dataset.documents.schema_page import PAGE, schema_page
from dataset.pictures import png_cell
from dataset.schema import IMAGES, TABLES, description, is_picture, leaf_columns
from dataset.shards import table_of


def walk(fields, prefix=""):
    for field in fields:
        yield prefix + field.name, field
        if pa.types.is_struct(field.type) and not is_picture(field):
            yield from walk(field.type, f"{prefix}{field.name}.")


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_explained(table):
    assert [name for name, field in walk(TABLES[table]) if not description(field)] == []


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


def test_page_is_up_to_date():
    assert PAGE.read_text() == schema_page(), "run: python -m dataset.documents.schema_page"


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


def test_png_cells_depend_on_the_values_alone(image_rows):
    import numpy as np

    depth = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    assert png_cell(depth, "a") == png_cell(depth.copy(), "a")
