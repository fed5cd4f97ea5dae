"""What a training job refuses before it starts a process, and which of a recording's files it learns from."""

from dataclasses import replace

import pytest

from dataset.errors import InputError
from tasks.ihdiff.training.job_config import IHDiffJobConfig
from tasks.ihdiff.training.job_data import check_poses
from tasks.training_job.trainer import IHDIFF, VAE, Trainer


def job(tmp_path, *overrides: str) -> IHDiffJobConfig:
    (tmp_path / "poses.parquet").write_bytes(b"poses")
    return IHDiffJobConfig(dataset=f"parquet={tmp_path}", out=tmp_path / "out", config="smoke", overrides=overrides)


@pytest.mark.parametrize("trainer", [IHDIFF, VAE])
def test_wrong_settings_are_refused_before_anything_is_written(tmp_path, trainer):
    for wrong, sentence in (
        ("optimiser.bach=3", "unknown key"),
        ("network.width=-4", "network"),
        ("data.most=x", "most"),
    ):
        with pytest.raises(InputError, match=sentence):
            check_poses(trainer, job(tmp_path, wrong))
    assert not (tmp_path / "out").exists()


def test_a_package_that_is_not_installed_is_told_before_a_process_starts():
    with pytest.raises(InputError, match=r"training IHDiff needs no_such_package, not installed here; pip install"):
        replace(IHDIFF, needs=("torch", "no_such_package")).check()
    IHDIFF.check()


def test_another_trainer_has_keys_of_its_own(tmp_path):
    found = check_poses(Trainer("other", "other.module", "poses"), job(tmp_path, "waits=3"))
    assert len(found.runs) == 1 and found.url == f"parquet={tmp_path}"


def test_the_subset_of_a_recipe_counts_like_that_of_an_override(tmp_path):
    annotations = tmp_path / "capture"
    annotations.mkdir()
    for subset in ("train", "val"):
        (annotations / f"InterHand2.6M_{subset}_MANO_NeuralAnnot.json").write_text(f'{{"{subset}": {{}}}}')
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("data: {subset: val}")
    given = {"dataset": f"interhand26m={annotations}", "out": tmp_path / "out"}
    of_recipe = check_poses(IHDIFF, IHDiffJobConfig(**given, config=recipe))
    of_override = check_poses(IHDIFF, IHDiffJobConfig(**given, overrides=("data.subset=val",)))
    of_train = check_poses(IHDIFF, IHDiffJobConfig(**given))
    assert of_recipe.runs == of_override.runs != of_train.runs
