"""Skins: named sets of numbers that the procedural skin turns into a look. No pictures, so nothing to license."""

from dataclasses import dataclass, fields, replace
from importlib import resources
from pathlib import Path

import numpy as np
import yaml

from dataset.errors import InputError
from dataset.splits import SPLITS


@dataclass(frozen=True)
class Skin:
    """One person's skin. Every number is between 0 and 1; files are absolute paths."""

    name: str
    melanin: float
    """0 very pale, 1 very dark."""
    haemoglobin: float
    """Redness by blood."""
    carotene: float
    """Yellowness: 0 rosy, 1 golden."""
    roughness: float
    """Microscopic roughness of the highlight: 0 wet, 1 dry."""
    subsurface: float
    """Share of light that scatters below the surface."""
    bump: float
    """Depth of folds and lines: young 0.2, old 1."""
    mottling: float
    """Unevenness of tone: blood and pigment."""
    freckles: float
    """Small dark dots on the back of hand and forearm."""
    age_spots: float
    """Larger ones of old people."""
    veins: float
    """How much veins stand out on the back of the hand."""
    tendons: float
    """The same of the tendons that stretch the fingers: thin people's."""
    hair: float
    """Amount of hair on the back of the hand, the fingers' first segments and the forearm."""
    hair_melanin: float
    """Its colour: 0 fair, 1 black."""
    nail: float
    """Pinkness of the nails; 0 pale."""
    varnish: float
    """Red nail varnish; 0 none, 1 covers."""
    split: str
    """The split that shows it: train, validation or test."""
    texture: str = ""
    """File of a picture that gives the colour instead, see `rendering.skin.textures`; the tone is then the forearm's."""
    normal: str = ""
    """File of its normal map."""
    rough: str = ""
    """File of its roughness."""

    @property
    def numbers(self) -> dict[str, float]:
        """What the material's nodes are set to."""
        return {name: getattr(self, name) for name in NUMBERS}

    @property
    def pictures(self) -> tuple[str, str, str]:
        """Files of colour, normals and roughness, empty where there is none."""
        return self.texture, self.normal, self.rough


NUMBERS = tuple(f.name for f in fields(Skin) if f.type in (float, "float"))
VARIED = {
    "melanin": 0.05,
    "haemoglobin": 0.12,
    "carotene": 0.08,
    "roughness": 0.08,
    "subsurface": 0.08,
    "bump": 0.12,
    "mottling": 0.12,
    "veins": 0.15,
    "tendons": 0.10,
    "nail": 0.08,
}
"""Standard deviation of each number for `variation` 1; the others are a person's own on any day."""


def varied(skin: Skin, variation: float, generator: np.random.Generator) -> Skin:
    """The same person on another day: small changes of tone and texture, `variation` 0 none to 1 clearly different."""
    change = {
        name: float(np.clip(getattr(skin, name) + variation * deviation * generator.standard_normal(), 0, 1))
        for name, deviation in VARIED.items()
    }
    return replace(skin, **change)


def load_skins(file: Path | None = None) -> dict[str, Skin]:
    """Skins by name, in the file's order; the built-in ones when `file` is None.

    Raises:
        InputError: the file is missing or not YAML, or a skin lacks a number, has an unknown one or one outside [0, 1].
    """
    file = Path(file or str(resources.files("blender_assets") / "skins" / "skins.yaml"))
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        kind = error.__class__.__name__
        raise InputError(f"{file}: cannot be read as YAML ({kind}); repair it or name another file") from error
    if not isinstance(content, dict) or not content:
        raise InputError(f"{file}: expected a mapping from skin names to their numbers; see the built-in skins.yaml")
    return {str(name): _skin(file, str(name), values) for name, values in content.items()}


def _skin(file: Path, name: str, values: object) -> Skin:
    if not isinstance(values, dict) or set(values) != {*NUMBERS, "split"}:
        raise InputError(f"{file}: skin '{name}' must have exactly the numbers {', '.join(NUMBERS)} and its split")
    if values["split"] not in SPLITS:
        raise InputError(f"{file}: 'split' of skin '{name}' must be {', '.join(SPLITS)}, found {values['split']!r}")
    for key, value in ((key, values[key]) for key in NUMBERS):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise InputError(f"{file}: '{key}' of skin '{name}' must be a number from 0 to 1, found {value!r}")
    return Skin(name, **{key: float(values[key]) for key in NUMBERS}, split=values["split"])
