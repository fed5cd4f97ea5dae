"""The rules of the alarms: each looks at a run and gives a sentence, or nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from dashboard.alarms.facts import FEWEST, RENDER, VALIDATE, Facts, Share, is_over, refused_images, refused_poses
from dashboard.alarms.slowing import Pace
from dashboard.alarms.standstill import Stall
from dashboard.settings import Alarms
from dashboard.watching.pulse import Health, WorkerState
from dashboard.watching.run import RunState
from dashboard.watching.told import text
from dashboard.wording import count, duration, share

Level = Literal["late", "bad"]
_NAMED = 3
"""Workers that a sentence names."""
_LONG_AGO = 3600.0
"""Seconds after which a silent worker is no emergency any more, if others go on."""
_LEAST_BLACK = 3
"""Black pictures below which their share says nothing."""
_VERBS = {"images": "Rendering", "poses": "Optimising"}


@dataclass(frozen=True)
class Alarm:
    """Something that somebody should look at."""

    kind: str
    """A word for machines: silent_worker, refused, refused_poses, black, drop, stalled, penetration, disk, unreadable."""
    level: Level
    """How urgent: `late` is worth a look, `bad` wants somebody now."""
    sentence: str
    """What is wrong, where, and what to do."""


@dataclass(frozen=True)
class Seen:
    """What there is to judge a run by."""

    state: RunState
    limits: Alarms
    facts: Facts
    pace: Pace | None
    stall: Stall | None
    trouble: str
    """Why the dataset cannot be read, in a sentence, when that lasts."""
    room: int | None
    """Bytes that are left where the dataset lies; None where nobody knows."""
    exceeds: Callable[[str, float, float], bool]
    """Whether the value of a kind of alarm is above its limit; an alarm that is there goes when it is clearly below."""

    @property
    def is_at_work(self) -> bool:
        """Whether somebody works on the run."""
        return any(worker.is_at_work for worker in self.state.workers)

    @property
    def is_over(self) -> bool:
        """Whether the dataset is finished."""
        return is_over(self.state)

    def now_or_later(self, level: Level) -> Level:
        """A level while something can still be done about it."""
        return "late" if self.is_over else level


def silent_worker(seen: Seen) -> Alarm | None:
    """Somebody has died or is cut off. Nobody knows while the run itself cannot be read."""
    silent = [worker for worker in seen.state.workers if worker.health is Health.SILENT]
    if not silent or seen.is_over or seen.state.trouble:
        return None
    others = "others go on with its shard" if len(silent) == 1 else "others go on with their shards"
    after = others if seen.is_at_work else "nobody else works on the run"
    named = ", ".join(map(_where, silent[:_NAMED]))
    more = f" and {len(silent) - _NAMED:,} more" if len(silent) > _NAMED else ""
    who = f"Worker {named} is silent" if len(silent) == 1 else f"{len(silent):,} workers are silent: {named}{more}"
    old = seen.is_at_work and all(worker.quiet > _LONG_AGO for worker in silent)
    return Alarm(
        "silent_worker",
        "late" if old else "bad",
        f"{who}. See whether the machine still runs (memory, power, network) and start the worker again; {after}.",
    )


def _where(worker: WorkerState) -> str:
    stage, shard = text(worker.record, "stage"), text(worker.record, "shard")
    return f"{worker.name} on {text(worker.record, 'host') or 'an unknown machine'}" + (
        f" (last at {stage} {shard})" if shard else ""
    )


def refused(seen: Seen) -> Alarm | None:
    """Too many images are no good."""
    images, limit = refused_images(seen.state, seen.facts), seen.limits.refused
    if not limit or images.whole < FEWEST or not seen.exceeds("refused", images.value, limit):
        return None
    which = "images" if seen.is_over else "last images"
    return Alarm(
        "refused",
        seen.now_or_later("bad"),
        f"{_part(images, which)} were refused{_mainly(seen.facts, RENDER)}. rejected/ names each and why; "
        "look at the newest pictures, and at the worker that made them.",
    )


def refused_poses_(seen: Seen) -> Alarm | None:
    """Hardly a pose is left."""
    poses, limit = refused_poses(seen.state, seen.facts), seen.limits.refused_poses
    if not limit or poses.whole < FEWEST or not seen.exceeds("refused_poses", poses.value, limit):
        return None
    return Alarm(
        "refused_poses",
        "late",
        f"{_part(poses, 'optimised poses')} were refused{_mainly(seen.facts, VALIDATE)}. Few are left to render: more "
        "optimisation.iterations, a smaller augmentation.bend_degrees or other base poses keep more of them.",
    )


def _part(some: Share, noun: str) -> str:
    return f"{some.part:,} of {some.whole:,} {noun} ({share(some.part, some.whole)})"


def _mainly(facts: Facts, step: str) -> str:
    reason = facts.main_reason(step)
    return f", mostly for {reason}" if reason else ""


def black(seen: Seen) -> Alarm | None:
    """Accepted pictures that show nothing."""
    some, limit = seen.facts.black if seen.is_over else seen.facts.recent_black, seen.limits.black
    if not limit or some.part < _LEAST_BLACK or not seen.exceeds("black", some.value, limit):
        return None
    return Alarm(
        "black",
        seen.now_or_later("bad"),
        f"{_part(some, 'pictures that were looked at')} are nearly black. Look at them in the gallery: a device may render "
        "nothing, or the environments are too dark for the exposure.",
    )


def drop(seen: Seen) -> Alarm | None:
    """The same workers make less than before."""
    pace, limit = seen.pace, seen.limits.drop
    if not limit or pace is None or not seen.is_at_work or not seen.exceeds("drop", pace.drop, limit):
        return None
    gone = sum(not worker.is_at_work for worker in seen.state.workers)
    besides = f" Besides, {count(gone, 'worker has', 'workers have')} left or {'is' if gone == 1 else 'are'} silent."
    return Alarm(
        "drop",
        "late",
        f"{_VERBS[pace.stage]} has slowed down to {share(pace.part)} of its earlier pace, worker by worker. See how "
        f"busy and how hot devices are, and what else runs on these machines.{besides if gone else ''}",
    )


def stalled(seen: Seen) -> Alarm | None:
    """Everybody is busy and nothing comes of it."""
    if not seen.limits.stalled_minutes or seen.stall is None or seen.is_over:
        return None
    workers, holding = seen.stall.workers, seen.stall.holding
    busy = f"{count(workers, 'worker works', 'workers work')}"
    hint = (
        "see what they are at, and their last errors" if holding else "none has a shard in hand, see their last errors"
    )
    return Alarm(
        "stalled",
        "bad",
        f"No shard was finished for more than {duration(seen.stall.allowed)} although {busy}: {hint}.",
    )


def penetration(seen: Seen) -> Alarm | None:
    """An accepted pose in which one hand is deep inside the other."""
    limit, (name, depth) = seen.limits.penetration_mm, seen.facts.deepest
    if not limit or not seen.facts.deep:
        return None
    many = count(seen.facts.deep, "accepted pose is", "accepted poses are")
    return Alarm(
        "penetration",
        "bad",
        f"{many} deeper than {limit:g} mm, the deepest is {name} with {depth:.1f} mm. validation.max_penetration_mm decides "
        "what is accepted: set it lower and run into an empty place.",
    )


def disk(seen: Seen) -> Alarm | None:
    """Soon nothing more can be written."""
    limit = seen.limits.disk_gib
    if not limit or seen.room is None or seen.is_over:
        return None
    if not seen.exceeds("disk", limit * 2**30 / max(seen.room, 1), 1.0):
        return None
    return Alarm(
        "disk",
        "bad",
        f"Less than {limit:g} GiB are left where {seen.state.place} lies. Make room: with a full disk workers only wait.",
    )


def unreadable(seen: Seen) -> Alarm | None:
    """The dataset itself is off."""
    return Alarm("unreadable", "bad", seen.trouble) if seen.trouble else None


RULES: Sequence[Callable[[Seen], Alarm | None]] = (
    unreadable,
    silent_worker,
    stalled,
    disk,
    refused,
    black,
    penetration,
    drop,
    refused_poses_,
)
"""In the order in which alarms of one level are shown."""
