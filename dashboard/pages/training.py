"""Trainings: all of them, one of them with its curves and pictures, several beside each other."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Request, Response

from dashboard.desk import Desk
from dashboard.training.charts import charts_of, comparison
from dashboard.training.job import TrainingHealth
from dashboard.training.pictures import picture
from dashboard.training.views import chosen_pictures
from dashboard.training.watched import TrainingState, WatchedTraining
from dashboard.training.words import command, light, metric_rows, notices, summary, tiles
from dataset.errors import InputError
from tasks.training_job.trainer import IHDIFF, TRANSHAND

_URGENT = (TrainingHealth.RUNNING, TrainingHealth.QUIET, TrainingHealth.STALLED, TrainingHealth.FAILED)
_COMPARED = 8


def router(desk: Desk) -> APIRouter:
    """`/training`, `/training/NAME` and the pictures of a training."""
    routes = APIRouter()

    @routes.get("/training")
    def trainings(request: Request) -> Response:
        asked = [name for told in request.query_params.getlist("compare") for name in told.split(",")]
        states = [training.state for training in list(desk.catalogue.trainings.values())]
        is_log = request.query_params.get("scale") == "log"
        content = lambda: _list(states, asked, is_log)  # noqa: E731
        return desk.page(request, "trainings.html", "training", content)

    @routes.get("/training/{name}")
    def training(request: Request, name: str) -> Response:
        watched = desk.training(name)
        content = lambda: _training(watched, request.query_params)  # noqa: E731
        return desk.page(request, "training.html", "training", content)

    @routes.get("/training/{name}/pictures/{step}/{file}")
    def shown(request: Request, name: str, step: str, file: str) -> Response:
        return _picture(request, desk.training(name), step, file)

    return routes


def _list(states: Sequence[TrainingState], asked: Sequence[str], is_log: bool) -> dict[str, Any]:
    networks: dict[str, list[TrainingState]] = {}
    for state in sorted(states, key=_by_urgency):
        networks.setdefault(state.network, []).append(state)
    return {
        "groups": [_group(network, members, asked, is_log) for network, members in networks.items()],
        "is_log": is_log,
        "compared": asked,
        "missing": _missing(),
    }


def _by_urgency(state: TrainingState) -> tuple[int, float, str]:
    place = _URGENT.index(state.health) if state.health in _URGENT else len(_URGENT)
    return place, round(state.quiet), state.name


def _group(network: str, members: Sequence[TrainingState], asked: Sequence[str], is_log: bool) -> dict[str, Any]:
    names = [state.name for state in members]
    chosen = [name for name in names if name in asked][:_COMPARED] or names[:_COMPARED]
    curves = {state.name: state.curves for state in members if state.name in chosen}
    charts = comparison(curves, is_log, members[0].unit) if len(members) > 1 else []
    return {"network": network, "rows": [summary(state) for state in members], "chosen": chosen, "charts": charts}


def _missing() -> list[str]:
    """Networks whose trainer this version does not have."""
    names = []
    for trainer in (IHDIFF, TRANSHAND):
        try:
            trainer.check()
        except InputError:
            names.append(trainer.network)
        except ImportError:  # the trainer is there, and what it needs is not on this machine
            continue
    return names


def _training(watched: WatchedTraining, asked: Mapping[str, str]) -> dict[str, Any]:
    state, is_log = watched.state, asked.get("scale") == "log"
    kept = {name: asked[name] for name in ("scale", "at", "sample") if asked.get(name)}
    return {
        "state": state,
        "light": light(state.health),
        "notices": notices(state),
        "tiles": tiles(state),
        "progress": summary(state).progress,
        "charts": charts_of(state.curves, is_log, state.unit),
        "is_log": is_log,
        "scales": {scale: _address(watched.name, kept | {"scale": scale}) for scale in ("", "log")},
        "rows": metric_rows(state),
        "pictures": chosen_pictures(watched, asked.get("at", ""), asked.get("sample", "")[:200], kept),
        "command": command(state),
    }


def _address(name: str, asked: Mapping[str, str]) -> str:
    told = {key: value for key, value in asked.items() if value}
    return f"/training/{name}" + (f"?{urlencode(told)}" if told else "")


def _picture(request: Request, watched: WatchedTraining, step: str, file: str) -> Response:
    """A picture that is in the training's listing."""
    known = picture(watched.path, int(step), file) if step.isascii() and step.isdigit() and len(step) < 16 else None
    if known is None:
        raise HTTPException(404, f"The training {watched.name} has no such picture any more.")
    found, media_type = known
    etag = f'"{found.signs.size:x}-{found.signs.changed:x}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    try:
        with found.open() as opened:
            content = opened.read(found.signs.size)
    except OSError as error:
        raise HTTPException(404, f"A picture of {watched.name} cannot be read now.") from error
    return Response(content, media_type=media_type, headers=headers)
