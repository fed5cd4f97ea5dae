"""What TransHand's training and judging refuse in one sentence: other hands, damaged labels, images that are not there."""

import copy
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from dataset.errors import InputError
from dataset.manifest import Manifest
from flows.cli import main
from hands.joints import Side
from hands.model import HandModel
from hands.random_streams import torch_stream
from models.transhand.upsampling import meshes_of
from tasks.transhand.evaluation.evaluate import Evaluation, evaluate
from tasks.transhand.training import learner as learning
from tasks.transhand.training.trainer import train
from tests.dataset.recorded_images.image_writers import save_hic_images
from tests.dataset.synthetic import make_sample, write_dataset
from tests.flows.refusals import sentence_of
from tests.tasks.learnt_images import SPLITS, dataset, tiny


@pytest.fixture(autouse=True)
def quick_upsampling(monkeypatch, hands):
    """Fitting U to thousands of hands is tested with the network."""
    few = meshes_of(hands, torch_stream(0, "surfaces"), 20)
    monkeypatch.setattr(learning, "meshes_of", lambda hands, draws: copy.deepcopy(few))


def other_hands(hands: dict) -> dict:
    """Of another shape."""
    return {
        side: HandModel(replace(hands[side].arrays, v_template=1.01 * hands[side].arrays.v_template)) for side in Side
    }


@pytest.fixture(scope="module")
def foreign(hands, tmp_path_factory) -> Path:
    """A dataset of other hands."""
    others = other_hands(hands)
    samples = [make_sample(number, others, 96, 72) for number in range(len(SPLITS))]
    for sample, split in zip(samples, SPLITS, strict=True):
        for row in sample.values():
            row["split"] = split
    return write_dataset(tmp_path_factory.mktemp("foreign") / "set", samples, 2, hands=others).folder


def test_a_dataset_of_other_hands_is_refused(foreign, tmp_path):
    sentence = (
        r"was made with another hand model; name its folder with --mano DIR, in a training with --set data\.mano=DIR"
    )
    with pytest.raises(InputError, match=sentence):
        train(tiny(), str(foreign), tmp_path / "one")
    with pytest.raises(InputError, match=sentence):
        train(tiny(f"data.validation={foreign}"), str(dataset()), tmp_path / "two")
    with pytest.raises(InputError, match=sentence):
        train(tiny(f"data.mix=[{{place: {foreign}}}]"), str(dataset()), tmp_path / "three")
    words = ["evaluate", "transhand", str(foreign), "--baseline", "mean-pose", "--out", str(tmp_path / "out")]
    assert "another hand model" in sentence_of(CliRunner().invoke(main, words))


@pytest.mark.parametrize(
    ("column", "numbers"), [("joints_3d", 60), ("hand_pose", 30), ("betas", 12), ("joint_state", 20), ("transl", 0)]
)
def test_labels_of_another_count_are_refused(column, numbers, tmp_path):
    """As people's own shards have them; in some rows or in all."""
    place = tmp_path / "set"
    shutil.copytree(dataset(), place)
    for name in Manifest.read(place).shards["images"]:
        file = place / "images" / f"{Path(name).stem}.parquet"
        table = pq.read_table(file)
        rows = table["right"].to_pylist()
        for row in rows:
            row[column] = [0] * numbers
        fields = [
            pa.field(f.name, pa.list_(f.type.value_type)) if f.name == column else f
            for f in table.schema.field("right").type
        ]
        number = table.schema.get_field_index("right")
        table = table.set_column(number, "right", pa.array(rows, pa.struct(fields)))
        pq.write_table(table, file)
    with pytest.raises(InputError, match=rf"right\.{column} must have \d+ numbers in each row; see `render-ih verify`"):
        evaluate(Evaluation(place, tmp_path / "out", baseline="mean-pose", split="test"))
    with pytest.raises(InputError, match=rf"right\.{column} must have"):
        train(tiny(), str(place), tmp_path / "trained")


def test_images_to_look_at_must_be_there_where_they_are_named(hands, tmp_path):
    samples = [make_sample(number, hands, 96, 72) for number in range(2)]
    for sample in samples:
        for row in sample.values():
            row["split"] = "train"
    bare = write_dataset(tmp_path / "bare", samples, 2).folder
    with pytest.raises(InputError, match=r"data\.validation: .*bare has no images of the split validation"):
        train(tiny(f"data.validation={bare}"), str(dataset()), tmp_path / "out")
    train(tiny(), str(bare), tmp_path / "unseen")
    assert '"val/' not in (tmp_path / "unseen" / "metrics.jsonl").read_text()
    save_hic_images(tmp_path / "hic", hands)
    train(tiny(f"data.validation=hic={tmp_path / 'hic'}"), str(dataset()), tmp_path / "seen")
    assert '"val/MPJPE_mm"' in (tmp_path / "seen" / "metrics.jsonl").read_text()
