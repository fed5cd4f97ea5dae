"""The quality page: its numbers against NumPy, changes over a run, and what it says where there is nothing to say."""

import json
import re
from collections.abc import Iterator
from html import unescape

import numpy as np
import pyarrow.parquet as pq
import pytest

from dashboard.quality import figures as quality
from dashboard.quality.charts import Limit, before_after, card
from dashboard.quality.figures import HANDS, beyond, courses, refusals, spreads
from dashboard.quality.optimised import FIGURES, changes
from dashboard.rows.index import Database, RowIndex
from dataset.inspection.charts import values_of
from dataset.manifest import Manifest
from dataset.schema import TABLES
from dataset.shards import write_shard
from tests.dashboard.serving import client_of, desk_of
from tests.dataset.synthetic import CONFIG, make_sample, rejected_row, write_dataset


def rows_of(folder, table: str) -> list[dict]:
    return [row for path in Manifest.read(folder).paths(table) for row in pq.read_table(path).to_pylist()]


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def series_of(page: str, name: str) -> dict:
    found = re.search(rf'<time-series id="{name}" data-series="([^"]*)"', page)
    return json.loads(unescape(found[1]))


@pytest.fixture
def index() -> Iterator[RowIndex]:
    """Of a dataset without rows."""
    database = Database()
    yield RowIndex(database)
    database.close()


def add_poses(index: RowIndex, poses: list[tuple[int, int, float | None]]) -> None:
    """Poses as (shard in order of arrival, row in it, depth)."""
    arrived, number, depth = map(list, zip(*poses, strict=True))
    index.ask(
        "INSERT INTO poses (pose_id, max_penetration_mm, shard, number, arrived) SELECT n || '', d, a || '', n, a "
        "FROM (SELECT unnest(?) AS a, unnest(?) AS n, unnest(?) AS d)",
        [arrived, number, depth],
    )


def test_spreads_are_those_of_numpy(desk, finished):
    poses, index = rows_of(finished, "poses"), desk.index(desk.run("finished"))
    found = spreads(index, "poses", {"depth": "max_penetration_mm", "contact": "contact_vertices"})
    for name, column in (("depth", "max_penetration_mm"), ("contact", "contact_vertices")):
        values = np.array([row[column] for row in poses], dtype=float)
        told = found[name]
        assert (told.count, told.low, told.high) == (len(values), values.min(), values.max())
        assert told.mean == pytest.approx(values.mean()) and told.median == pytest.approx(np.median(values))
    images = rows_of(finished, "images")
    both = np.array([row[side]["visible_fraction"] for row in images for side in ("right", "left")])
    hands = spreads(index, HANDS, {"visible": "visible", "joints": "joints"})
    assert hands["visible"].count == len(both) and hands["visible"].mean == pytest.approx(both.mean())
    seen = [sum(s == 0 for s in row[side]["joint_state"]) for row in images for side in ("right", "left")]
    assert hands["joints"].median == np.median(seen)


def test_what_is_no_number_is_left_out(index):
    add_poses(index, [(1, 0, 1.0), (1, 1, None), (1, 2, float("nan")), (1, 3, float("inf")), (1, 4, 3.0)])
    told = spreads(index, "poses", {"depth": "max_penetration_mm", "natural": "naturalness"})
    assert (told["depth"].count, told["depth"].low, told["depth"].high, told["depth"].mean) == (2, 1, 3, 2)
    assert told["natural"].count == 0
    assert courses(index, "poses", {"natural": "naturalness"})["natural"].middle == (None,)


def test_of_many_rows_a_sample_stands_for_all(index, monkeypatch):
    monkeypatch.setattr(quality, "SAMPLE", 100)
    index.ask(
        "INSERT INTO poses (pose_id, max_penetration_mm, shard, number, arrived) "
        "SELECT i::VARCHAR, (i % 1000) / 100.0, 'shard', i % 500, i // 500 FROM range(5000) t(i)"
    )
    told = spreads(index, "poses", {"depth": "max_penetration_mm"})["depth"]
    assert told.count == 5000 and (told.low, told.high) == (0, pytest.approx(9.99)) and told.is_thinned
    assert 50 < len(told.sample) < 200 and told.median == pytest.approx(5, abs=1.5)
    assert told.mean == pytest.approx(4.995, abs=1e-4), "of all rows"


def test_a_change_in_the_middle_is_seen_where_it_was(index):
    random = np.random.default_rng(3)
    depths = {shard: random.uniform(0, 1, 50) + (4 if shard > 60 else 0) for shard in range(1, 101)}
    add_poses(index, [(shard, row, float(d)) for shard, values in depths.items() for row, d in enumerate(values)])
    course = courses(index, "poses", {"depth": "max_penetration_mm"})["depth"]
    assert len(course.upto) == quality.BINS and course.upto[-1] == 5000 and list(course.upto) == sorted(course.upto)
    first = next(place for place, middle in enumerate(course.middle) if middle > 2)
    assert course.upto[first - 1] < 60 * 50 + 125 < course.upto[first] + 125
    start, end = course.upto[4] // 50, course.upto[5] // 50
    wanted = np.concatenate([depths[shard] for shard in range(start + 1, end + 1)])
    told = (course.low[5], course.middle[5], course.high[5])
    assert told == pytest.approx(np.quantile(wanted, [0.1, 0.5, 0.9]), rel=1e-5)


def test_a_small_shard_makes_no_point_of_its_own(index):
    add_poses(
        index,
        [(shard, row, 9.0 if shard == 3 else 1.0) for shard in (1, 2, 3, 4) for row in range(1 if shard == 3 else 20)],
    )
    course = courses(index, "poses", {"depth": "max_penetration_mm"})["depth"]
    assert course.upto == (20, 41, 61)
    assert course.middle == (1.0, 1.0, 1.0) and course.high == (1.0, 1.0, 1.0)


def test_pictures_are_drawn_by_the_images_that_were_made(desk):
    course = courses(desk.index(desk.run("finished")), "photos", {"light": "light"}, "samples")["light"]
    assert course.upto == (3, 6, 9, 12) and None not in course.middle


def test_limits_and_refusals_are_counted(desk, finished):
    index = desk.index(desk.run("finished"))
    deep = sum(row["max_penetration_mm"] > 0.65 for row in rows_of(finished, "poses"))
    assert beyond(index, "poses", "max_penetration_mm > $limit::FLOAT", 0.65) == deep > 0
    found = {(rule.stage, rule.reason): rule for rule in refusals(index)}
    assert [rule.count for rule in refusals(index)] == [3, 2]
    rule = found["validate", "penetration"]
    assert (rule.count, rule.measured, rule.allowed) == (3, 6.0, (3.0, 3.0))


def line(count: int, before: float, after: float, stage: str = "poses") -> dict:
    spread = lambda v: {"mean": v, "median": v, "p05": v / 2, "p95": 2 * v, "min": 0.0, "max": 3 * v}  # noqa: E731
    side = lambda v: {"count": count} | {name: spread(v) for name in FIGURES}  # noqa: E731
    return {"stage": stage, "shard": "x", "finished": "2026-01-01T00:00:00+00:00", "rows": 1, "refused": 0,
            "figures": {"before": side(before), "after": side(after)}}  # fmt: skip


def test_shards_count_by_the_poses_that_were_measured():
    found = changes([line(10, 8.0, 1.0), line(30, 4.0, 0.2), {"stage": "plan"}])
    depth = found["penetration_mm"]
    assert depth.count == 40 and depth.before.median == pytest.approx((10 * 8 + 30 * 4) / 40)
    assert depth.after.mean == pytest.approx((10 * 1 + 30 * 0.2) / 40)
    assert (depth.before.max, depth.after.max) == (24.0, 3.0)


@pytest.mark.parametrize(
    "figures",
    [None, [], "x", {}, {"before": {}}, {"before": {"count": "many"}, "after": {}}, {"before": 3, "after": 4},
     {"before": {"count": 2, "naturalness": {}}, "after": {"count": 2, "naturalness": {}}}],
)  # fmt: skip
def test_a_history_that_cannot_be_understood_says_nothing(figures):
    assert changes([{"figures": figures}]) == {}
    infinite = line(3, float("inf"), 1.0)
    assert changes([infinite]) == {}


def test_a_limit_is_marked_where_it_lies():
    numbers = values_of(np.array([0.0, 1.0, 4.0]))
    drawn = card("Depth", numbers, "mm", "", Limit("alarm <2> mm", 2.0)).chart
    assert '<line class="limit" x1="200.0"' in drawn and "alarm &lt;2&gt; mm" in drawn and drawn.count("</svg>") == 1
    assert "limit" not in card("Depth", numbers, "mm", "", Limit("alarm", 9.0)).chart
    assert "Nothing to draw yet" in card("Depth", values_of(np.zeros(0)), "mm", "", Limit("alarm", 2.0)).chart


def test_before_is_drawn_above_after():
    drawn = str(before_after(changes([line(4, 10.0, 1.0)])["penetration_mm"], "mm"))
    assert drawn.index(">before<") < drawn.index(">after<") and "30 mm" in drawn
    ticks = [float(x) for x in re.findall(r'class="tick" d="M([\d.]+)', drawn)]
    assert ticks[0] > 2 * ticks[1] / 1.5, "the median moves to the left"


def test_the_page_says_what_the_rows_say(client, finished):
    page = client.get("/runs/finished/quality").text
    said = text_of(page)
    poses, images = rows_of(finished, "poses"), rows_of(finished, "images")
    depths = [row["max_penetration_mm"] for row in poses]
    assert f"{max(depths):.2f} mm deepest; 0 beyond 2 mm" in said and "100 % within 2 mm" in said
    assert "Poses accepted 12 29 % were refused" in said and "of 12 pictures looked at" in said
    joints = [sum(s == 0 for s in row[side]["joint_state"]) for row in images for side in ("right", "left")]
    assert f"median; {np.median(joints):.3g} of 21 joints" in said
    assert "does not tell what its poses were like before" in said
    assert "Poses penetration 3 60 % 6 mm 3 mm" in said
    seconds = series_of(page, "course-seconds")
    assert seconds["x"] == [3, 6, 9, 12] and seconds["curves"]["median"] == [1, 1, 1, 1] and not seconds["time"]
    assert series_of(page, "course-depth")["marks"] == {"alarm": 2}
    assert "style=" not in page and "onclick" not in page


def test_what_optimisation_has_done_is_told_in_words(hands, tmp_path):
    manifest = write_dataset(tmp_path / "told", [make_sample(0, hands, 64, 48)])
    (manifest.folder / "history").mkdir()
    (manifest.folder / "history" / "shards.jsonl").write_text(json.dumps(line(8, 21.0, 0.4) | {"attempt": "a"}) + "\n")
    with desk_of(manifest.folder) as desk:
        said = text_of(client_of(desk).get("/runs/told/quality").text)
    assert "Deepest penetration median 21 → 0.4 mm" in said and "both times the same 8 poses" in said


def test_alarms_have_the_last_word_on_colours(finished):
    with desk_of(finished, alarms={"penetration_mm": 0.5, "black": 0.0}) as desk:
        page = client_of(desk).get("/runs/finished/quality").text
    assert '<div class="tile bad"><span>Penetration</span>' in page and "alarm 0.5 mm" in page
    with desk_of(finished, alarms={"penetration_mm": 0}) as desk:
        page = client_of(desk).get("/runs/finished/quality").text
    assert "tile bad" not in page and "alarm" not in series_of(page, "course-depth")["marks"]


def test_nothing_yet_is_said_in_sentences(tmp_path):
    Manifest.open(tmp_path / "new", CONFIG)
    with desk_of(tmp_path / "new") as desk:
        answer = client_of(desk).get("/runs/new/quality")
    said = text_of(answer.text)
    assert answer.status_code == 200 and "time-series" not in answer.text
    for sentence in ("Nothing to compare yet", "Poses appear here", "Curves begin with", "Nothing is refused yet"):
        assert sentence in said


def test_a_run_with_poses_alone(shown_samples, tmp_path):
    manifest = Manifest.open(tmp_path / "begun", CONFIG)
    poses = [sample["poses"] for sample in shown_samples]
    tables = {"poses": poses, "rejected": [rejected_row(1) | {"reason": "<b>hostile</b>"}]}
    for table, rows in tables.items():
        manifest.add(table, write_shard(manifest.path(table, "00000"), rows, TABLES[table]))
    with desk_of(tmp_path / "begun") as desk:
        page = client_of(desk).get("/runs/begun/quality").text
    assert "&lt;b&gt;hostile" in page and "<b>hostile" not in page
    assert series_of(page, "course-depth")["x"] == [12] and "What images show of the hands appears here" in page


def test_pictures_without_bytes_are_said(hands, tmp_path):
    samples = [make_sample(number, hands, 32, 24) for number in range(3)]
    for sample in samples:
        sample["images"]["image"] = sample["images"]["image"] | {"bytes": b""}
    write_dataset(tmp_path / "bare", samples)
    with desk_of(tmp_path / "bare") as desk:
        said = text_of(client_of(desk).get("/runs/bare/quality").text)
    assert "The 3 rows that were looked at have no picture in them." in said and "no picture to look at" in said


def test_an_unknown_run_is_not_here(client):
    assert client.get("/runs/none/quality").status_code == 404


def test_a_run_that_cannot_be_read_says_so(tmp_path):
    Manifest.open(tmp_path / "torn", CONFIG)
    (tmp_path / "torn" / "manifest.json").write_text("{")
    with desk_of(tmp_path / "torn") as desk:
        answer = client_of(desk).get("/runs/torn/quality")
    assert answer.status_code == 200 and "notice bad" in answer.text
