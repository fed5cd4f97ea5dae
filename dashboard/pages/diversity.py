"""How varied a dataset is: its poses on a map, its cameras, environments, skins and light, and what is missing."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from markupsafe import Markup

from dashboard.desk import Desk
from dashboard.diversity import charts, pose_map
from dashboard.diversity.coverage import EGOCENTRIC, Coverage, coverage, environment_splits, is_planned
from dashboard.diversity.holes import DIRECTIONS, holes, too_few
from dashboard.diversity.placing import elsewhere
from dashboard.rows.index import RowIndex
from dashboard.watching.background import Answer
from dashboard.watching.run import RunState, WatchedRun
from dataset.inspection.charts import histogram

_DOTS = 600
"""Cameras drawn on the sphere."""
_NUMBERS = (
    ("distance", "Distance of the camera", "m", "to the middle of both hands"),
    ("hdri_strength", "Strength of the light", "", "factor on the metered light"),
    ("exposure", "Exposure", "stops", "beyond the metered one"),
)
_POSE = "SELECT base_pose, source, split, augmentation FROM poses WHERE pose_id = ? LIMIT 1"
_IMAGES = "SELECT count(*), min(sample_id) FROM samples WHERE pose_id = ?"


def router(desk: Desk) -> APIRouter:
    """`/runs/NAME/diversity`, the map's dots, and what is said of one of them."""
    routes, counted = APIRouter(), _Counted()

    @routes.get("/runs/{name}/diversity")
    def diversity(request: Request, name: str) -> Response:
        run = desk.run(name)
        content = lambda: _content(desk, run, counted.coverage(desk.index(run), run.state))  # noqa: E731
        return desk.page(request, "diversity.html", "diversity", content, run)

    @routes.get("/runs/{name}/diversity/map.json")
    def dots(name: str) -> Response:
        run = desk.run(name)
        value = _map(desk, run)[0].value
        if value is None:
            raise HTTPException(404, f"There is no map of the poses of {run.name} yet.")
        return JSONResponse(value.content(), headers={"Cache-Control": "no-cache"})

    @routes.get("/runs/{name}/diversity/pose")
    def pose(name: str, id: str) -> Response:
        run = desk.run(name)
        index = desk.index(run)
        found = index.ask(_POSE, [id])
        if not found:
            raise HTTPException(404, f"{run.name} has no pose called “{id[:80]}”.")
        (base, source, split, augmentation), (images, first) = found[0], index.ask(_IMAGES, [id])[0]
        told = {"base": base, "source": source, "split": split, "augmentation": augmentation}
        page = desk.templates.get_template("diversity_pose.html").render(
            run=run.state, pose=id, images=images, sample=first, **told
        )
        return Response(page, media_type="text/html; charset=utf-8", headers={"Cache-Control": "no-cache"})

    return routes


class _Counted:
    """Counts of each run: other runs change the version of all pages, but not these."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Hashable, Coverage]] = {}

    def coverage(self, index: RowIndex, state: RunState) -> Coverage:
        """What there is, counted again only when it has changed."""
        key = (index.version, state.is_finished, is_planned(state))
        kept = self._kept.get(state.name)
        if kept is None or kept[0] != key:
            kept = self._kept[state.name] = (key, coverage(index, state))
        return kept[1]


def _content(desk: Desk, run: WatchedRun, found: Coverage) -> Mapping[str, Any]:
    state = run.state
    poses, missing = _map(desk, run)
    narrow = poses.value.narrow if poses.value else ()
    cameras = _cameras(desk, run, found) if found.images else Answer()
    return {
        "found": found,
        "directions": DIRECTIONS,
        "holes": holes(found, state.config, narrow, len(environment_splits())),
        "too_few": too_few(found) if found.images else "",
        "poses": poses,
        "map_missing": missing,
        "map_of": poses.value.version if poses.value else "",
        "fewest": pose_map.FEWEST,
        "globes": Markup(cameras.value) if cameras.value else "",
        "cameras": cameras,
        "dots": min(_DOTS, found.images),
        "map": Markup(charts.directions(found.cameras, found.egocentric)),
        "usages": _usages(found, f"/runs/{run.name}/gallery?"),
        "numbers": _numbers(found),
        "splits": Markup(charts.splits(found)) if found.splits else "",
    }


def _map(desk: Desk, run: WatchedRun) -> tuple[Answer, str]:
    """The map as far as there is one, and, where none can be made yet, why."""
    index, state = desk.index(run), run.state
    count = index.ask("SELECT count(*) FROM poses")[0][0]
    name = ("pose map", run.name)
    if state.manifest is None or count < pose_map.FEWEST:
        return Answer(), f"A map needs {pose_map.FEWEST} poses or more; there {'is' if count == 1 else 'are'} {count}."
    if count < state.rows("poses") and index.waiting:
        return Answer(), "The map is made as soon as all poses are read."
    manifest = state.manifest
    is_complete = is_planned(state) or bool(manifest.shards["plan"])
    version = (pose_map.version(count, is_complete), *sorted(manifest.runs))
    compute = lambda: pose_map.pose_map(run.store, manifest, pose_map.chosen(index), count)  # noqa: E731
    return desk.background.answer(name, version, compute), ""


def _cameras(desk: Desk, run: WatchedRun, found: Coverage) -> Answer:
    """Cameras on the sphere, drawn anew when there are a quarter more."""
    index, state = desk.index(run), run.state
    version = (pose_map.version(found.images, state.is_finished and not index.waiting), *sorted(state.manifest.runs))
    return desk.background.answer(("cameras", run.name), version, lambda: _globes(index))


def _globes(index: RowIndex) -> str:
    sql = (
        "SELECT camera_x x, camera_y y, camera_z z, viewpoint = $own AS own FROM samples "
        "ORDER BY hash(sample_id), sample_id LIMIT $most"
    )
    found = index.columns(sql, {"own": EGOCENTRIC, "most": _DOTS})
    places = np.stack([np.ma.filled(found[axis], np.nan) for axis in "xyz"], axis=1).astype(np.float64)
    lengths = np.linalg.norm(places, axis=1)
    real = np.isfinite(lengths) & (lengths > 0)
    given = {"directions": places[real] / lengths[real, None], "egocentric": found["own"][real].astype(bool)}
    return str(elsewhere("cameras", given)["svg"])


def _usages(found: Coverage, gallery: str) -> list[dict[str, Any]]:
    """The charts of names: what is used, how often, and how often even use would be."""
    kinds = (
        ("environment", "Environments", found.environments, "image"),
        ("skin", "Skins", found.skins, "image"),
        ("base_pose", "Base poses", found.bases, "pose"),
    )
    draw = lambda key, kind, noun: Markup(charts.usage(kind, noun, f"No {noun} yet.", f"{gallery}{key}="))  # noqa: E731
    return [
        {"id": key, "title": title, "kind": kind, "chart": draw(key, kind, noun)} for key, title, kind, noun in kinds
    ]


def _numbers(found: Coverage) -> list[dict[str, Any]]:
    drawn = [
        {"title": title, "note": note, "chart": Markup(histogram(found.numbers[name], unit))}
        for name, title, unit, note in _NUMBERS
        if name in found.numbers
    ]
    turned = {"title": "Turn of the light", "note": "about the vertical", "chart": Markup(charts.turns(found.turns))}
    return [*drawn, turned] if found.images else []
