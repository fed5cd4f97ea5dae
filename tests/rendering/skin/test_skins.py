"""Skins: the built-in ones, their colours, their variation, and what is refused."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from dataset.errors import InputError
from rendering.skin.colour import albedo, lab, typology
from rendering.skin.skins import NUMBERS, VARIED, Skin, load_skins, varied

EVEN = dict.fromkeys(("mottling", "freckles", "age_spots", "veins", "tendons", "hair", "bump", "varnish"), 0.0)


def tone(skin: Skin) -> np.ndarray:
    return albedo(skin.melanin, skin.haemoglobin, skin.carotene)


def test_built_in_skins_span_pale_to_dark_and_young_to_old():
    skins = list(load_skins().values())
    assert len(skins) >= 30
    melanin, age = np.array([s.melanin for s in skins]), np.array([s.bump for s in skins])
    assert melanin.min() < 0.03 and melanin.max() > 0.9 and np.diff(np.sort(melanin)).max() < 0.1
    for shade in (melanin < 0.2, (melanin > 0.2) & (melanin < 0.6), melanin > 0.6):
        assert (age[shade] < 0.4).sum() >= 2 and (age[shade] > 0.9).sum() >= 1
    for name in ("hair", "age_spots", "freckles", "veins", "tendons", "varnish"):
        values = [getattr(skin, name) for skin in skins]
        assert min(values) < 0.3 and max(values) > 0.7, name


def test_every_class_of_skin_is_there_and_no_two_skins_look_alike():
    skins = list(load_skins().values())
    assert {typology(tone(skin))[1] for skin in skins} == {
        *("very light", "light", "intermediate", "tan", "brown", "dark"),
    }
    numbers = np.array([[skin.numbers[name] for name in NUMBERS] for skin in skins])
    colours = lab(np.array([tone(skin) for skin in skins]))
    for k in range(len(skins)):
        apart = np.linalg.norm(colours - colours[k], axis=1) / 2 + np.abs(numbers - numbers[k]).sum(1)
        assert np.sort(apart)[1] > 0.8, skins[k].name


def test_colours_are_those_of_people():
    """Neither plaster nor soot: lightness, redness and yellowness within what is measured on skin."""
    lightness, red, yellow = lab(np.array([tone(skin) for skin in load_skins().values()])).T
    assert lightness.max() < 77 and lightness.min() > 24
    assert (red > 5).all() and (red < 18).all() and (yellow > 9).all() and (yellow < 26).all()


def test_lab_of_known_colours():
    np.testing.assert_allclose(lab(np.ones(3)), [100, 0, 0], atol=0.02)
    np.testing.assert_allclose(lab(np.array([1.0, 0, 0])), [53.24, 80.09, 67.20], atol=0.05)


def test_more_pigment_is_darker_and_more_blood_redder():
    pale, dark, flushed, golden = lab(
        np.array([albedo(0.1, 0.4, 0), albedo(0.6, 0.4, 0), albedo(0.1, 0.9, 0), albedo(0.1, 0.4, 0.8)])
    )
    assert dark[0] < pale[0] - 15 and flushed[1] > pale[1] + 4 and golden[2] > pale[2] + 5


def test_variation_stays_in_range_and_is_reproducible(generator):
    skin = load_skins()["porcelain_freckled"]
    assert varied(skin, 0.0, generator) == skin
    changed = varied(skin, 1.0, np.random.default_rng(1))
    assert changed == varied(skin, 1.0, np.random.default_rng(1)) != skin
    for _ in range(50):
        values = varied(skin, 3.0, generator).numbers.values()
        assert min(values) >= 0 and max(values) <= 1


def test_variation_is_as_large_as_stated_and_leaves_the_person(generator):
    skin = replace(load_skins()["tan"], **dict.fromkeys(VARIED, 0.5))
    many = [varied(skin, 1.0, generator) for _ in range(400)]
    for name in NUMBERS:
        spread = np.std([getattr(other, name) for other in many])
        assert spread == pytest.approx(VARIED.get(name, 0.0), rel=0.2), name
    assert {"melanin", "roughness", "subsurface"} <= VARIED.keys()


@pytest.mark.render
def test_the_shader_changes_colour_the_way_the_formula_does(renderer, job):
    """Two even skins side by side in the same light: pixels differ in the direction of the formula's colours."""
    K = np.diag([0.25, 0.25, 1.0]) @ job.camera.K
    small = replace(job, camera=replace(job.camera, K=K, width=128, height=84), samples=4)
    base = Skin(**(asdict(job.skin_right) | EVEN | {"subsurface": 0.0, "roughness": 1.0}))
    linear = []
    skins = [
        replace(base, melanin=m, haemoglobin=b, carotene=c)
        for m, b, c in ((0.1, 0.4, 0.0), (0.5, 0.4, 0.0), (0.1, 0.4, 0.9))
    ]
    for skin in skins:
        image = renderer.render(replace(small, skin_right=skin, skin_left=skin))
        linear.append(_pixels(image)[image.hands > 0].mean(0))
    seen, said = np.array(linear), np.array([tone(skin) for skin in skins])
    assert (np.sign(np.diff(seen, axis=0)[0]) == np.sign(np.diff(said, axis=0)[0])).all()
    assert seen[1].mean() < 0.8 * seen[0].mean()
    assert (seen[2] / seen[0]).argmin() == (said[2] / said[0]).argmin() == 2


def _pixels(image) -> np.ndarray:
    return np.asarray(image.pixels, dtype=float)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2", "cannot be read as YAML"),
        ("- a", "mapping from skin names"),
        ("a: {melanin: 0.5}", "must have exactly"),
        (
            "a: {" + ", ".join(f"{name}: {2 if name == 'melanin' else 0}" for name in NUMBERS) + ", split: train}",
            "'melanin' of skin 'a'",
        ),
        ("a: {" + ", ".join(f"{name}: 0" for name in NUMBERS) + ", split: dev}", "'split' of skin 'a'"),
    ],
)
def test_bad_files_are_refused_in_one_sentence(tmp_path, text, message):
    file = tmp_path / "skins.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        load_skins(file)
    assert str(file) in str(error.value) and "\n" not in str(error.value)
