"""What is found in the folders that a dashboard is given."""

import json

import pytest

from dashboard.catalogue import Catalogue, public


def found(*places) -> Catalogue:
    catalogue = Catalogue(places)
    catalogue.look()
    return catalogue


def training(folder, name: str = "metrics.jsonl"):
    folder.mkdir(parents=True)
    (folder / name).write_text("{}\n")
    return folder


def test_datasets_and_trainings_are_found_below_a_folder(tmp_path):
    training(tmp_path / "data" / "one", "manifest.json")
    training(tmp_path / "jobs" / "a")
    training(tmp_path / "jobs" / "b", "job.json")
    natural = training(tmp_path / "jobs" / "c", "metrics.json")
    (natural / "naturalness.safetensors").touch()
    training(tmp_path / "other", "metrics.json")
    catalogue = found(tmp_path)
    assert list(catalogue.runs) == ["one"] and list(catalogue.trainings) == ["a", "b", "c"]
    assert not catalogue.troubles


def test_a_training_that_appears_later_is_found_and_keeps_its_name(tmp_path):
    training(tmp_path / "b" / "job")
    catalogue = found(tmp_path)
    first = catalogue.trainings["job"]
    training(tmp_path / "a" / "job")
    catalogue.look()
    assert list(catalogue.trainings) == ["job", "job-2"] and catalogue.trainings["job"] is first
    assert catalogue.trainings["job-2"].path == tmp_path / "a" / "job"


def test_versions_of_trainings_tell_what_has_changed(tmp_path):
    folder = training(tmp_path / "one")
    training(tmp_path / "two")
    catalogue = found(tmp_path)
    catalogue.look_at_trainings()
    before = catalogue.training_versions
    catalogue.look_at_trainings()
    assert catalogue.training_versions == before
    (folder / "metrics.jsonl").write_text(json.dumps({"step": 1, "loss": 2.0}) + "\n")
    catalogue.look_at_trainings()
    after = catalogue.training_versions
    assert after["one"] > before["one"] and after["two"] == before["two"]


def test_one_training_that_cannot_be_looked_at_leaves_the_others(tmp_path, monkeypatch):
    training(tmp_path / "one")
    training(tmp_path / "two")
    catalogue = found(tmp_path)
    monkeypatch.setattr(catalogue.trainings["one"], "_metrics", None)
    (tmp_path / "two" / "metrics.jsonl").write_text('{"step": 4}\n')
    catalogue.look_at_trainings()
    assert catalogue.trainings["one"].state.trouble and catalogue.trainings["two"].state.step == 4


def test_a_folder_without_anything_is_a_sentence(tmp_path):
    (tmp_path / "empty").mkdir()
    catalogue = found(tmp_path / "empty", tmp_path / "none")
    assert "holds no dataset, no training" in catalogue.troubles[str(tmp_path / "empty")]
    assert "there is no such folder" in catalogue.troubles[str(tmp_path / "none")]


def test_pictures_of_a_training_are_no_folder_of_pictures(tmp_path):
    at = training(tmp_path / "one") / "pictures" / "10"
    at.mkdir(parents=True)
    (at / "a.png").touch()
    catalogue = found(tmp_path)
    assert list(catalogue.trainings) == ["one"] and not catalogue.pictures


@pytest.mark.parametrize("odd", ["späte hand", "a b", "..", "x?y#z", "<b>"])
def test_names_fit_into_an_address(tmp_path, odd):
    folder = training(tmp_path / "deep" / (odd if odd != ".." else "dots"))
    (name,) = found(folder).trainings
    assert name.replace("-", "").replace("_", "").replace(".", "").isalnum() and name.isascii()


def test_no_credentials_are_shown():
    assert public("s3://key:secret@hands/one?x=1#y") == "s3://hands/one" and public("/data/one") == "/data/one"
