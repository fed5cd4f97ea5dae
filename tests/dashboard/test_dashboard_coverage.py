"""What a dataset covers and lacks, against counts of another kind and on datasets that were made to lack something."""

import copy
import json
import math

import numpy as np
import pytest

from dashboard.diversity.charts import directions, splits, usage
from dashboard.diversity.coverage import BANDS, SECTORS, coverage, effective_number, environment_splits
from dashboard.diversity.holes import DIRECTIONS, ENOUGH, LOWEST_TRACK, holes, narrow_angles, too_few
from dataset.assets.environments import read_environments
from dataset.manifest import Manifest
from dataset.schema import TABLES
from dataset.shards import write_shard
from hands.camera import look_at
from rendering.views.cameras import TRACKS
from tests.dashboard.serving import desk_of
from tests.dataset.synthetic import CONFIG

DISTANCE = 0.5


def directions_of(count: int, seed: int = 3) -> np.ndarray:
    """Evenly random unit vectors."""
    drawn = np.random.default_rng(seed).standard_normal((count, 3))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.fixture
def written(shown_samples, tmp_path):
    """Writes a dataset of so many rows: rows are copies of one sample, changed by a function of the number."""

    def write(count, change=lambda number, image: None, planned=0, inputs=None, finished=True, config=None, refused=()):
        folder = tmp_path / "made"
        manifest = Manifest.open(folder, CONFIG | {"inputs": inputs or {}} | (config or {}))
        tables = {"images": [], "plan": []}
        for number in range(count + planned):
            image, plan = (copy.deepcopy(shown_samples[0][table]) for table in ("images", "plan"))
            image["sample_id"] = plan["sample_id"] = f"s{number:05d}"
            change(number, image)
            plan |= {name: image["render"][name] for name in ("hdri", "skin_right", "skin_left")}
            plan["split"] = image["split"]
            tables["plan"].append(plan)
            tables["images"] += [image] if number < count else []
        tables["poses"] = [sample["poses"] for sample in shown_samples]
        tables["rejected"] = list(refused)
        for table, rows in tables.items():
            name = "plan" if table == "rejected" else "00000"
            manifest.add(table, write_shard(manifest.path(table, name), rows, TABLES[table]))
        if finished:
            manifest.finish({"train": {"images": count}})
        return folder

    return write


def found_in(folder):
    """The coverage and the configuration."""
    with desk_of(folder) as desk:
        run = desk.run(folder.name)
        return coverage(desk.index(run), run.state), run.state.config


def stand(image, direction, viewpoint="track"):
    """Put the camera of a row there, looking at the origin."""
    camera = look_at(DISTANCE * direction, np.zeros(3), np.array([0.1, 0.2, 1.0]), 0.3, 0.6, 256, 192)
    image["camera"] = image["camera"] | {"R": camera.R.ravel(), "t": camera.t}
    image["viewpoint"] = viewpoint


def sentences(folder):
    """All holes by level."""
    found, config = found_in(folder)
    return [(hole.level, hole.sentence) for hole in holes(found, config)]


def test_directions_are_counted_as_numpy_counts_them(written):
    where = directions_of(300)
    folder = written(300, lambda n, image: stand(image, where[n], "egocentric" if n % 5 == 0 else "track"))
    found, _ = found_in(folder)
    azimuth = np.degrees(np.arctan2(where[:, 0], -where[:, 1]))  # 0 is the person's side, 90 the person's right
    edges = np.linspace(-195, 165, SECTORS + 1)
    wrapped = np.where(azimuth >= 165, azimuth - 360, azimuth)
    expected, *_ = np.histogram2d(where[:, 2], wrapped, bins=(np.linspace(-1, 1, BANDS + 1), edges))
    assert np.array_equal(found.cameras, expected.astype(int)) and found.cameras.sum() == 300
    own = np.arange(300) % 5 == 0
    assert found.egocentric.sum() == own.sum() == 60
    shares = expected.ravel()[expected.ravel() > 0] / 300
    assert found.directions == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    assert found.numbers["distance"].mean == pytest.approx(DISTANCE, rel=1e-4)
    assert found.viewpoints == {"track": 240, "egocentric": 60}


def test_sides_are_named_from_the_person(written):
    sides = {0: (0, 1, 0), 3: (-1, 0, 0), 6: (0, -1, 0), 9: (1, 0, 0)}  # y points away from the person, x to the right
    vectors = [np.array([x, y, 0.1]) for x, y, _ in sides.values()]
    found, _ = found_in(written(4, lambda n, image: stand(image, vectors[n] / np.linalg.norm(vectors[n]))))
    assert np.flatnonzero(found.cameras.sum(0)).tolist() == list(sides)
    assert np.flatnonzero(found.cameras.sum(1)).tolist() == [BANDS // 2]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([5, 5, 5, 5], 4), ([7], 1), ([], 0), ([0, 0], 0), ([3, 3, 0], 2), ([9, 1], math.exp(0.325083))],
)
def test_effective_numbers_of_known_distributions(counts, expected):
    assert effective_number(counts) == pytest.approx(expected, rel=1e-5)


def test_a_hemisphere_without_cameras_is_told(written):
    upper = directions_of(200) * [1, 1, 0] + np.abs(directions_of(200) * [0, 0, 1]) + [0, 0, 0.01]
    upper /= np.linalg.norm(upper, axis=1, keepdims=True)
    told = sentences(written(200, lambda n, image: stand(image, upper[n])))
    assert ("late", "No camera looks from below 0° elevation (48 of 96 directions, 50 % of the sphere).") in told


def test_an_empty_side_is_told_by_its_name(written):
    where = directions_of(400)
    where[:, 1] = -np.abs(where[:, 1])  # all from the person's half
    told = [text for level, text in sentences(written(400, lambda n, i: stand(i, where[n]))) if level == "late"]
    assert any("from the far side: 150° of azimuth are empty (40 of 96 directions)" in text for text in told), told


def test_directions_of_few_images_are_not_judged(written):
    folder = written(7, lambda n, image: stand(image, np.array([0, 0, 1.0])))
    found, config = found_in(folder)
    assert not [hole for hole in holes(found, config) if hole.level == "late"]
    assert f"from {ENOUGH * DIRECTIONS} on" in too_few(found)


def test_what_no_track_reaches_is_no_fault(written):
    assert min(TRACKS) == LOWEST_TRACK
    where = directions_of(900)
    where = where[where[:, 2] > -0.4999][:300]  # sin 30°
    config = {"camera": {"track_jitter": 10.0}}
    found, config = found_in(written(300, lambda n, i: stand(i, where[n]), config=config))
    below = next(hole for hole in holes(found, config) if "below −30°" in hole.sentence)
    assert below.level == "note" and "lowest track" in below.remedy
    assert next(hole for hole in holes(found, {}) if "below −30°" in hole.sentence).level == "late"


def test_egocentric_datasets_are_not_asked_for_other_sides(written):
    found, config = found_in(written(60, lambda n, i: stand(i, np.array([0, -0.8, 0.6]), "egocentric")))
    told = holes(found, config)
    assert not any("No camera" in hole.sentence for hole in told)
    assert any("person's own eyes" in hole.sentence for hole in told)


def dress(number, image, names, split="train"):
    """Give a row a skin, for both hands."""
    name = names[number % len(names)]
    image["render"] = image["render"] | {"skin_right": name, "skin_left": name, "hdri": "studio"}
    image["split"] = split


def test_an_unused_skin_is_told_where_its_split_has_images(written):
    used = ["olive_man", "yellow_man", "black_man"]
    held_out = "tan"  # of test, which has no image here
    inputs = {"skins": dict.fromkeys([*used, "bronze_man", held_out], "0"), "environments": {"studio": "0"}}
    folder = written(60, lambda n, image: dress(n, image, used), inputs=inputs)
    found, _ = found_in(folder)
    assert {use.name: use.found for use in found.skins.uses} == dict.fromkeys(used, 20) | {"bronze_man": 0}
    assert found.skins.effective == pytest.approx(3) and found.skins.used == 3
    assert {use.expected for use in found.skins.uses} == {15.0}
    assert ("late", "1 of 4 skins is in no image: bronze_man.") in sentences(folder)


def test_two_skins_in_an_image_count_each(written):
    def change(number, image):
        image["render"] = image["render"] | {"skin_right": "a", "skin_left": "a" if number % 2 else "b"}

    found, _ = found_in(written(10, change))
    assert {use.name: use.found for use in found.skins.uses} == {"a": 10, "b": 5}


def test_what_is_rare_is_told(written):
    names = ["olive_man"] * 10 + ["yellow_man"] * 10 + ["black_man"]
    told = sentences(written(63, lambda n, image: dress(n, image, names)))
    assert ("late", "1 of 3 skins have less than a third of an even share: black_man (3).") in told


def test_planned_images_are_to_come_until_the_dataset_is_finished(written):
    names = ["olive_man"] * 4 + ["yellow_man"] * 4
    inputs = {"skins": dict.fromkeys(["olive_man", "yellow_man"], "0")}
    folder = written(4, lambda n, image: dress(n, image, names), planned=4, inputs=inputs, finished=False)
    found, config = found_in(folder)
    assert (found.images, found.to_come, found.is_final) == (4, 4, True)
    assert [(use.name, use.found, use.to_come, use.expected) for use in found.skins.uses] == [
        ("olive_man", 4, 0, 4.0),
        ("yellow_man", 0, 4, 4.0),
    ]
    assert any("only in images that are still to come: yellow_man" in hole.sentence for hole in holes(found, config))
    assert "0 + 4" in usage(found.skins, "image", "", "") and "4 + 4" in splits(found)
    manifest = Manifest.read(folder)
    manifest.finish({"train": {"images": 4}}, stopped="the budget is spent")
    found, _ = found_in(folder)
    assert found.to_come == 0 and [use.to_come for use in found.skins.uses] == [0, 0]


def test_a_plan_that_is_not_whole_says_nothing_of_what_never_comes(written):
    inputs = {"skins": dict.fromkeys(["olive_man", "bronze_man"], "0")}
    folder = written(60, lambda n, image: dress(n, image, ["olive_man"]), inputs=inputs, finished=False)
    content = json.loads((folder / "manifest.json").read_text())
    content["tables"]["rejected"] = {"rows": 0, "shards": []}
    (folder / "manifest.json").write_text(json.dumps(content))
    found, config = found_in(folder)
    assert not found.is_final
    hole = next(hole for hole in holes(found, config) if "skins" in hole.sentence)
    assert hole.level == "note" and "not every image is planned" in hole.remedy.lower()


def test_a_split_in_one_surrounding_comes_first(written):
    def change(number, image):
        dress(number, image, ["olive_man"], "test" if number < 12 else "train")
        image["render"]["hdri"] = "city" if number < 12 else ("studio", "night")[number % 2]

    assert sentences(written(40, change))[0] == (
        "late",
        "All 12 images of test are lit by one environment, city: they tell nothing of other surroundings.",
    )


def test_base_poses_that_were_refused_altogether_are_named(written):
    row = {"pose_id": "lost-a000", "source": "gestures", "base_pose": "lost", "augmentation": 0, "sample_id": ""}
    rows = [row | {"stage": "validate", "reason": "penetration", "value": 4.0, "limit": 2.0}]
    folder = written(12, refused=rows)
    found, config = found_in(folder)
    assert found.bases.effective == pytest.approx(3) and found.bases.used == 3
    assert any(hole.sentence == "1 of 4 base poses have no accepted pose: lost." for hole in holes(found, config))


def test_light_that_never_comes_from_a_side_is_told(written):
    def change(number, image):
        image["render"] = image["render"] | {"hdri_rotation": math.radians(number % 270 + 0.5)}

    folder = written(270, change)
    assert found_in(folder)[0].turns.tolist() == [30] * 9 + [0] * 3
    assert ("late", "The light never comes turned by 270° to 360°.") in sentences(folder)


def test_angles_that_hardly_move_are_told_the_least_moved_first():
    narrow = narrow_angles([0, -5, 0], [80, 0, 30], ["a", "b", "c"], [(0, 90), (-20, 20), (0, 90)])
    assert [angle.name for angle in narrow] == ["b", "c"]


def test_environments_are_those_of_the_list():
    assert environment_splits() == {environment.id: environment.split for environment in read_environments()}


def test_drawings_escape_names_and_mark_holes(written):
    def change(number, image):
        stand(image, np.array([0.6, 0, 0.8]))
        image["render"] = image["render"] | {"hdri": '<script>"&'}

    found, _ = found_in(written(3, change))
    drawn = directions(found.cameras, found.egocentric)
    assert drawn.count('class="hole"') == DIRECTIONS - 1 and "3 images" in drawn
    bars = usage(found.environments, "image", "", "/runs/x/gallery?environment=")
    assert "<script" not in bars and "&lt;script&gt;" in bars and "environment=%3Cscript%3E%22%26" in bars
