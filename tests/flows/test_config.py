"""Configurations: recipes load, and every mistake is one sentence that says what and where."""

from pathlib import Path

import pytest

from dataset.errors import InputError
from tasks.config import RenderIHConfig, load_config

CONFIGS = Path(__file__).parents[2] / "configs"
RECIPES = [*sorted(CONFIGS.glob("*.yaml")), CONFIGS / "ihdiff" / "poses.yaml", CONFIGS / "transhand" / "images.yaml"]


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
        ("camera.views=0", "camera.views is 0, must be at least 1"),
        ("look.samples=many", "look.samples"),
        ("seed=-1", "seed"),
        ("machine.render_device=TPU", "machine.render_device"),
        ("optimisation.learning_rate=0", "optimisation.learning_rate is 0"),
        ("views", "write section.key=value"),
        ("source.kind=mocap", r"source\.kind"),
        ("source.distinct=-1", r"source\.distinct"),
        ("source.max_hand_distance_mm=0", r"source\.max_hand_distance_mm"),
        ("source.faults=ignore", r"source\.faults"),
        ("source.path=somewhere", "path is given, but kind is gestures; add source.kind"),
        ("source={kind: hic, gestures: somewhere}", "gestures is given, but kind is hic"),
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


def test_where_a_source_lies_and_what_its_faults_do_are_no_part_of_the_identity():
    one = load_config(None, ("source.kind=hic", "source.path=a"))
    other = load_config(None, ("source.kind=hic", "source.path=b", "source.faults=refuse"))
    assert one.identity() == other.identity()
    for more in ("source.distinct=9", "source.subset=test", "source.max_hand_distance_mm=9"):
        assert load_config(None, ("source.kind=hic", "source.path=a", more)).identity() != one.identity()
    assert RenderIHConfig.model_validate(one.identity()).source.kind == "hic", "what is stored can be opened again"


def test_the_names_of_gestures_play_no_part_for_a_recording():
    """Recipes name gestures; `--set source.kind=…` on top of one must not care."""
    kinds = ("source.kind=parquet", "source.path=x")
    one, other = (load_config(None, (*kinds, f"source.names={names}")) for names in ("[]", "[prayer]"))
    assert one.identity() == other.identity() and "names" not in one.identity()["source"]
    assert load_config(None, ("source.names=[prayer]",)).identity() != load_config(None).identity()
