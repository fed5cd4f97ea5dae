"""Studies as they are made, and the order in which raters see them."""

import io
import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from dashboard.rating.making import Plan, make_study
from dashboard.rating.order import turns
from dashboard.rating.results import results_of
from dashboard.rating.sets import Choice
from dashboard.rating.studies import Studies
from dataset.errors import InputError
from tests.dashboard.serving import desk_of
from tests.dataset.synthetic import write_dataset

BASE = Choice("bases", "run", "finished", poses="base")
AUGMENTED = Choice("copies", "run", "finished", poses="augmented")


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> Path:
    """Pictures of another format, shape and size, with something written into them."""
    folder = tmp_path_factory.mktemp("drawn") / "samples"
    folder.mkdir()
    for number, name in enumerate(("palms", "cross", "apart", "other")):
        picture = Image.new("RGB", (640, 640), (40 * number, 90, 120))
        exif = picture.getexif()
        exif[0x010E] = "made by a network"
        picture.save(folder / f"{name}.png", exif=exif)
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("no picture either")
    return folder


@pytest.fixture
def both(finished, samples, tmp_path):
    with desk_of(finished, samples, ratings=tmp_path / "ratings") as opened:
        yield opened


def test_a_study_holds_what_was_asked_for(both, shown_samples):
    study = make_study(both, Plan("one", "naturalness", (BASE, AUGMENTED), items=3))
    augmentations = {row["images"]["sample_id"]: row["images"]["provenance"]["augmentation"] for row in shown_samples}
    chosen = {picture.sample: picture.set for picture in study.pictures}
    assert Counter(chosen.values()) == {0: 3, 1: 3}
    assert all((augmentations[sample] > 0) == (number == 1) for sample, number in chosen.items())
    assert Studies(both.ratings).open("one").study == study


def test_all_pictures_are_files_of_one_kind_without_metadata(both):
    drawn = Choice("drawn", "pictures", "samples")
    study = make_study(both, Plan("mixed", "naturalness", (AUGMENTED, drawn), items=4))
    assert study.bars and (study.width, study.height) == (256, 192)
    files = [Studies(both.ratings).open("mixed").picture(picture.id) for picture in study.pictures]
    pictures = [Image.open(io.BytesIO(file)) for file in files]
    assert {(p.format, p.size, p.mode, str(p.quantization)) for p in pictures} == {
        ("JPEG", (256, 192), "RGB", str(pictures[0].quantization))
    }
    assert not any(p.getexif() or "icc_profile" in p.info or "comment" in p.info for p in pictures)
    assert "broken.png" not in {picture.sample for picture in study.pictures}


def test_pairs_can_share_their_base_pose(both):
    drawn = Choice("drawn", "pictures", "samples")
    study = make_study(both, Plan("paired", "preference", (AUGMENTED, drawn), items=3, is_paired=True))
    pairs = [[study.picture[name] for name in item.pictures] for item in study.items]
    assert len(pairs) == 3 and all(a.base_pose == b.base_pose and (a.set, b.set) == (0, 1) for a, b in pairs)


def test_every_two_sets_or_each_with_the_first(both):
    three = (BASE, AUGMENTED, Choice("all", "run", "finished"))
    every = make_study(both, Plan("every", "preference", three, items=2))
    first = make_study(both, Plan("first", "preference", three, items=2, is_against_first=True))
    assert Counter(map(every.sets_of, every.items)) == {(0, 1): 2, (0, 2): 2, (1, 2): 2}
    assert Counter(map(first.sets_of, first.items)) == {(0, 1): 2, (0, 2): 2}


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (Plan("../x", "naturalness", (BASE,)), "cannot be “../x”"),
        (Plan("", "naturalness", (BASE,)), "cannot be empty"),
        (Plan("new", "naturalness", (BASE,)), "choose another one"),
        (Plan("é" * 3, "naturalness", (BASE,)), "letters a to z"),
        (Plan("a" * 41, "naturalness", (BASE,)), "at most 40"),
        (Plan("x", "naturalness", ()), "0 are filled in"),
        (Plan("x", "preference", (BASE,)), "1 is filled in"),
        (Plan("x", "preference", (BASE, BASE)), "Two sets are called"),
        (Plan("x", "naturalness", (BASE,), items=4), "4 pictures are needed, 3 could be used"),
        (Plan("x", "naturalness", (Choice("a", "run", "../../etc"),)), "there is no run"),
        (Plan("x", "naturalness", (Choice("a", "pictures", "gone"),)), "there is no folder"),
        (Plan("x", "naturalness", (Choice("a", "run", "finished", base_pose="' OR 1=1 --"),), items=1), "none could"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_leaves_nothing(both, plan, why):
    with pytest.raises(InputError, match=why.replace("..", r"\.\.")):
        make_study(both, plan)
    assert not both.ratings.exists() or not list(both.ratings.iterdir())


def test_a_name_is_used_once(both):
    make_study(both, Plan("twice", "naturalness", (BASE,), items=1))
    with pytest.raises(InputError, match="already"):
        make_study(both, Plan("twice", "naturalness", (BASE,), items=1))


def test_a_dataset_without_pictures_makes_no_study(shown_samples, tmp_path):
    empty = [
        sample | {"images": sample["images"] | {"image": {"bytes": b"", "path": "x.jpg"}}} for sample in shown_samples
    ]
    write_dataset(tmp_path / "empty", empty)
    with (
        desk_of(tmp_path / "empty", ratings=tmp_path / "ratings") as desk,
        pytest.raises(InputError, match="none could be used"),
    ):
        make_study(desk, Plan("x", "naturalness", (Choice("a", "run", "empty"),), items=1))


def test_a_study_outlives_its_dataset_and_goes_round_lost_pictures(shown_samples, tmp_path):
    write_dataset(tmp_path / "moved", shown_samples)
    with desk_of(tmp_path / "moved", ratings=tmp_path / "ratings") as desk:
        study = make_study(desk, Plan("kept", "naturalness", (Choice("a", "run", "moved"),), items=5))
    for shard in (tmp_path / "moved" / "images").iterdir():
        shard.unlink()
    opened = Studies(tmp_path / "ratings").open("kept")
    assert opened.missing() == 0 and len(opened.turns("anna")) == 5
    (opened.folder / "pictures" / f"{study.pictures[0].id}.jpg").unlink()
    assert opened.missing() == 1
    assert study.pictures[0].id not in [name for turn in opened.turns("anna") for name in turn.pictures]


def test_the_order_is_the_raters_own_and_stays(both):
    study = make_study(both, Plan("order", "naturalness", (BASE, AUGMENTED), items=3))
    orders = {rater: [turn.item.id for turn in turns(study, rater)] for rater in ("anna", "bob", "cleo", "dan")}
    assert [turn.item.id for turn in turns(study, "anna")] == orders["anna"]
    assert len({tuple(order) for order in orders.values()}) > 1
    for order in orders.values():
        sets = [study.sets_of(study.item[item])[0] for item in order]
        assert all(sorted(sets[n : n + 2]) == [0, 1] for n in range(0, 6, 2))


def test_each_set_is_on_the_left_half_of_the_time(both):
    drawn = Choice("drawn", "pictures", "samples")
    study = make_study(both, Plan("sides", "preference", (AUGMENTED, drawn), items=4))
    sides = [tuple(study.picture[turn.pictures[0]].set for turn in turns(study, f"rater{n}")) for n in range(20)]
    assert all(sum(side) == 2 for side in sides) and len(set(sides)) > 3


def test_repeated_questions_come_apart_and_look_new(both):
    study = make_study(both, Plan("again", "naturalness", (AUGMENTED, BASE), items=3, repeated=0.2))
    (again,) = [item for item in study.items if item.repeats]
    samples = [study.picture[study.item[name].pictures[0]] for name in (again.id, again.repeats)]
    assert samples[0].sample == samples[1].sample and samples[0].id != samples[1].id
    for rater in ("anna", "bob", "cleo"):
        place = {turn.item.id: number for number, turn in enumerate(turns(study, rater))}
        assert abs(place[again.id] - place[again.repeats]) > 1


def test_broken_files_are_sentences(both):
    make_study(both, Plan("broken", "naturalness", (BASE,), items=2))
    path = both.ratings / "broken" / "study.json"
    content = json.loads(path.read_text())
    for change, why in (
        ({"pictures": [content["pictures"][0] | {"id": "../../../secret"}]}, "pictures.0.id"),
        ({"items": [content["items"][0] | {"pictures": ["0" * 16]}]}, "has not the pictures"),
        ({"name": "other"}, "calls itself"),
    ):
        path.write_text(json.dumps(content | change))
        with pytest.raises(InputError, match=why):
            Studies(both.ratings).open("broken")
    path.write_text("{")
    with pytest.raises(InputError, match=r"study\.json"):
        Studies(both.ratings).open("broken")


def test_answers_are_kept_and_the_newest_counts(both):
    study = make_study(both, Plan("kept", "preference", (BASE, AUGMENTED), items=3))
    answers = Studies(both.ratings).open("kept").answers
    turn = turns(study, "anna")[0]
    for said in ("left", "both_bad", "right"):
        answers.add("anna", turn, 1, said, 2.5)
    rows = answers.of("anna")
    shown = [study.sets[study.picture[name].set].name for name in turn.pictures]
    assert [row["answer"] for row in rows] == ["left", "both_bad", "right"]
    assert [row["preferred_set"] for row in rows] == [shown[0], None, shown[1]]
    assert (rows[0]["left_set"], rows[0]["right_set"]) == tuple(shown) and rows[0]["time"].utcoffset().seconds == 0
    found = results_of(study, {"anna": rows})
    assert found.answers == 1 and found.raters[0].corrected == 2 and found.left.value == 0
    schema = pq.read_schema(both.ratings / "kept" / "answers" / "anna.parquet")
    assert all(field.metadata[b"description"] for field in schema)


def test_results_count_what_was_said(both):
    study = make_study(both, Plan("counted", "preference", (BASE, AUGMENTED), items=3))
    answers = Studies(both.ratings).open("counted").answers
    raters = [f"rater{n}" for n in range(6)]
    for rater in raters:
        for number, turn in enumerate(turns(study, rater)):
            is_base_left = study.picture[turn.pictures[0]].set == 0
            said = ("left" if is_base_left else "right") if number < 2 else "both_good"
            answers.add(rater, turn, number + 1, said, None)
    (pair,) = results_of(study, {rater: answers.of(rater) for rater in raters}).pairs
    assert {kind: share.part for kind, share in pair.shares.items()} == {
        "first": 12, "both_good": 6, "both_bad": 0, "second": 0,
    }  # fmt: skip
    assert pair.decided.value == 1 and pair.decided.whole == 12 and pair.raters == 6
    assert pair.shares["first"].over_raters == pytest.approx((2 / 3, 2 / 3))


def test_self_agreement_and_rates_are_counted_apart(both):
    study = make_study(both, Plan("twice", "naturalness", (AUGMENTED,), items=5, repeated=0.4))
    answers = Studies(both.ratings).open("twice").answers
    again = [item for item in study.items if item.repeats]
    for number, turn in enumerate(turns(study, "anna")):
        is_second = turn.item.id == again[0].id
        answers.add("anna", turn, number + 1, "not_natural" if is_second else "natural", 1.0)
    found = results_of(study, {"anna": answers.of("anna")})
    assert (found.itself.part, found.itself.whole) == (1, 2)
    assert (found.sets[0].natural.part, found.sets[0].natural.whole) == (5, 5)
    assert found.sets[0].natural.over_raters is None
