"""Configurations: recipes load, and every mistake is one sentence that says what and where."""

from pathlib import Path

import pytest

from dataset.errors import InputError
from tasks.config import RenderIHConfig, load_config

RECIPES = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda p: p.stem)
def test_every_recipe_loads(recipe):
    assert isinstance(load_config(recipe), RenderIHConfig)


def test_overrides_reach_any_depth():
    config = load_config(None, ("camera.views=3", "look.samples=8", "source.names=[prayer, clap]"))
    assert (config.camera.views, config.look.samples, config.source.names) == (3, 8, ("prayer", "clap"))


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("camera.view=3", r"camera\.\S*view: unknown key"),
        ("speed=9", "speed: unknown key"),
        ("camera.views=0", "camera.views is 0, must be 1 or more"),
        ("look.samples=many", "look.samples"),
        ("seed=-1", "seed"),
        ("machine.render_device=TPU", "machine.render_device"),
        ("optimisation.learning_rate=0", "optimisation.learning_rate is 0"),
        ("views", "write section.key=value"),
    ],
)
def test_a_mistake_is_one_sentence(override, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        load_config(None, (override,))
    assert "\n" not in str(caught.value)


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.yaml: no such"):
        load_config(tmp_path / "nowhere.yaml")
    (tmp_path / "broken.yaml").write_text("camera: {views: [")
    with pytest.raises(InputError, match=r"broken\.yaml.*line 1"):
        load_config(tmp_path / "broken.yaml")


def test_the_machine_is_no_part_of_the_identity():
    here, there = RenderIHConfig(), load_config(None, ("machine.optimise_batch=7",))
    assert here.identity() == there.identity()
    assert load_config(None, ("seed=2",)).identity() != here.identity()
