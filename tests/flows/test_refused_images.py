"""A run in which images fail: each costs one image, is kept with its reason, and the rest is what it would have been."""

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from dataset.assets.environments import Environment
from dataset.errors import StorageError
from dataset.manifest import Manifest
from flows.cli import main
from flows.render_ih import IMAGES
from rendering.failures import Failure, RenderError
from tasks.render_images import Prepared, _finish, summary
from tasks.run import open_run
from tasks.sharing.share import lead
from tests.flows.small_run import config, rows
from tests.rendering.test_failures import killer

pytestmark = pytest.mark.render


@pytest.fixture
def planned(made, tmp_path) -> Path:
    """The finished dataset, taken back to where its plan was written."""
    folder = tmp_path / "planned"
    shutil.copytree(made, folder)
    shutil.rmtree(folder / "images")
    return folder


def render_all(folder: Path, change=lambda run: None) -> dict[str, dict]:
    """Render what is planned after `change` did its harm; the images by id."""
    with open_run(config(), folder) as run:
        change(run)
        lead(run, IMAGES)
    return {row["sample_id"]: row["image"]["bytes"] for row in rows(folder, "images")}


def refusals(folder: Path) -> dict[str, str]:
    return {row["sample_id"]: row["reason"] for row in rows(folder, "rejected") if row["stage"] == "render"}


def test_rows_that_name_missing_assets_are_quarantined(made, planned, capsys):
    plan = {row["sample_id"]: row for row in rows(planned, "plan")}
    lost_map, lost_skin = plan[min(plan)]["hdri"], plan[max(plan)]["skin_left"]

    def lose(run):
        run.environments = [environment for environment in run.environments if environment.id != lost_map]
        run.skins = {name: skin for name, skin in run.skins.items() if name != lost_skin}

    images = render_all(planned, lose)
    without = {name for name, row in plan.items() if lost_map == row["hdri"] or lost_skin == row["skin_left"]}
    assert refusals(planned).keys() == without and images.keys() == plan.keys() - without
    assert refusals(planned)[min(plan)].startswith(f"bad input: the plan names environment '{lost_map}'")
    told = re.findall(r"(\d+) refused \((\d+) bad input\)", capsys.readouterr().err)
    assert sum(int(count) for count, _ in told) == sum(int(count) for _, count in told) == len(without)
    whole = {row["sample_id"]: row["image"]["bytes"] for row in rows(made, "images")}
    assert all(whole[name] == image for name, image in images.items())


def test_a_map_that_turns_out_bad_in_the_middle_costs_its_own_images(planned, monkeypatch, tmp_path):
    plan = {row["sample_id"]: row["hdri"] for row in rows(planned, "plan")}
    bad, real = plan[min(plan)], Environment.path
    cut = tmp_path / "cut.exr"
    with open_run(config(), planned) as run:
        source = next(e for e in run.environments if e.id == bad).path(None)
    cut.write_bytes(source.read_bytes()[:30_000])

    def harm(run):
        monkeypatch.setattr(Environment, "path", lambda e, folder=None: cut if e.id == bad else real(e, folder))

    images = render_all(planned, harm)
    assert refusals(planned).keys() == {name for name, hdri in plan.items() if hdri == bad}
    assert all(reason.startswith("environment refused:") for reason in refusals(planned).values())
    assert images.keys() == plan.keys() - refusals(planned).keys()


def test_killing_blender_in_the_middle_of_an_image_loses_nothing(made, planned):
    threads = []

    def harm(run):
        run.renderer._start()
        threads.append(killer(run.renderer, times=1))

    images = render_all(planned, harm)
    threads[0].join(1)
    assert not threads[0].is_alive(), "it was killed"
    assert images == {row["sample_id"]: row["image"]["bytes"] for row in rows(made, "images")}
    assert not refusals(planned)


def test_a_sample_that_cannot_be_drawn_again_is_one_sentence(made, monkeypatch, tmp_path):
    sample = rows(made, "images")[0]
    monkeypatch.setattr("tasks.rerender.make_job", lambda row, fine, run: bad_job(row, fine, run, tmp_path))
    result = CliRunner().invoke(main, ["rerender", sample["sample_id"], "--dataset", str(made)])
    assert result.exit_code == 2 and "gone.exr" in result.output and "Traceback" not in result.output


def bad_job(row, fine, run, folder):
    from dataclasses import replace

    from tasks.render_images import make_job

    return replace(make_job(row, fine, run), hdri=folder / "gone.exr")


def test_a_full_disk_refuses_no_image():
    item = Prepared({}, {}, error=RenderError(Failure.NO_SPACE, "no space left for a picture"))
    with pytest.raises(StorageError, match="no space left for a picture"):
        _finish(None, item)


def test_a_summary_counts_classes():
    reasons = ("crash: twice", "bad picture: black", "crash: once")
    assert summary([{"reason": reason} for reason in reasons]) == "3 refused (2 crash, 1 bad picture)"


def test_what_was_refused_does_not_return_when_the_run_goes_on(planned):
    render_all(planned, lambda run: setattr(run, "skins", {}))
    assert len(refusals(planned)) == Manifest.read(planned).rows("plan") and not rows(planned, "images")
    before = {path: path.stat().st_mtime_ns for path in planned.rglob("*.parquet")}
    render_all(planned)
    assert before == {path: path.stat().st_mtime_ns for path in planned.rglob("*.parquet")}
