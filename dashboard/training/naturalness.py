"""What `render-ih train naturalness` leaves: all of its figures at once, at the end."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dashboard.training.curves import Curve, CurveView
from dashboard.training.files import Signs, find

CHECKPOINT, FIGURES = "naturalness.safetensors", "metrics.json"
NETWORK = "Natural discriminator"
_LARGEST = 1 << 22
_CURVES = {"training": "loss", "held_out": "val/loss"}
_GROUPS = {"held_out": "held out", "natural_poses": "natural poses", "force": "force"}


@dataclass(frozen=True)
class Naturalness:
    """Figures of one trained network."""

    curves: Mapping[str, CurveView] = field(default_factory=dict)
    """Over epochs; each is the mean over the trainings that hold out a share of the gestures."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Name to value, judged at the end."""
    folds: int = 0
    epochs: int = 0
    about: str = ""
    """What it learned from."""
    seed: int | None = None


def is_naturalness(folder: Path) -> bool:
    """Whether a folder holds a trained natural discriminator."""
    return (folder / CHECKPOINT).is_file() and (folder / FIGURES).is_file()


class NaturalnessFile:
    """`metrics.json` of one folder, read again when it has changed."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read yet."""
        self._folder, self._signs = folder, Signs()
        self.figures: Naturalness | None = None
        """None: there is nothing that can be read."""

    def read(self) -> bool:
        """Whether it has changed."""
        found = find(self._folder, FIGURES)
        signs = found.signs if found else Signs()
        if signs == self._signs:
            return False
        self._signs, self.figures = signs, None
        if found:
            try:
                with found.open() as file:
                    self.figures = _figures(json.loads(file.read(_LARGEST)))
            except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
                return True
        return True


def _figures(content: Mapping[str, Any]) -> Naturalness:
    curves = {name: _curve(content["curve"][told]) for told, name in _CURVES.items() if content["curve"].get(told)}
    figures = {
        f"{words}: {str(name).replace('_', ' ')}": float(value)
        for group, words in _GROUPS.items()
        for name, value in content.get(group, {}).items()
    }
    config, seed = content["config"], content.get("seed")
    about = str(content["data"]["about"])[:300]
    return Naturalness(curves, figures, int(config["folds"]), int(config["epochs"]), about, seed)


def _curve(values: Sequence[float]) -> CurveView:
    curve = Curve()
    for epoch, value in enumerate(values[:100_000], 1):
        curve.add(epoch, float(value))
    return curve.view()
