"""Writes samples, and the program that shows them, as one HTML file."""

import base64
import html
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any, Literal

from dataset.atomic import atomic_write
from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.viewer.content import constants, sample
from dataset.viewer.samples import views_of_poses
from hands.joints import Side
from hands.model import HandModel

PAGE = "view.html"
_MODULES = {
    "three": "three/three.module.min.js",
    "orbit-controls": "three/OrbitControls.js",
    "viewer/data": "data.js",
    "viewer/picture": "picture.js",
    "viewer/scene": "scene.js",
}
"""Name by which scripts import each other, to file."""


def write_view(
    manifest: Manifest, rows: Sequence[Mapping[str, Any]], hands: Mapping[Side, HandModel], path: Path | None = None
) -> Path:
    """Write whole rows of `images` as a page, inside the dataset unless `path` is given; the path written.

    Raises:
        InputError: a shard is missing or damaged, a picture cannot be decoded, or the page cannot be written.
    """
    path = path or manifest.folder / PAGE
    atomic_write(path, page(manifest, rows, hands))
    return path


def page(
    manifest: Manifest,
    rows: Sequence[Mapping[str, Any]],
    hands: Mapping[Side, HandModel],
    views: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    theme: Literal["", "light", "dark"] = "",
    only_scene: bool = False,
) -> str:
    """The whole self-contained page: it loads nothing, and its own policy forbids it to.

    Args:
        manifest: of the dataset.
        rows: whole rows of `images`.
        hands: that the dataset was made with.
        views: images of each pose as `views_of_poses` gives them; None: they are looked up in the dataset's files.
        theme: empty: as the system says.
        only_scene: the hands in space alone, for a frame within another page.

    Raises:
        InputError: a shard is missing or damaged, or a picture cannot be decoded.
    """
    views = views_of_poses(manifest, [row["pose_id"] for row in rows]) if views is None else views
    name = manifest.folder.resolve().name
    content = constants(hands) | {"samples": [_sample(row, hands, views[row["pose_id"]]) for row in rows]}
    texts = {
        "title": html.escape(name),
        "subtitle": f"{len(rows)} of {manifest.rows('images'):,} images",
        "look": f"{theme}{' only-scene' if only_scene else ''}".strip(),
        "licence": _own("three/LICENSE"),
        "style": _own("viewer.css"),
        "program": _own("viewer.js"),
        "modules": json.dumps({"imports": {name: _module(file) for name, file in _MODULES.items()}}),
        "data": _script_json(content),
    }
    return Template(_own("viewer.html")).substitute(texts)


def _sample(
    row: Mapping[str, Any], hands: Mapping[Side, HandModel], views: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    try:
        return sample(row, hands, views)
    except (OSError, SyntaxError) as error:  # what PIL raises for bytes that are no picture
        raise InputError(
            f"{row['sample_id']}: a picture cannot be decoded ({error}); `render-ih verify` lists what is damaged"
        ) from error


def _own(name: str) -> str:
    return resources.files("dataset.viewer").joinpath(name).read_text(encoding="utf-8")


def _module(name: str) -> str:
    """A script as an address, since a page opened from a disk may not import files beside it."""
    return "data:text/javascript;base64," + base64.b64encode(_own(name).encode()).decode()


def _script_json(content: Mapping[str, Any]) -> str:
    """JSON that cannot end the script element around it."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
