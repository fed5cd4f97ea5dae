"""Splits: an asset has one wherever it is used, and what two splits share is found."""

from collections import Counter

import yaml

from dataset.assets.environments import read_environments
from dataset.assets.gestures import load_gestures
from dataset.splits import SPLITS, leaks, split_contents, split_of
from rendering.skin.skins import load_skins
from tasks.config import DEMO


def test_names_alone_decide_and_a_tenth_is_held_out_twice():
    shares = Counter(split_of("person", f"subject-{number}") for number in range(5000))
    assert 400 < shares["test"] < 600 and 400 < shares["validation"] < 600 and set(shares) == set(SPLITS)
    assert [split_of("skin", f"s{n}") for n in range(50)] != [split_of("person", f"s{n}") for n in range(50)]
    assert split_of("person", "subject-7") == split_of("person", "subject-7")


def test_built_in_assets_serve_every_split():
    gestures = {gesture.name: gesture.split for gesture in load_gestures()}
    demo = Counter(gestures[name] for name in yaml.safe_load(DEMO.read_text())["source"]["names"])
    assert demo == {"train": 20, "validation": 3, "test": 3}
    assert Counter(gestures.values()) == {"train": 39, "validation": 5, "test": 5}
    skins = load_skins().values()
    assert Counter(skin.split for skin in skins) == {"train": 27, "validation": 4, "test": 4}
    for split in SPLITS:
        tones = [skin.melanin for skin in skins if skin.split == split]
        assert min(tones) < 0.1 and max(tones) > 0.5
    bundled = Counter(e.split for e in read_environments() if e.origin == "bundled")
    assert bundled == {"train": 6, "validation": 1, "test": 1}


def test_a_gesture_file_may_name_its_split_or_leave_it_to_its_name(tmp_path):
    text = yaml.safe_dump(
        yaml.safe_load((DEMO.parents[1] / "blender_assets/gestures/clasp.yaml").read_text()) | {"split": "test"}
    )
    (tmp_path / "mine.yaml").write_text(text)
    (tmp_path / "other.yaml").write_text(text.replace("split: test\n", ""))
    mine, other = load_gestures(tmp_path)
    assert mine.split == "test" and other.split == split_of("base_pose", "other")


def test_leaks_are_named_with_their_splits():
    contents = {
        "train": {"base_poses": ["gestures/clap"], "skins": ["tan", "olive"], "environments": ["city"]},
        "test": {"base_poses": ["gestures/clasp"], "skins": ["tan"], "environments": ["city"]},
    }
    assert list(leaks(contents)) == ["skin 'tan' is in test and train", "environment 'city' is in test and train"]
    assert list(leaks({"train": contents["train"]})) == []


def test_contents_count_what_the_rows_hold(dataset_dir, image_rows):
    (content,) = split_contents(sorted((dataset_dir / "images").glob("*.parquet"))).values()
    assert (content["images"], content["poses"], content["shapes"]) == (5, 5, 5)
    assert content["environments"] == sorted({row["render"]["hdri"] for row in image_rows})
    assert content["skins"] == sorted({row["render"]["skin_right"] for row in image_rows})
    assert content["base_poses"] == ["gestures/apart", "gestures/cross", "gestures/palms"]
    assert split_contents([]) == {}
