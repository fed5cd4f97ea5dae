"""Skins: the built-in ones, their variation, and what is refused."""

from dataclasses import fields

import numpy as np
import pytest

from dataset.errors import InputError
from rendering.skins import load_skins, varied


def test_built_in_skins_span_pale_to_dark():
    skins = list(load_skins().values())
    melanin = np.array([skin.melanin for skin in skins])
    assert len(skins) >= 12 and melanin.min() < 0.1 and melanin.max() > 0.85
    assert np.diff(np.sort(melanin)).max() < 0.2


def test_variation_stays_in_range_and_is_reproducible(generator):
    skin = load_skins()["porcelain_young"]
    assert varied(skin, 0.0, generator) == skin
    changed = varied(skin, 1.0, np.random.default_rng(1))
    assert changed == varied(skin, 1.0, np.random.default_rng(1)) != skin
    for _ in range(50):
        values = [getattr(varied(skin, 3.0, generator), f.name) for f in fields(skin) if f.name != "name"]
        assert min(values) >= 0 and max(values) <= 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2", "cannot be read as YAML"),
        ("- a", "mapping from skin names"),
        ("a: {melanin: 0.5}", "must have exactly"),
        (
            "a: {melanin: 2, haemoglobin: 0, roughness: 0, subsurface: 0, bump: 0, mottling: 0, veins: 0, nail: 0}",
            "'melanin' of skin 'a'",
        ),
    ],
)
def test_bad_files_are_refused_in_one_sentence(tmp_path, text, message):
    file = tmp_path / "skins.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        load_skins(file)
    assert str(file) in str(error.value) and "\n" not in str(error.value)
