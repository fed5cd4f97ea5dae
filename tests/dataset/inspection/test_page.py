"""The page says what was counted, whole and by itself, whatever is missing."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from dataset.errors import InputError
from dataset.inspection.charts import bars, histogram, stacked, values_of
from dataset.inspection.page import write_report
from dataset.inspection.plots import angle_bands, hemispheres, scatter
from dataset.inspection.postures import ANGLES, AngleRanges
from dataset.inspection.sampling import Distribution
from dataset.inspection.sections import pose_map, spread
from dataset.inspection.statistics import inspect
from dataset.inspection.table1 import COLUMNS, PAPER, table1
from dataset.inspection.wording import measured, share, short, size
from tests.dataset.inspection.conftest import copied

KINDS = (("one", "c1"), ("two", "c2"))


@pytest.fixture(scope="module")
def found(dataset_dir):
    return inspect(dataset_dir)


def drawing(text):
    return ElementTree.fromstring(re.search(r"<svg.*</svg>", text, re.DOTALL)[0])


def circles(text, css):
    return [c for c in drawing(text).iter("circle") if css in c.get("class").split()]


def text_of(content):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", content))


def test_the_page_is_whole_and_self_contained(dataset_dir, found, tmp_path):
    text = write_report(dataset_dir, found, tmp_path / "inspect.html").read_text()
    assert found.name in text
    for word in (
        "palms",
        "forest",
        "skin-1",
        "joint_limit",
        "index tip",
        "Samples",
        "data:image/jpeg",
        "A million such",
    ):
        assert word in text
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)|https?://|<script""", text)
    targets = re.findall(r'href="#([^"]+)"', text)
    assert len(targets) == 7
    assert all(f'id="{target}"' in text for target in targets)
    for chart in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(chart)


def test_table_1_is_computed(found):
    entries = dict(zip(COLUMNS, table1(found), strict=True))
    assert len(PAPER) == len(COLUMNS)
    assert (entries["MT"].text, entries["MT"].because) == ("✓", "4 skins")
    assert (entries["AP"].text, entries["AP"].because) == ("✓", "deepest 0.4 mm")
    assert (entries["Data size"].text, entries["IH size"].text) == ("5", "5")
    assert entries["illumination"].text == "dynamic"


def test_table_1_says_what_a_dataset_lacks(written, samples):
    one = copied(samples[0], 1)
    one["poses"]["max_penetration_mm"] = 2.5
    one["images"]["interaction"]["min_distance_mm"] = 40.0
    entries = dict(zip(COLUMNS, table1(inspect(written([one]))), strict=True))
    assert [entries[name].text for name in ("MT", "AP", "illumination", "IH size")] == ["✗", "✗", "uniform", "0"]


def test_an_empty_dataset_has_a_page(written, tmp_path):
    folder = written([])
    text = write_report(folder, inspect(folder)).read_text()
    assert "0 images of 0 poses" in text
    assert "There are no pictures." in text
    assert "nan" not in text_of(text)


def test_pictures_that_were_left_out_or_spoilt(written, samples):
    def page_of(number, cell):
        sample = copied(samples[0], number)
        sample["images"]["image"] = cell
        folder = written([sample])
        return write_report(folder, inspect(folder)).read_text()

    assert "There are no pictures." in page_of(1, {"bytes": b"", "path": ""})
    with pytest.raises(InputError, match="c002-0: one of its pictures cannot be decoded; `render-ih verify`"):
        page_of(2, {"bytes": b"no picture", "path": ""})


def test_without_the_hands_the_page_says_what_to_do(dataset_dir, found, tmp_path):
    blind = replace(found, postures=None)
    text = write_report(dataset_dir, blind, tmp_path / "inspect.html").read_text()
    assert text.count("name its folder with --mano DIR") == 3


def test_names_are_escaped(dataset_dir, found, tmp_path):
    names = found.counts.names | {"skins": replace(found.counts.names["skins"], top={"<i>&": 3})}
    named = replace(found, name="<b>", counts=replace(found.counts, names=names))
    text = write_report(dataset_dir, named, tmp_path / "inspect.html").read_text()
    assert "&lt;i&gt;&amp;" in text
    assert "<i>&" not in text
    assert "<b></td>" not in text


def test_doubles_and_shared_assets_stand_out(dataset_dir, found, tmp_path):
    assert 'class="wrong"' not in write_report(dataset_dir, found, tmp_path / "a.html").read_text()
    shared = found.counts.shared | {"skins": 2}
    wrong = replace(found, counts=replace(found.counts, double_poses=3, shared=shared))
    text = write_report(dataset_dir, wrong, tmp_path / "b.html").read_text()
    assert re.findall(r'class="wrong">(\d+)<', text) == ["2", "3"]


def test_raw_and_augmented_poses_have_their_own_colours(written, samples):
    rows = [copied(samples[n % 5], n, augmentation=n % 3) for n in range(12)]
    facts = inspect(written(rows))
    drawn, note = pose_map(facts.poses, facts.postures)
    assert (len(circles(drawn, "c2")), len(circles(drawn, "c1"))) == (4, 8)
    assert "as they were read (4)" in drawn
    assert "All 12 poses, at most 1,000 of each kind" in note


@pytest.mark.parametrize(("splits", "by"), [(("train", "test"), "split"), (("train", "train"), "base pose")])
def test_poses_that_are_all_raw_are_coloured_by_split_or_base_pose(written, samples, splits, by):
    rows = [copied(samples[n % 2], n, split=splits[n % 2], augmentation=0) for n in range(12)]
    facts = inspect(written(rows))
    drawn, note = pose_map(facts.poses, facts.postures)
    assert f"none augmented; coloured by {by}" in note
    assert (len(circles(drawn, "c1")), len(circles(drawn, "c2"))) == (6, 6)


def test_few_poses_are_told(found):
    assert "Fewer than 10 poses" in pose_map(found.poses, found.postures)[0]


def test_a_thinned_distribution_says_so():
    whole = values_of(np.array([0.0, 0.0, 3.0, 5.0]))
    assert "sample" not in spread("Size", whole, "mm", "of hands")
    assert "50 % are 0" in spread("Size", whole, "mm", "of hands")
    thinned = Distribution(1_000_000, 0, 9, 2, np.arange(4.0))
    assert "mean 2 mm; 25 % are 0; drawn from a sample of 4 of 1,000,000" in spread("Size", thinned, "mm", "of hands")


def test_bars_show_the_largest_and_sum_up_the_rest():
    drawn = bars({f"name{n}": n + 1 for n in range(20)}, most=5)
    assert "name19" in drawn
    assert "16 others" in drawn
    assert f">{sum(range(1, 17))} together<" in drawn
    assert "&lt;x&gt;" in bars({"<x>": 1})
    assert "none" in bars({})
    beyond = bars({f"name{n}": 9 for n in range(12)}, rest=(288, 500))
    assert "289 others" in beyond
    assert ">509 together<" in beyond


def test_histograms_count_the_sample_between_the_true_ends():
    assert "none" in histogram(values_of(np.zeros(0)), "mm")
    drawn = histogram(Distribution(5, 0, 24, 4, np.array([1.0, 2.0, 9.5])), "mm")
    assert "median 2 mm" in drawn
    assert ">24 mm<" in drawn
    counts = [int(title.text.rsplit(" ", 1)[1]) for title in drawing(drawn).iter("title")]
    assert [i for i, count in enumerate(counts) if count] == [1, 2, 9]


def test_histogram_of_equal_numbers_is_one_column():
    drawn = drawing(histogram(values_of(np.full(7, 0.25)), "m"))
    assert sorted(float(r.get("height")) for r in drawn.iter("rect"))[-2:] == [0, 102]


def test_stacked_bars_fill_their_width():
    drawn = drawing(stacked({"wrist": (0.25, 0.75)}, KINDS))
    assert [float(r.get("width")) for r in drawn.iter("rect")] == [137.5, 412.5]


def test_cameras_lie_in_the_hemisphere_that_they_see():
    """Own side in front, own right on the right; seen from the far side it is the other way round."""
    directions = np.array([[0.6, -0.8, 0.0], [0.6, 0.8, 0.0], [0.0, -0.6, 0.8]])
    drawn = hemispheres(directions, np.array([False, False, True]), KINDS)
    (front, back), (own,) = (
        sorted((float(c.get("cx")), float(c.get("cy"))) for c in circles(drawn, css)) for css in ("c1", "c2")
    )
    assert front == (250, 158)
    assert back == (390, 158)
    assert own == (160, 38)


def test_angles_lie_in_their_allowed_ranges():
    low, high = np.array([bounds for *_, bounds in ANGLES], dtype=np.float64).T
    percentiles = np.stack([low + (high - low) * part for part in (0, 0.05, 0.5, 0.95, 1)], axis=-1)
    drawn = drawing(angle_bands(AngleRanges(np.stack([percentiles] * 2), np.zeros((2, 20), dtype=int), 0.0), KINDS))
    allowed = [r for r in drawn.iter("rect") if r.get("class") == "allowed"]
    whiskers = [p.get("d") for p in drawn.iter("path") if p.get("class") == "whisker"]
    assert len(allowed) == 20
    assert len(whiskers) == 40
    for number, box in enumerate(allowed):
        left, right = float(box.get("x")), float(box.get("x")) + float(box.get("width"))
        start, end = map(float, re.fullmatch(r"M(\S+) \S+H(\S+)", whiskers[2 * number]).groups())
        assert (start, end) == pytest.approx((left, right), abs=0.11)


def test_a_map_fits_its_frame_and_names_few_poses():
    places = np.array([[-1000.0, 0.0], [1000.0, 1.0], [0.0, 700.0]])
    drawn = scatter(places, np.array([0, 1, 0]), ["clasp · a", "<b> · b", "steeple · c"], KINDS)
    assert all(0 < float(c.get("cx")) < 640 and 0 < float(c.get("cy")) < 520 for c in drawing(drawn).iter("circle"))
    assert ">clasp<" in drawn
    assert "&lt;b&gt;" in drawn


def test_rare_kinds_lie_on_top():
    places = np.arange(10.0).reshape(5, 2)
    drawn = scatter(places, np.array([1, 0, 0, 1, 0]), ["x"] * 5, KINDS)
    assert [c.get("class") for c in drawing(drawn).iter("circle")] == ["c1 spot"] * 3 + ["c2 spot ring"] * 2


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (size(999), "999 B"),
        (size(999_600), "1 MB"),
        (size(2.5e12), "2.5 TB"),
        (short(52), "52"),
        (short(243_000), "243K"),
        (short(2_600_000), "2.6M"),
        (share(0), "0 %"),
        (share(0.0004), "< 0.1 %"),
        (share(0.9997), "> 99.9 %"),
        (share(1), "100 %"),
        (share(0.421), "42 %"),
        (measured(0.001, 20, "mm"), "0 mm"),
        (measured(-1.234, 2, "°"), "−1.23°"),
        (measured(24.0, 49, "vertices"), "24 vertices"),
        (measured(float("nan"), 1), "–"),
    ],
)
def test_numbers_are_written_for_people(told, expected):
    assert told == expected
