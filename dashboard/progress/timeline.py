"""Shards made over time: a line a worker, a bar a shard, drawn as SVG in percent of its place."""

import html
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from markupsafe import Markup

from dashboard.watching.pulse import WorkerState
from dashboard.watching.run import RunState
from dashboard.watching.told import in_order, number, text
from dashboard.wording import count, duration
from tasks.observing.history import Line

ROWS = 24
"""Workers that are drawn at most."""
HOURS = 24
"""That are looked back at most."""
_ROW, _AXIS = 24, 24
"""Heights in pixels."""
_NARROW, _GAP = 0.006, 0.0015
"""Parts of the whole time: bars narrower than this, that are no further apart, are drawn as one."""
_STEPS = tuple(60 * minutes for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360))
"""Seconds between two lines of the axis."""
_TICKS = 5
_COLOURS = {"images": "c1", "poses": "c3", "plan": "c4", "collect": "none"}


@dataclass(frozen=True)
class Bar:
    """A shard, or several short ones."""

    stage: str
    begin: float
    """Seconds since 1970, on the clock of the run's leader."""
    end: float
    told: str
    shards: int = 1
    is_open: bool = False
    """Whether it is still being made."""


@dataclass(frozen=True)
class Timeline:
    """What is drawn."""

    names: Sequence[str]
    """Of the workers, from above."""
    drawing: Markup
    seconds: float
    """From the left end to the right one."""
    more: int
    """Workers that are not drawn."""
    stages: Sequence[tuple[str, str]]
    """Name and CSS class of the stages that are drawn."""


def timeline(run: RunState) -> Timeline | None:
    """Of the last hours of a run; None where no line says who made what."""
    lines = [(when, line) for line in run.history if text(line, "worker") and (when := _finished(line)) is not None]
    if not lines:
        return None
    latest, last = max(lines, key=lambda one: one[0])
    end = latest + _since(run.workers, text(last, "worker"))
    recent, hands = [one for one in lines if one[0] > end - 3600 * HOURS], _in_hand(run.workers, end)
    newest = {text(line, "worker"): when for when, line in sorted(recent, key=lambda one: one[0])}
    newest |= dict.fromkeys(hands, end)
    if not newest:
        return None
    names = sorted(sorted(newest, key=lambda name: (-newest[name], in_order(name)))[:ROWS], key=in_order)
    drawn = set(names)
    bars = _bars([one for one in recent if text(one[1], "worker") in drawn])
    for name in names:
        bars[name].extend(hands.get(name, ()))
    begin = max(end - 3600 * HOURS, min(bar.begin for name in names for bar in bars[name]))
    return _timeline(
        names, bars, max(end - begin, 60.0), end, len(newest) - len(names), "now" if hands else "last shard"
    )


def _timeline(
    names: Sequence[str], bars: Mapping[str, Sequence[Bar]], span: float, end: float, more: int, now: str
) -> Timeline:
    rows = "".join(_row(row, _joined(bars[name], span), end - span, span) for row, name in enumerate(names))
    drawing = _drawing(len(names), _axis(len(names), span, now) + rows)
    stages = {bar.stage for name in names for bar in bars[name]}
    return Timeline(names, drawing, span, more, [(stage, css) for stage, css in _COLOURS.items() if stage in stages])


def _in_hand(workers: Sequence[WorkerState], end: float) -> dict[str, list[Bar]]:
    """Of each worker that is at a shard: up to now."""
    bars = {}
    for worker in workers:
        if worker.is_at_work and (shard := text(worker.record, "shard")):
            begin, stage = end - worker.in_hand, text(worker.record, "stage")
            bars[worker.name] = [Bar(stage, begin, end, f"{shard}: in hand", is_open=True)]
    return bars


def _bars(lines: Sequence[tuple[float, Line]]) -> defaultdict[str, list[Bar]]:
    """By worker. A leader sees shards a little late, so that a bar may begin before the last one ends: then it is cut."""
    bars = defaultdict[str, list[Bar]](list)
    for end, line in sorted(lines, key=lambda one: one[0]):
        made = bars[text(line, "worker")]
        begin = max(end - number(line, "seconds"), made[-1].end if made else 0.0)
        made.append(Bar(text(line, "stage"), min(begin, end), end, _told(line)))
    return bars


def _told(line: Line) -> str:
    rows, refused = int(number(line, "rows")), int(number(line, "refused"))
    more = f", {refused:,} refused" if refused else ""
    return f"{text(line, 'shard')}: {count(rows, 'row')}{more} in {duration(number(line, 'seconds'))}"


def _joined(bars: Sequence[Bar], span: float) -> Iterator[Bar]:
    """Neighbours that would be too narrow to tell apart become one."""
    last: Bar | None = None
    for bar in bars:
        alike = last is not None and last.stage == bar.stage and not bar.is_open
        short = last is not None and min(bar.end - bar.begin, (last.end - last.begin) / last.shards) < _NARROW * span
        if alike and short and bar.begin - last.end < _GAP * span:
            shards = last.shards + 1
            last = replace(last, end=bar.end, shards=shards, told=f"{shards:,} shards")
            continue
        if last is not None:
            yield last
        last = bar
    if last is not None:
        yield last


def _row(row: int, bars: Iterator[Bar], begin: float, span: float) -> str:
    return "".join(_rectangle(row, bar, begin, span) for bar in bars if bar.end > begin)


def _rectangle(row: int, bar: Bar, begin: float, span: float) -> str:
    left, right = (100 * (max(when, begin) - begin) / span for when in (bar.begin, bar.end))
    width = max(right - left - 0.08, 0.12)
    css = _COLOURS.get(bar.stage, "none") + (" open" if bar.is_open else "")
    place = f'x="{left:.2f}%" y="{row * _ROW + 5}" width="{width:.2f}%" height="{_ROW - 10}" rx="2"'
    return f'<rect class="{css}" {place}><title>{html.escape(bar.told)}</title></rect>'


def _axis(rows: int, span: float, end: str) -> str:
    step = next((step for step in _STEPS if span / step <= _TICKS), _STEPS[-1])
    height, marks = rows * _ROW, []
    for number_of in range(1, int(span / step) + 1):
        place = 100 * (1 - number_of * step / span)
        if place < 4:
            break
        marks.append(f'<line class="rule" x1="{place:.2f}%" x2="{place:.2f}%" y1="0" y2="{height}"/>')
        marks.append(_label(place, height, "middle", f"−{duration(number_of * step)}"))
    return "".join(marks) + _label(100, height, "end", end)


def _label(place: float, height: int, anchor: str, words: str) -> str:
    return f'<text class="faint" x="{place:.2f}%" y="{height + 17}" text-anchor="{anchor}">{words}</text>'


def _drawing(rows: int, content: str) -> Markup:
    lines = "".join(
        f'<line class="rule" x1="0" x2="100%" y1="{y}" y2="{y}"/>' for y in range(_ROW, rows * _ROW + 1, _ROW)
    )
    return Markup(f'<svg width="100%" height="{rows * _ROW + _AXIS}" role="img">{lines}{content}</svg>')


def _since(workers: Sequence[WorkerState], last: str) -> float:
    """Seconds since the last shard was made: its worker has had the next one in hand for so long."""
    hands: Mapping[bool, list[float]] = defaultdict(list)
    for worker in workers:
        if worker.is_at_work and text(worker.record, "shard"):
            hands[worker.name == last].append(worker.in_hand)
    return min(hands[True] or hands[False], default=0.0)


def _finished(line: Line) -> float | None:
    """Seconds since 1970."""
    try:
        told = datetime.fromisoformat(text(line, "finished"))
    except ValueError:
        return None
    return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()
