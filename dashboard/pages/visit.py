"""What gallery and sample page share: the choice of an address, its layers, and addresses that keep both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

from fastapi import Request

from dashboard.pages.pictures import picture_address
from dashboard.pictures.layers import LAYERS, known_layers
from dashboard.rows.choice import Choice
from dashboard.rows.spot import Spot
from dashboard.watching.run import WatchedRun

_SOURCES = (240, 360, 480, 720)
"""Widths of a small picture among which a browser takes one."""


_TOGGLES = ("joints", "hands", "parts", "depth", "amodal", "boxes")
"""Layers as people are offered them."""


@dataclass(frozen=True)
class Thumbnail:
    """A small picture that leads to its sample's page."""

    spot: Spot
    address: str
    source: str
    sources: str
    """For `srcset`."""

    @property
    def name(self) -> str:
        """Of the sample."""
        return self.spot.sample_id


@dataclass(frozen=True)
class Visit:
    """What a person asked for in an address."""

    run: WatchedRun
    choice: Choice
    layers: tuple[str, ...]

    @classmethod
    def of(cls, run: WatchedRun, request: Request) -> "Visit":
        """Of a request's address."""
        return cls(run, Choice.of(request.query_params), known_layers(request.query_params.getlist("layers")))

    @property
    def shape(self) -> tuple[int, int]:
        """Width and height of the run's pictures, which places for pictures have; 3:2 when no configuration says."""
        return self.run.state.picture_size or (480, 320)

    def gallery(self, choice: Choice | None = None, **more: str) -> str:
        """Address of a gallery page with the same layers."""
        return f"/runs/{quote(self.run.name)}/gallery{self._query(choice or self.choice, more)}"

    def sample(self, sample_id: str) -> str:
        """Address of a sample's page within this choice."""
        return f"/runs/{quote(self.run.name)}/samples/{quote(sample_id, safe='')}{self._query(self.choice, {})}"

    def thumbnail(self, spot: Spot) -> Thumbnail:
        """A small picture of a sample with the layers asked for."""
        picture = lambda width: picture_address(self.run, spot, self.layers, width)  # noqa: E731
        sources = ", ".join(f"{picture(width)} {width}w" for width in _SOURCES)
        return Thumbnail(spot, self.sample(spot.sample_id), picture(360), sources)

    def without(self, name: str) -> str:
        """Address of the gallery with a filter less."""
        return self.gallery(self.choice.without(name))

    def shuffled(self) -> str:
        """Address of the gallery in another random order."""
        seed = self.choice.seed + 1 if self.choice.order == "random" else 1
        return self.gallery(replace(self.choice, order="random", seed=seed))

    def newest(self) -> str:
        """Address of the gallery with the newest images first."""
        return self.gallery(replace(self.choice, order="newest", seed=0))

    @property
    def toggles(self) -> list[tuple[str, str, bool]]:
        """Name, title and whether it is drawn, of each layer."""
        titles = {layer.name: layer.title for layer in LAYERS}
        return [(name, titles[name], name in self.layers) for name in _TOGGLES]

    def _query(self, choice: Choice, more: Mapping[str, str]) -> str:
        query = choice.query | ({"layers": ",".join(self.layers)} if self.layers else {}) | dict(more)
        return f"?{urlencode(query, safe=',')}" if query else ""


def legend(layers: Sequence[str]) -> list[tuple[str, str]]:
    """What the marks of these layers mean: (CSS class of the mark, meaning)."""
    fingers = ("thumb", "index", "middle", "ring", "pinky")
    states = (
        ("full", "visible"),
        ("hollow", "hidden by the same hand"),
        ("hollow square", "hidden by the other hand"),
        ("wedge", "outside the image"),
    )
    hands = (("right-hand", "right hand"), ("left-hand", "left hand"))
    found: list[tuple[str, str]] = []
    if set(layers) & {"hands", "amodal", "boxes", "joints"}:
        found += hands
    if set(layers) & {"joints", "parts"}:
        found += [(finger, finger) for finger in fingers]
    if "joints" in layers:
        found += states
    if "depth" in layers:
        found += [("ramp", "near to far")]
    return found
