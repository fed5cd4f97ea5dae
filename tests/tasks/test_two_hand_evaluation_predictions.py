"""Predictions as a file: what is read is what was written, and what is wrong is told in a sentence."""

from types import SimpleNamespace

import pytest
import torch

from dataset.errors import InputError
from hands.joints import Side
from models.two_hand_metrics.measuring import HandPoints, TwoHands
from tasks.transhand.evaluation.predictions import open_predictions
from tasks.transhand.evaluation.truth import Bodies
from tests.tasks.judged_images import NAMES, columns_of, write_predictions


@pytest.fixture(scope="module")
def bodies(hands) -> Bodies:
    return Bodies.of(hands)


@pytest.fixture(scope="module")
def told(bodies) -> TwoHands:
    """Surfaces, and joints that are not theirs."""
    draws = torch.Generator().manual_seed(0)
    vertices = {side: len(bodies.models[side].v_template) for side in Side}
    return TwoHands(
        *(HandPoints(*(torch.rand(3, n, 3, generator=draws) for n in (21, vertices[side]))) for side in Side)
    )


def asked(path, bodies: Bodies, names: list[str]):
    batch = SimpleNamespace(sample_ids=names, K=torch.eye(3))
    with open_predictions(path, bodies) as predictions:
        answer = predictions(batch)
        return answer.rows, answer.hands


@pytest.mark.parametrize("nested", [False, True])
def test_each_image_gets_its_own_row(told, bodies, tmp_path, nested):
    path = write_predictions(tmp_path / "p.parquet", columns_of(told, ("vertices", "joints_3d")), nested)
    rows, found = asked(path, bodies, ["other", NAMES[2], NAMES[0]])
    assert rows == [1, 2]
    for side in Side:
        assert torch.equal(getattr(found, side).vertices, getattr(told, side).vertices[[2, 0]])
        assert torch.equal(getattr(found, side).joints, getattr(told, side).joints[[2, 0]]), (
            "as told, not of the surface"
        )


def test_joints_alone_and_joints_of_surfaces(told, bodies, tmp_path):
    joints = write_predictions(tmp_path / "joints.parquet", columns_of(told, ("joints_3d",)))
    _, found = asked(joints, bodies, NAMES)
    assert found.right.vertices is None and torch.equal(found.left.joints, told.left.joints)
    surfaces = write_predictions(tmp_path / "surfaces.parquet", columns_of(told))
    _, found = asked(surfaces, bodies, NAMES)
    assert torch.equal(found.left.joints, bodies.points(Side.LEFT, told.left.vertices).joints)


def test_a_file_larger_than_what_is_in_memory_at_once(told, bodies, tmp_path):
    columns = columns_of(told, ("joints_3d",))
    columns = {name: values * 200 for name, values in columns.items()}
    columns["sample_id"] = [f"{number:04d}" for number in range(600)]
    path = write_predictions(tmp_path / "p.parquet", columns)
    rows, found = asked(path, bodies, ["0599", "0000", "0301"])
    assert rows == [0, 1, 2] and torch.equal(found.right.joints, told.right.joints[[599 % 3, 0, 301 % 3]])


def without(name: str):
    return lambda columns: columns.pop(name)


def shorter(columns):
    columns["right.vertices"][1] = columns["right.vertices"][1][:-3]


def empty(columns):
    columns["left.vertices"][2] = None


def twice(columns):
    columns["sample_id"][2] = NAMES[0]


def nameless(columns):
    columns["sample_id"] = [1, 2, 3]


def words(columns):
    columns["left.vertices"] = ["x", "y", "z"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (without("sample_id"), "has no column sample_id; name the image of each row in it"),
        (
            without("left.vertices"),
            "has no column left.vertices; both hands' vertices are needed, or both hands' joints_3d",
        ),
        (lambda c: (c.pop("left.vertices"), c.pop("right.vertices")), "no column right.vertices and no left.vertices"),
        (shorter, "right.vertices of 000001-0 has 2,331 numbers; for this hand it must have 2,334"),
        (empty, "left.vertices of 000002-0 is empty; for this hand it must have 2,334"),
        (twice, "has two rows for 000000-0; give one row for each image"),
        (nameless, "has 1 as a sample_id"),
        (words, "left.vertices is of type string; give one list of 2334 numbers a row"),
        (lambda c: [values.clear() for values in c.values()], "has no row"),
    ],
)
def test_what_is_wrong_is_one_sentence(told, bodies, tmp_path, change, sentence):
    columns = columns_of(told)
    change(columns)
    path = write_predictions(tmp_path / "p.parquet", columns)
    with pytest.raises(InputError) as refusal:
        asked(path, bodies, NAMES)
    assert sentence in str(refusal.value) and "\n" not in str(refusal.value)


def test_what_is_no_parquet_is_told(bodies, tmp_path):
    (tmp_path / "p.parquet").write_text("sample_id,right.vertices")
    with pytest.raises(InputError, match="cannot be read; give a method's predictions as a Parquet file"):
        asked(tmp_path / "p.parquet", bodies, NAMES)
