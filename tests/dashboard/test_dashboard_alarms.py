"""Alarms about what is made and where it lies, and what all alarms have in common."""

from collections.abc import Iterator

import pytest

from dashboard.alarms import facts
from dashboard.alarms import lookout as watching_alarms
from dashboard.watching.pulse import Health, WorkerState
from tasks import limits
from tests.dashboard.lookout import GIB, MakeWatch, Watch, line, room, shards, watches, worker
from tests.dashboard.serving import desk_of


@pytest.fixture
def watch(tmp_path, monkeypatch) -> Iterator[MakeWatch]:
    with watches(tmp_path, monkeypatch) as make:
        yield make


def refuse(watch: Watch, stage: str, count: int, reason="penetration") -> None:
    watch.rows(f"INSERT INTO refusals (stage, reason) SELECT '{stage}', '{reason}' FROM range({count})")


def test_nothing_is_wrong_with_a_run_that_goes_well_or_has_not_begun(watch):
    one = watch()
    assert one.look() == {}
    one.show(images=500, poses=100, workers=(worker(), worker("ben", Health.LATE)), history=(line(),))
    assert one.look() == {}
    one.show(manifest=None)
    assert one.look() == {}


def test_the_windows_are_those_at_which_a_run_pauses():
    assert (facts.RECENT, facts.FEWEST) == (limits.RECENT, limits.FEWEST)


@pytest.mark.parametrize(("refused", "is_raised"), [(20, False), (21, True)])
def test_refused_images(watch, refused, is_raised):
    one = watch()
    lines = (line(0, rows=0, refused=100), *(line(n, rows=100 - refused, refused=refused) for n in range(1, 5)))
    one.show(images=400, workers=(worker(),), history=lines)
    found = one.look()
    assert ("refused" in found) is is_raised, "the first shard is out of the window"
    if is_raised:
        assert found["refused"].level == "bad" and "84 of 400 last images (21 %)" in found["refused"].sentence


def test_few_images_say_nothing_and_zero_turns_it_off(watch):
    few = (line(rows=10, refused=39),)
    for one, history in ((watch(), few), (watch(refused=0), (line(rows=0, refused=400),))):
        one.show(images=10, workers=(worker(),), history=history)
        assert "refused" not in one.look()


def test_an_alarm_goes_when_it_is_clearly_over(watch):
    one = watch(refused=0.2)
    raised = []
    for share in (19, 21, 19, 21, 19, 17, 19, 21):
        one.show(images=400, history=(line(rows=100 - share, refused=share),))
        raised.append("refused" in one.look())
    assert raised == [False, True, True, True, True, False, False, True]


def test_a_finished_dataset_is_judged_as_a_whole(watch):
    one = watch()
    refuse(one, "render", 300, "bad picture")
    one.show(images=700, finished=True, history=(line(rows=100, refused=0),))
    alarm = one.look()["refused"]
    assert alarm.level == "late" and "300 of 1,000 images (30 %) were refused, mostly for bad picture" in alarm.sentence


@pytest.mark.parametrize(("refused", "poses", "is_raised"), [(901, 99, True), (900, 100, False), (45, 4, False)])
def test_refused_poses(watch, refused, poses, is_raised):
    one = watch()
    refuse(one, "validate", refused)
    refuse(one, "render", 5000)
    one.show(poses=poses, images=10**6, workers=(worker(stage="poses"),))
    assert ("refused_poses" in one.look()) is is_raised
    assert "refused_poses" not in one.look() or "mostly for penetration" in one.look()["refused_poses"].sentence


def photos(watch: Watch, black: int, light: int, arrived: int = 1) -> None:
    pictures = f"SELECT range < {black}, {arrived} FROM range({black + light})"
    watch.rows(f"INSERT INTO photos (black, arrived) {pictures}")


@pytest.mark.parametrize(
    ("black", "light", "is_raised"), [(3, 97, True), (2, 98, False), (2, 2, False), (8, 0, True), (8, 392, False)]
)
def test_black_pictures(watch, black, light, is_raised):
    one = watch()
    one.show(images=1000, workers=(worker(),))
    assert "black" not in one.look(), "no picture was looked at"
    photos(one, black, light)
    found = one.look()
    assert ("black" in found) is is_raised
    assert not is_raised or (found["black"].level == "bad" and "nearly black" in found["black"].sentence)


def test_the_last_pictures_count_while_it_goes_on_and_all_when_it_is_finished(watch):
    one = watch()
    photos(one, 0, 9000, arrived=1)
    photos(one, 40, 360, arrived=2)
    one.show(images=9400, workers=(worker(),))
    assert "40 of 400" in one.look()["black"].sentence
    one.show(images=9400, finished=True)
    assert "black" not in one.look()
    photos(one, 400, 0, arrived=3)
    assert one.look()["black"].level == "late"


def test_black_pictures_are_no_alarm_when_it_is_off_or_nobody_looks(watch):
    off, blind = watch(black=0), watch()
    photos(off, 50, 0)
    blind.rows("DROP TABLE photos")
    poses(blind, 9.0)
    assert off.look() == {} and set(blind.look()) == {"penetration"}


def poses(watch: Watch, *depths: float) -> None:
    for number, depth in enumerate(depths):
        watch.rows(f"INSERT INTO poses (pose_id, max_penetration_mm) VALUES ('p{number}', {depth})")


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("limit", [2.0, 0.3])
def test_an_accepted_pose_that_is_too_deep(watch, finished, limit):
    one = watch(penetration_mm=limit)
    poses(one, 0.0, limit, limit)
    one.show(poses=3, finished=finished)
    assert one.look() == {}, "the limit itself is allowed, whatever it is as a 32-bit number"
    poses(one, limit + 0.01, limit + 1.25)
    alarm = one.look()["penetration"]
    assert (
        alarm.level == "bad" and f"2 accepted poses are deeper than {limit:g} mm, the deepest is p1" in alarm.sentence
    )


def test_depth_is_no_alarm_when_it_is_off_or_no_number(watch):
    one, strange = watch(penetration_mm=0), watch()
    poses(one, 90.0)
    poses(strange, 1.0)
    strange.rows("INSERT INTO poses (pose_id, max_penetration_mm) VALUES ('x', 'nan'), ('y', 'inf'), ('z', NULL)")
    assert one.look() == {} and strange.look() == {}


def test_a_disk_that_runs_full(watch, monkeypatch):
    one = watch(disk_gib=5)
    raised = []
    for free in (6.0, 5.0, 4.9, 5.2, 5.7, 5.2):
        room(monkeypatch, int(free * GIB))
        raised.append("disk" in one.look())
    assert raised == [False, False, True, True, False, False]
    room(monkeypatch, 0)
    assert "Less than 5 GiB are left where some/place lies" in one.look()["disk"].sentence
    one.show(finished=True)
    assert one.look() == {}


def test_no_disk_is_watched_where_there_is_none_or_nobody_wants_it(watch, monkeypatch):
    off, bucket, lost = watch(disk_gib=0), watch(), watch()
    room(monkeypatch, 0)
    bucket.store.url = "s3://bucket/one"
    assert off.look() == {} and bucket.look() == {}
    monkeypatch.setattr(watching_alarms.shutil, "disk_usage", lambda _: (_ for _ in ()).throw(FileNotFoundError))
    assert lost.look() == {}


@pytest.mark.parametrize("finished", [False, True])
def test_a_dataset_that_stays_unreadable(watch, finished):
    one = watch()
    one.show(trouble="some/place: cannot be read; it is looked at again", finished=finished)
    assert one.look() == {} and one.look(9) == {}, "storage may hiccup"
    assert one.look(1)["unreadable"].sentence == "some/place: cannot be read; it is looked at again"
    one.show(finished=finished)
    assert one.look() == {}
    one.keeper.index("one").troubles |= {"images/a.parquet": "is cut off", "images/b.parquet": "is missing"}
    one.look()
    sentence = one.look(10)["unreadable"].sentence
    assert (
        sentence.startswith("2 files cannot be read: images/a.parquet (is cut off)") and "render-ih verify" in sentence
    )


def test_a_finished_dataset_has_only_alarms_that_are_true_of_itself(watch, monkeypatch):
    one = watch()
    room(monkeypatch, 0)
    poses(one, 9.0)
    history = shards(*[100.0] * 10, *[900.0] * 6)
    one.show(finished=True, workers=(worker(health=Health.LEFT), worker("ben", Health.LEFT)), history=history)
    one.look()
    assert set(one.look(10**6)) == {"penetration"}


def test_a_dataset_that_was_stopped_and_goes_on_is_watched_again(watch, monkeypatch):
    one = watch()
    room(monkeypatch, 0)
    one.show(finished=True, stopped="limits.images", workers=(worker(), worker("ben", Health.SILENT, 50.0)))
    assert set(one.look()) == {"disk", "silent_worker"}


def test_rows_are_asked_only_when_they_have_changed(watch, monkeypatch):
    one, asked = watch(), []
    index = one.keeper.index("one")
    ask = index.ask
    monkeypatch.setattr(index, "ask", lambda *about: asked.append(about) or ask(*about))
    one.look()
    before = len(asked)
    assert before > 0
    for _ in range(10):
        one.look(2)
    assert len(asked) == before
    index.version += 1
    one.look()
    assert len(asked) == 2 * before


def test_records_and_lines_of_any_content_raise_nothing(watch):
    one = watch()
    strange = {
        "worker": "x",
        "shards": "many",
        "step": [1],
        "shard": 7,
        "stage": None,
        "host": {},
        "shard_seconds": "1",
    }
    lines = ({"stage": "images"}, {"stage": "poses", "rows": "x", "seconds": None}, {}, {"stage": ["images"]})
    one.show(
        workers=(WorkerState(strange, Health.WORKING, 1.0), WorkerState(strange, Health.SILENT, 50.0)), history=lines
    )
    one.look()
    assert set(one.look(4000)) == {"stalled", "silent_worker"}


def test_alarms_of_a_real_dataset_reach_its_pages(finished):
    with desk_of(finished, alarms={"penetration_mm": 1.0}) as desk:
        (alarm,) = desk.lookout.alarms["finished"]
        assert alarm.sentence.startswith("1 accepted pose is deeper than 1 mm, the deepest is 000011 with 1.1 mm")
    with desk_of(finished, alarms={"penetration_mm": 1.1}) as desk:
        assert desk.lookout.alarms == {"finished": ()}
