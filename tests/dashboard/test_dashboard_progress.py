"""How far and how fast a run is: hand-made manifests, records and histories of all stages, against sums done by hand."""

import numpy as np
import pytest

from dashboard.progress import pace
from dashboard.progress.course import Course
from dashboard.progress.forecast import progress_of, share_of_shard
from dashboard.progress.headline import headline_of
from dashboard.watching.pulse import Health
from dashboard.watching.run import RunState
from dashboard.watching.stages import IMAGES, PLAN, POSES
from dataset.work.control import Control
from tests.dashboard.states import NOON, STAGES, line, manifest, worker


def rendering(tmp_path, **changes) -> RunState:
    """Two of four shards of images are made, a third is in hand."""
    found = manifest(
        tmp_path,
        poses={"00000": 30},
        plan={"a": 100, "b": 100, "c": 100, "d": 20},
        rejected={"read": 0, "00000": 3, "plan": 1, "render-a": 10},
        images={"a": 90, "b": 100},
    )
    history = (line("images", "a", 90, 100, 100, refused=10), line("images", "b", 100, 100, 200))
    step = {"done": 50, "total": 100, "unit": "images"}
    at = worker(shard="c", step=step, rates={"images": 1.0}, seconds=500, shard_seconds=50, device="CPU")
    state = RunState("run", "out/run", found, stages=STAGES | {"poses": 1}, workers=(at,), history=history)
    return RunState(**(vars(state) | changes))


def states(run) -> dict[str, str]:
    return {stage.stage.name: stage.state for stage in progress_of(run).stages}


def test_nothing_is_known_of_a_run_that_cannot_be_read():
    progress = progress_of(RunState("run", "s3://b/run", trouble="s3://b/run: no answer"))
    assert [stage.share for stage in progress.stages] == [None] * 4
    assert progress.left is None and progress.pace is None
    assert headline_of(progress).kind == "bad"
    assert headline_of(progress_of(RunState("run", "x"))).kind == "none"


def test_a_run_without_anything_waits(tmp_path):
    run = RunState("run", "x", manifest(tmp_path))
    assert set(states(run).values()) == {"waiting"}
    assert headline_of(progress_of(run)).word == "Not begun"


def test_each_stage_follows_the_one_before(tmp_path):
    reading = RunState("run", "x", manifest(tmp_path), stages={"collect": 1}, workers=(worker(stage="collect"),))
    assert states(reading) == {"collect": "working", "poses": "waiting", "plan": "waiting", "images": "waiting"}
    assert headline_of(progress_of(reading)).sentence == "Reading poses"
    made = {"rejected": {"read": 0, "00000": 1}, "poses": {"00000": 5}}
    posing = RunState(
        "run", "x", manifest(tmp_path, **made), stages={"collect": 1, "poses": 4}, workers=(worker(stage="poses"),)
    )
    assert states(posing) == {"collect": "done", "poses": "working", "plan": "waiting", "images": "waiting"}
    assert progress_of(posing).current.share == 1 / 4
    assert headline_of(progress_of(posing)).sentence == "Making poses: 25 % of 4 shards"
    step = {"done": 400, "total": 1000, "unit": "views"}
    planner = worker(stage="plan", shard="plan", step=step, rates={"views": 10.0}, seconds=300)
    planning = RunState(
        "run", "x", manifest(tmp_path, **made), stages={"collect": 1, "poses": 1, "plan": 1}, workers=(planner,)
    )
    assert states(planning) == {"collect": "done", "poses": "done", "plan": "working", "images": "waiting"}
    assert progress_of(planning).current.share == pytest.approx(0.4)
    assert progress_of(planning).left == pytest.approx(600 / 10)
    assert states(rendering(tmp_path)) == {"collect": "done", "poses": "done", "plan": "done", "images": "working"}


def test_shards_of_rejected_views_are_no_finished_stage(tmp_path):
    """`rejected` holds files of all steps; only those of its own name end a stage."""
    run = RunState("run", "x", manifest(tmp_path, rejected={"read": 0, "00000": 3}), stages={"collect": 1, "poses": 2})
    assert states(run)["plan"] == "waiting" and states(run)["collect"] == "done"


def test_images_count_what_was_decided_and_what_is_in_hand(tmp_path):
    progress = progress_of(rendering(tmp_path))
    images = progress.images
    assert (images.rows, images.planned, images.shards, images.of) == (190, 320, 2, 4)
    assert images.decided == 250 and images.share == pytest.approx(250 / 320)
    assert progress.pace == 1.0 and progress.left == pytest.approx(70)
    assert headline_of(progress).sentence == "Rendering: 78 % of 320 images, about 1 min 10 s left"


def test_one_shard_alone_moves_while_it_is_made(tmp_path):
    found = manifest(tmp_path, plan={"a": 200}, rejected={"read": 0, "plan": 0}, poses={"0": 1})
    shares = []
    for done in (0, 50, 200):
        at = worker(shard="a", step={"done": done, "total": 200, "unit": "images"})
        shares.append(progress_of(RunState("r", "x", found, stages={"images": 1}, workers=(at,))).images.share)
    assert shares == [0, 0.25, 1.0]


def test_a_shard_counts_when_the_history_or_its_maker_tells_of_it(tmp_path):
    told = worker(shard="d", last_shard={"shard": "c", "rows": 97}, step={})
    progress = progress_of(rendering(tmp_path, workers=(told,)))
    assert progress.images.shards == 3 and progress.images.rows == 190 + 97 and progress.images.decided == 300
    later = rendering(
        tmp_path, workers=(), history=(line("images", "c", 97, 9, 300), line("images", "gone", 5, 9, 300))
    )
    assert progress_of(later).images.rows == 190 + 97, "a shard that is not planned is none of this dataset"


def test_a_dead_workers_shard_does_not_count(tmp_path):
    step = {"done": 50, "total": 100, "unit": "images"}
    progress = progress_of(rendering(tmp_path, workers=(worker(shard="c", step=step, health=Health.SILENT),)))
    assert progress.images.decided == 200 and progress.images.state == "stopped"
    assert (progress.at_work, progress.silent, progress.left) == (0, 1, None)
    assert headline_of(progress).kind == "bad" and "62 % of 320 images" in headline_of(progress).sentence


def test_poses_have_two_bars_and_the_history_tells_their_lengths():
    history = [{"stage": "poses", "steps": {"Optimising": 30.0, "Checking": 10.0}}]
    half = {"stage": "poses", "step": {"done": 5, "total": 10, "unit": "steps"}}
    assert share_of_shard(half, history) == pytest.approx(0.5 * 0.75)
    checking = {"stage": "poses", "step": {"done": 1, "total": 2, "unit": "poses"}}
    assert share_of_shard(checking, history) == pytest.approx(0.75 + 0.25 / 2)
    assert share_of_shard({"stage": "images", "step": {"done": 9, "total": 3}}) == 1.0
    assert share_of_shard({"stage": "images", "step": "?"}) == 0.0


def test_left_is_never_silly(tmp_path):
    assert progress_of(rendering(tmp_path, workers=(worker(shard="c"),), history=())).left is None
    slow = worker(shard="c", rates={"images": 1e-9})
    assert progress_of(rendering(tmp_path, workers=(slow,), history=())).left is None
    for broken in ({"images": "fast"}, {"images": float("nan")}, {"images": -3}, None, [1]):
        progress = progress_of(rendering(tmp_path, workers=(worker(shard="c", rates=broken),), history=()))
        assert progress.left is None and progress.pace is None


def test_left_is_at_least_what_the_slowest_shard_needs(tmp_path):
    step = {"done": 10, "total": 100, "unit": "images"}
    slow = worker("slow", shard="c", step=step, rates={"images": 0.1}, seconds=500)
    fast = worker(
        "fast", shard="d", step={"done": 19, "total": 20, "unit": "images"}, rates={"images": 10.0}, seconds=500
    )
    assert progress_of(rendering(tmp_path, workers=(slow, fast))).left == pytest.approx(90 / 0.1)


def test_poses_left_come_from_the_shards_that_are_made(tmp_path):
    found = manifest(tmp_path, rejected={"read": 0, "0": 10, "1": 10}, poses={"0": 40, "1": 40})
    history = (line("poses", "0", 40, 100, 100, refused=10), line("poses", "1", 40, 100, 150, refused=10))
    workers = (worker("w0", stage="poses", rates={"poses": 9.0}, seconds=300), worker("w1", stage="poses"))
    run = RunState("r", "x", found, stages={"collect": 1, "poses": 10}, workers=workers, history=history)
    progress = progress_of(run)
    assert progress.pace == pytest.approx(2 * 100 / 200), "bursts at the end of shards tell nothing"
    assert progress.left == pytest.approx((10 - 2) * 50 / 1.0)
    assert headline_of(progress).sentence.endswith("left of this stage")


def test_few_slow_images_are_paced_by_the_history(tmp_path):
    rare = worker(shard="c", rates={"images": 0.004}, seconds=300)
    assert pace.now((rare,), (line("images", "a", 9, 1000, 0, refused=1),), IMAGES) == pytest.approx(0.01)
    assert pace.now((rare,), (), IMAGES) == pytest.approx(0.004)
    assert pace.now((), (line("images", "a", 9, 1000, 0),), IMAGES) is None


def test_only_recent_shards_tell_the_pace():
    old = [line("images", f"o{n}", 100, 10, n) for n in range(50)]
    new = [line("images", f"n{n}", 100, 1000, 100 + n) for n in range(8)]
    assert pace.now((worker(),), [*old, *new], IMAGES) == pytest.approx(0.1)


def test_curve_integrates_to_what_was_made():
    history = tuple(line("images", str(n), 90, 40 + n % 7, 300 * n + 50, refused=10) for n in range(200))
    made = Course(RunState("r", "x", history=history)).curve(IMAGES, 0.0)
    assert 20 <= len(made.times) <= 100 and np.all(np.diff(made.times) > 0)
    assert made.totals[-1] == pytest.approx(200 * 100)
    assert made.rates.mean() == pytest.approx(20_000 / (300 * 199 + 40), rel=0.05)
    short = Course(RunState("r", "x", history=(line("images", "a", 30, 300, 0),))).curve(IMAGES, 0.0)
    assert len(short.times) > 20 and short.rates == pytest.approx(np.full(len(short.times), 0.1))
    assert not len(Course(RunState("r", "x")).curve(IMAGES, 0.0).times)


def test_curve_ends_with_what_is_in_hand(tmp_path):
    made = Course(rendering(tmp_path)).curve(IMAGES, 0.0)
    assert made.totals[-1] == pytest.approx(250)
    assert made.rates[-1] == pytest.approx(1.0)
    alone = Course(rendering(tmp_path, history=())).curve(IMAGES, wall=1000.0)
    assert alone.totals[-1] == pytest.approx(50) and 950 < alone.times[0] < alone.times[-1] < 1000


def test_curve_survives_lines_without_notes():
    bare = {"attempt": "x", "stage": "images", "rows": 5, "refused": 0, "finished": NOON.isoformat()}
    hostile = bare | {"finished": "yesterday", "rows": "many", "seconds": float("inf")}
    made = Course(RunState("r", "x", history=(bare, hostile))).curve(IMAGES, 0.0)
    assert made.totals[-1] == pytest.approx(5) and np.isfinite(made.rates).all()


def test_hours_and_time(tmp_path):
    run = rendering(tmp_path)
    history = (line("plan", "plan", 320, 20, -50, device="cpu"), *(o | {"device": "OPTIX A"} for o in run.history))
    run = rendering(tmp_path, history=history)
    assert pace.device_seconds(run) == {"OPTIX A": 200.0, "CPU": 70.0}
    assert Course(run).elapsed == pytest.approx(200 + 50 + 70), "from -70 to 50 seconds after the last line"
    assert Course(RunState("r", "x", manifest(tmp_path, images={"a": 5}))).elapsed is None


def test_time_is_not_told_by_a_history_that_knows_a_part(tmp_path):
    found = manifest(tmp_path, splits=["train"], images={"a": 5000}, poses={"0": 500})
    run = RunState("r", "x", found, history=(line("plan", "plan", 5000, 60, 0),))
    assert Course(run).elapsed is None and not Course(run).is_told


def test_average_is_over_the_time_from_first_to_last():
    history = (line("images", "a", 90, 100, 100, refused=10), line("images", "b", 100, 50, 200))
    course = Course(RunState("r", "x", history=history))
    assert course.average(IMAGES) == pytest.approx(200 / 200)
    assert course.average(POSES) is None and pace.live([], PLAN) == 0


def test_a_finished_dataset(tmp_path):
    found = manifest(tmp_path, splits=["train"], images={"a": 1500}, poses={"x": 1}, rejected={"render-a": 1})
    run = RunState("r", "x", found)
    assert set(states(run).values()) == {"done"} and progress_of(run).current is None
    headline = headline_of(progress_of(run))
    assert (headline.kind, headline.sentence) == ("good", "Finished: 1,500 images of 1 pose")
    merged = manifest(tmp_path, {"operation": "merge"}, ["train"], images={"a": 2}, poses={"x": 2})
    assert headline_of(progress_of(RunState("r", "x", merged))).sentence == "Merged: 2 images of 2 poses"


def test_why_a_run_stands_still(tmp_path):
    stopped = {"operation": "run", "stopped": "the dataset has 90 images, limits.images=90"}
    found = manifest(tmp_path, stopped, ["train"], plan={"a": 100, "b": 100}, images={"a": 90}, rejected={"plan": 0})
    run = RunState("r", "x", found)
    assert states(run)["images"] == "stopped"
    assert headline_of(progress_of(run)).sentence == "Stopped: the dataset has 90 images, limits.images=90"
    again = RunState("r", "x", found, workers=(worker(shard="b"),))
    assert headline_of(progress_of(again)).kind == "working"
    paused = rendering(tmp_path, workers=(), control=Control("paused", "210 of the last 400 images were refused."))
    assert headline_of(progress_of(paused)).sentence == "Paused: 210 of the last 400 images were refused"
    failed = rendering(tmp_path, workers=(), control=Control("stopped", "InputError: x.pkl: is damaged; restore it"))
    assert headline_of(progress_of(failed)).sentence == "Stopped: x.pkl: is damaged; restore it"
    idle = rendering(tmp_path, workers=(worker(health=Health.LEFT),), control=Control("running"))
    assert headline_of(progress_of(idle)).sentence == "No worker works on it; rendering is at 62 % of 320 images"


def test_all_images_made_and_not_yet_published(tmp_path):
    full = {name: 20 for name in "abcd"}
    found = manifest(tmp_path, plan=full, images=full, poses={"0": 1}, rejected={"read": 0, "plan": 0})
    assert headline_of(progress_of(RunState("r", "x", found))).word == "Not finished"
    at = RunState("r", "x", found, workers=(worker(),))
    assert headline_of(progress_of(at)).sentence == "Finishing: all 80 images are made"
