"""Environment maps: what is listed is here and whole, and what is not is said in one sentence."""

from dataclasses import asdict

import pytest
import yaml

from dataset.environments import bundled_folder, check, choose_environments, read_environments
from dataset.errors import InputError


def test_every_map_of_the_bpy_package_is_listed_and_whole():
    listed = read_environments()
    assert {e.file for e in listed if e.origin == "bundled"} == {f.name for f in bundled_folder().glob("*.exr")}
    for environment in listed:
        check(environment)
        assert environment.path().stat().st_size == environment.bytes
        assert environment.licence == "CC0-1.0"


def test_all_present_ones_of_the_split_are_chosen():
    assert len(choose_environments((), "train")) >= 8
    assert [e.id for e in choose_environments(("night", "city"), "train")] == ["night", "city"]


def test_unknown_missing_and_damaged_maps_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"names 'moon'.*it has city"):
        choose_environments(("moon",), "train")
    with pytest.raises(InputError, match="no environment of split 'test'"):
        choose_environments((), "test")
    entry = asdict(read_environments()[0]) | {"id": "mine", "origin": "folder", "file": "mine.exr"}
    manifest = tmp_path / "hdri.yaml"
    manifest.write_text(yaml.safe_dump({"environments": [entry]}))
    with pytest.raises(InputError, match=r"mine\.exr.*missing"):
        choose_environments(("mine",), "train", tmp_path, manifest)
    (tmp_path / "mine.exr").write_bytes(b"not a picture")
    with pytest.raises(InputError, match="damaged"):
        choose_environments(("mine",), "train", tmp_path, manifest)


def test_a_manifest_with_a_missing_field_names_the_entry(tmp_path):
    manifest = tmp_path / "hdri.yaml"
    manifest.write_text(yaml.safe_dump({"environments": [{"id": "bare"}]}))
    with pytest.raises(InputError, match=r"entry 0 \(bare\).*sha256"):
        read_environments(manifest)
