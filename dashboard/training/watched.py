"""A training as it is now: what it measured, how it is, its attempts, its last lines, its checkpoints."""

import logging
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from dashboard.training.curves import CurveView
from dashboard.training.files import Signs as FileSigns
from dashboard.training.files import ending, find, inside
from dashboard.training.job import JobNote, Signs, TrainingHealth, judge, read_job
from dashboard.training.metrics import MetricsFile
from dashboard.training.naturalness import FIGURES, NETWORK, Naturalness, NaturalnessFile, is_naturalness
from dashboard.training.pictures import steps_of
from dataset.atomic import is_partial
from tasks.training_job.job import CHECKPOINTS, FILE, HEARTBEAT, METRICS

Clock = Callable[[], float]
LOG = "training.log"
BUDGET = 2.0
"""Seconds that one look may spend on a long file of metrics; the next look goes on."""
LINES, WIDEST = 60, 400
"""Of the log's end that are shown, and characters of each."""
_TAIL = 1 << 15
_AFTER = 2_000_000_000
"""Nanoseconds by which a change is later than a note, not part of the same ending."""
_LONG = 30.0
"""Seconds over which a pace is seen from outside, when lines tell no seconds."""
_MOST_CHECKPOINTS = 100_000
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingState:
    """What one look at a training has found; pages never wait for its files."""

    name: str
    """In addresses of pages."""
    place: str
    note: JobNote = field(default_factory=JobNote)
    health: TrainingHealth = TrainingHealth.RUNNING
    sentence: str = "It has not been looked at yet."
    """How it is and what to do, in words."""
    quiet: float = field(default=0.0, compare=False)
    """Seconds since its last sign of life."""
    curves: Mapping[str, CurveView] = field(default_factory=dict)
    """By metric."""
    unit: str = "step"
    """What curves count."""
    step: float | None = None
    total: float | None = None
    """Step at which it ends, where that is known."""
    pace: float | None = None
    """Steps a second; None when that cannot be told."""
    waiting: float = 0.0
    """Share of its metrics that is still to be read."""
    faulty: int = 0
    """Lines of metrics that are none."""
    left_out: int = 0
    """Metrics beyond the most that are kept."""
    went_back: tuple[float, float] | None = None
    """The last time that the training went on from an earlier step: (from, to)."""
    lines: tuple[str, ...] = ()
    """The end of its log."""
    checkpoint: str = ""
    """Name of the newest one."""
    checkpoints: int = 0
    pictures: tuple[int, ...] = ()
    """Steps at which there are pictures, ascending."""
    pictures_signs: FileSigns = field(default_factory=FileSigns)
    """Others when the newest pictures have changed."""
    naturalness: Naturalness | None = None
    """Figures of a natural discriminator, which leaves them in its own way."""
    trouble: str = ""
    """Why it cannot be read at the moment, in a sentence; everything else is then as last seen."""

    @property
    def network(self) -> str:
        """What is trained; empty when nothing says so."""
        return NETWORK if self.naturalness else self.note.network

    @property
    def left(self) -> float | None:
        """Seconds until it ends, if it runs on at this pace."""
        is_on = self.health in (TrainingHealth.RUNNING, TrainingHealth.QUIET)
        if not is_on or not self.pace or self.total is None or self.step is None:
            return None
        return max(0.0, self.total - self.step) / self.pace

    @property
    def seconds(self) -> float | None:
        """Of all attempts that have ended."""
        known = [attempt.seconds for attempt in self.note.attempts if attempt.seconds is not None]
        return sum(known) if known else None


def is_training(folder: Path) -> bool:
    """Whether a folder is one that a training writes to."""
    return (folder / FILE).is_file() or (folder / METRICS).is_file() or is_naturalness(folder)


class WatchedTraining:
    """Looks at one training. Only the watching thread calls `look`; anybody reads `state`."""

    def __init__(self, name: str, path: Path, clock: Clock = time.monotonic, wall: Clock = time.time) -> None:
        """Nothing is read before the first look.

        Args:
            name: in addresses of pages.
            path: its folder.
            clock: seconds that go up evenly.
            wall: seconds since 1970; asked once, to tell how old the folder's newest file is.
        """
        self.name, self.path = name, path
        self.version = 0
        """Goes up when something has changed."""
        self.state = TrainingState(name, str(path))
        self._clock, self._wall = clock, wall
        self._metrics, self._naturalness = MetricsFile(path, METRICS), NaturalnessFile(path)
        self._signs: dict[str, FileSigns] = {}
        self._changed: float | None = None
        self._steps: deque[tuple[float, float]] = deque(maxlen=400)

    def look(self, budget: float = BUDGET) -> TrainingState:
        """What is there now; what cannot be read is told in `trouble`. A long file is read for `budget` seconds."""
        before = self.state
        try:
            state = (
                self._look(budget)
                if self.path.is_dir()
                else replace(before, trouble="Its folder is not there any more.")
            )
        except (OSError, ValueError) as error:
            state = replace(before, trouble=f"It cannot be read now ({type(error).__name__}); it is looked at again.")
        except Exception:  # what nobody has thought of must not keep other trainings from being looked at
            _log.exception("a look at the training %s failed", self.name)
            state = replace(before, trouble="It cannot be read; the terminal's lines say more.")
        if state != before:
            self.version += 1
        self.state = state
        return state

    def _look(self, budget: float) -> TrainingState:
        metrics, before, now = self._metrics, self.state, self._clock()
        self._naturalness.read()
        metrics.read(budget)
        signs, quiet = self._look_at_files(now)
        is_new = {name for name, sign in signs.items() if sign != self._signs.get(name)}
        self._signs = signs
        note = read_job(self.path) if FILE in is_new else before.note
        lines = _tail(self.path) if LOG in is_new else before.lines
        checkpoint, checkpoints = (
            _checkpoints(self.path) if CHECKPOINTS in is_new else (before.checkpoint, before.checkpoints)
        )
        pictures, pictures_signs = steps_of(self.path)
        figures = self._naturalness.figures
        if figures:
            health, sentence = TrainingHealth.FINISHED, "The training is complete; it leaves its figures at its end."
        else:
            health, sentence = judge(note, self._signs_of_life(quiet))
        return TrainingState(
            self.name,
            str(self.path),
            note,
            health,
            sentence,
            quiet,
            curves=figures.curves if figures else metrics.views,
            unit="epoch" if figures else "step",
            step=figures.epochs if figures else metrics.step,
            total=figures.epochs if figures else metrics.total or note.total,
            pace=metrics.pace or self._seen_pace(now),
            waiting=metrics.waiting,
            faulty=metrics.faulty,
            left_out=metrics.left_out,
            went_back=metrics.went_back,
            lines=lines,
            checkpoint=checkpoint,
            checkpoints=checkpoints,
            pictures=pictures,
            pictures_signs=pictures_signs,
            naturalness=figures,
        )

    def _look_at_files(self, now: float) -> tuple[dict[str, FileSigns], float]:
        """What changes when the training does something, and the seconds since the last change."""
        files = (FILE, METRICS, LOG, FIGURES)
        signs = {name: found.signs if (found := find(self.path, name)) else FileSigns() for name in files}
        signs |= {name: _signs_of(self.path / name) for name in (HEARTBEAT, CHECKPOINTS)}
        if self._changed is None:
            newest = max(sign.changed for sign in signs.values()) / 1e9
            self._changed = now - max(0.0, self._wall() - newest)
        elif signs != self._signs:
            self._changed = now
        return signs, now - self._changed

    def _signs_of_life(self, quiet: float) -> Signs:
        noted = self._signs[FILE].changed
        after = any(self._signs[name].changed > noted + _AFTER for name in (METRICS, LOG, HEARTBEAT))
        return Signs(quiet, after or not noted, self._metrics.step is not None, self._metrics.is_finished)

    def _seen_pace(self, now: float) -> float | None:
        """Steps a second as seen from outside, once that is long enough."""
        step = self._metrics.step
        if step is None or self._metrics.waiting:
            return None
        if self._steps and step < self._steps[-1][1]:
            self._steps.clear()
        if not self._steps or step != self._steps[-1][1]:
            self._steps.append((now, step))
        (began, first), (ended, last) = self._steps[0], self._steps[-1]
        return (last - first) / (ended - began) if ended - began >= _LONG else None


def _signs_of(path: Path) -> FileSigns:
    try:
        about = path.stat()
    except OSError:
        return FileSigns()
    return FileSigns(about.st_ino, 0, about.st_mtime_ns)


def _tail(folder: Path) -> tuple[str, ...]:
    """The last lines of the log as plain text: of a bar that was drawn over itself, what stands there at the end."""
    found = find(folder, LOG)
    text = ending(found, _TAIL).decode(errors="replace") if found else ""
    if found and found.signs.size > _TAIL:
        text = text.partition("\n")[2] or text
    lines = [_ESCAPES.sub("", line.rstrip("\r").rpartition("\r")[2]).rstrip() for line in text.split("\n")]
    return tuple(line if len(line) <= WIDEST else f"{line[:WIDEST]} …" for line in lines if line)[-LINES:]


def _checkpoints(folder: Path) -> tuple[str, int]:
    """Name of the newest checkpoint, which is the last by name, and how many there are."""
    place = inside(folder, CHECKPOINTS)
    try:
        names = [path.name for path in islice(place.iterdir(), _MOST_CHECKPOINTS)] if place else []
    except OSError:
        return "", 0
    names = [name for name in names if not is_partial(Path(name))]
    return (max(names)[:200], len(names)) if names else ("", 0)
