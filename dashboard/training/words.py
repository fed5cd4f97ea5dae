"""Rows, tiles and sentences of a training's page."""

import json
import math
import shlex
from collections.abc import Mapping
from typing import NamedTuple

from dashboard.training.curves import CurveView
from dashboard.training.job import TrainingHealth
from dashboard.training.names import Metric, figure, headline, metric, ordered, spoken
from dashboard.training.watched import TrainingState
from dashboard.wording import count, duration, number, rate, share
from tasks.ihdiff.training.job_config import IHDiffJobConfig
from tasks.training_job.trainer import IHDIFF, TRANSHAND, VAE
from tasks.transhand.training.job_config import TransHandJobConfig

FLOWS = {
    IHDIFF.network: "flows.train_ihdiff",
    VAE.network: "flows.train_ihdiff",
    TRANSHAND.network: "flows.train_transhand",
}
"""By network, the module whose `train_without_server` trains it."""
_LIGHTS = {
    TrainingHealth.RUNNING: "working",
    TrainingHealth.QUIET: "late",
    TrainingHealth.STALLED: "bad",
    TrainingHealth.FAILED: "bad",
    TrainingHealth.FINISHED: "good",
}
_LEVELS = {TrainingHealth.QUIET: "late", TrainingHealth.STALLED: "bad", TrainingHealth.FAILED: "bad"}


class MetricRow(NamedTuple):
    """A metric in the table."""

    metric: Metric
    newest: str
    at: str
    change: str
    is_better: bool | None
    """Whether the change is for the better; None where that cannot be said."""
    lowest: str
    lowest_at: str
    highest: str
    highest_at: str
    best: str
    """"lowest", "highest", or nothing."""


class Summary(NamedTuple):
    """A training in a line of the list."""

    state: TrainingState
    light: str
    loss: str
    headline: str
    """Name of the metric by which it is judged."""
    newest: str
    best: str
    progress: float | None
    """Share of its steps that are done."""


def light(health: TrainingHealth) -> str:
    """CSS class of the light that stands for it."""
    return _LIGHTS.get(health, "")


def summary(state: TrainingState) -> Summary:
    """What the list tells of it."""
    name = headline(state.curves)
    loss, judged = state.curves.get("loss"), state.curves.get(name)
    one = metric(name)
    best = _best(one, judged) if judged else None
    progress = None
    if state.total and state.step is not None:
        progress = min(1.0, max(0.0, state.step / state.total))
    return Summary(
        state,
        light(state.health),
        figure(_recent(loss)) if loss else "–",
        one.title if name else "",
        figure(judged.newest, one.unit) if judged else "–",
        figure(best[0]) if best else "",
        progress,
    )


def tiles(state: TrainingState) -> list[tuple[str, str, str]]:
    """(name, value, note) of the figures at the top."""
    found = [_step_tile(state)]
    if state.left is not None:
        found.append(("time left", duration(state.left), "at this pace"))
    if state.pace and state.health in (TrainingHealth.RUNNING, TrainingHealth.QUIET):
        found.append(("pace", rate(state.pace), f"{state.unit}s"))
    if loss := state.curves.get("loss"):
        found.append(("loss", figure(_recent(loss)), "newest mean" if loss.is_condensed else ""))
    if name := headline(state.curves):
        one, curve = metric(name), state.curves[name]
        best = _best(one, curve)
        note = f"best {figure(best[0])} at {number(best[1])}" if best else ""
        found.append((f"{one.title}, {spoken(one.split)}", figure(curve.newest, one.unit), note))
    return found


def _step_tile(state: TrainingState) -> tuple[str, str, str]:
    if not state.total or state.step is None:
        return state.unit, number(state.step), ""
    return state.unit, number(state.step), f"of {number(state.total)}, {share(state.step, state.total)}"


def notices(state: TrainingState) -> list[tuple[str, str]]:
    """(level, sentence) of what there is to say before anything else."""
    found = [("bad", state.trouble)] if state.trouble else []
    if state.health in _LEVELS or state.health is TrainingHealth.STOPPED:
        found.append((_LEVELS.get(state.health, ""), state.sentence))
    if state.note.trouble:
        found.append(("late", state.note.trouble))
    if state.waiting:
        found.append(("", f"Reading metrics: {share(1 - state.waiting)} so far; curves are of what is read."))
    found += [("late", sentence) for sentence in _unusable(state.curves)]
    if state.went_back:
        before, after = map(number, state.went_back)
        found.append(
            ("", f"After step {before} it went on from step {after}; what was measured in between was replaced.")
        )
    if state.faulty:
        found.append(
            ("", f"{count(state.faulty, 'line')} of metrics.jsonl cannot be read (no JSON object with a step).")
        )
    if state.left_out:
        found.append(("", f"{count(state.left_out, 'further metric')} cannot be shown: a training may have 200."))
    return found


def _unusable(curves: Mapping[str, CurveView]) -> list[str]:
    bad = {name: curve for name, curve in curves.items() if curve.unusable}
    if not bad:
        return []
    name, curve = max(bad.items(), key=lambda item: item[1].unusable_at)
    others = f", and so were values of {count(len(bad) - 1, 'further metric')}" if len(bad) > 1 else ""
    times = count(curve.unusable, "time")
    return [
        f"{name} was not a finite number {times}, last at step {number(curve.unusable_at)}{others}; curves leave them out."
    ]


def metric_rows(state: TrainingState) -> list[MetricRow]:
    """All metrics of a training."""
    return [_row(one, state.curves[one.name]) for one in ordered(state.curves)]


def _row(one: Metric, curve: CurveView) -> MetricRow:
    lowest, highest, change = curve.lowest, curve.highest, curve.change
    last = curve.bins[-1].last if curve.bins else None
    is_better = None
    if change and one.better:
        is_better = (change < 0) == (one.better == "lower")
    return MetricRow(
        one,
        figure(curve.newest, one.unit),
        number(last),
        "" if one.is_bookkeeping else _change(curve, change),
        is_better,
        figure(lowest and lowest[0], one.unit),
        number(lowest and lowest[1]),
        figure(highest and highest[0], one.unit),
        number(highest and highest[1]),
        {"lower": "lowest", "higher": "highest", "": ""}[one.better],
    )


def _change(curve: CurveView, change: float | None) -> str:
    """In percent of what it was before."""
    if change is None or curve.newest is None:
        return ""
    tenth = max(1, len(curve.bins) // 10)
    before = sum(part.mean * part.count for part in curve.bins[-2 * tenth : -tenth])
    before /= sum(part.count for part in curve.bins[-2 * tenth : -tenth])
    percent = 100 * change / abs(before) if before else math.nan
    if not math.isfinite(percent) or abs(percent) >= 1000:
        return ""
    return "0 %" if abs(percent) < 0.05 else f"{percent:+.1f} %".replace("-", "−")


def _best(one: Metric, curve: CurveView) -> tuple[float, float] | None:
    return {"lower": curve.lowest, "higher": curve.highest, "": None}[one.better]


def _recent(curve: CurveView) -> float | None:
    """The newest value; of a curve of many values a point, the mean of the newest two."""
    if not curve.bins or not curve.is_condensed:
        return curve.newest
    parts = curve.bins[-2:]
    return sum(part.total for part in parts) / sum(part.count for part in parts)


def command(state: TrainingState) -> str:
    """What starts the same job again in a shell of this project; empty where nothing says how."""
    module, config = FLOWS.get(state.network), state.note.config
    if module is None or not {"dataset", "out"} <= config.keys():
        return ""
    kind = TransHandJobConfig if state.network == TRANSHAND.network else IHDiffJobConfig
    defaults = {name: field.default for name, field in kind.model_fields.items()}
    told = {name: value for name, value in config.items() if name in defaults and value != _plain(defaults[name])}
    words = ", ".join(f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in told.items())
    code = f"from {module} import train_without_server as train; train({{{words}}})"
    return f"python -c {shlex.quote(code)}"


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
