"""How a run is, in one sentence."""

from dataclasses import dataclass
from typing import Literal

from dashboard.progress.forecast import Progress, StageProgress
from dashboard.watching.stages import IMAGES, PLAN
from dashboard.wording import count, duration

MADE_BY = {"merge": "Merged", "append": "Appended", "subset": "A part of another dataset"}
"""How a dataset came to be that was put together from others."""

Kind = Literal["working", "good", "late", "bad", "none"]


@dataclass(frozen=True)
class Headline:
    """What to know of a run first."""

    kind: Kind
    """working: it goes on; good: finished; late: it stands still; bad: somebody must look; none: nothing to tell yet."""
    word: str
    """For a badge."""
    sentence: str
    advice: str = ""
    """What to do, if there is something."""


def headline_of(progress: Progress) -> Headline:
    """The first of what holds: cannot be read, finished, stopped, paused, goes on, stands still."""
    run = progress.run
    if run.manifest is None:
        return Headline("bad" if run.trouble else "none", "Not readable", "Nothing can be read of it yet")
    if progress.at_work:
        return _working(progress)
    if run.is_whole:
        return _finished(progress)
    if run.manifest.stopped:
        advice = "The same command goes on from there once the limit is raised or gone."
        return Headline("late", "Stopped", f"Stopped: {_plain(run.manifest.stopped)}", advice)
    if run.control is not None and run.control.state == "paused":
        advice = "Look at what was refused; resume it in Prefect, or give the same command again."
        return Headline("bad", "Paused", f"Paused: {_plain(run.control.reason)}", advice)
    if run.control is not None and run.control.state == "stopped":
        advice = "Mend what is wrong and give the same command again; it goes on from there."
        return Headline("bad", "Stopped", f"Stopped: {_plain(run.control.reason) or 'no reason was given'}", advice)
    return _idle(progress)


def _working(progress: Progress) -> Headline:
    current = progress.current
    if current is None:
        return Headline("working", "Finishing", f"Finishing: all {count(progress.images.rows, 'image')} are made")
    left = f", about {duration(progress.left)} left" if progress.left else ""
    stage = "" if current.stage is IMAGES or not left else " of this stage"
    return Headline("working", "Working", f"{current.stage.doing}{_how_far(current)}{left}{stage}")


def _how_far(current: StageProgress) -> str:
    share = current.share
    if share is None or (current.stage.only and not share):
        return ""
    percent = f"{100 * min(share, 0.999):.0f} %" if share >= 0.1 else f"{100 * share:.1f} %"
    if current.planned:
        return f": {percent} of {count(current.planned, 'image')}"
    if current.stage is PLAN or current.stage.only:
        return f": {percent}"
    return f": {percent} of {count(current.of or 0, 'shard')}"


def _finished(progress: Progress) -> Headline:
    run = progress.run
    made = f"{count(run.rows('images'), 'image')} of {count(run.rows('poses'), 'pose')}"
    operation = str(run.manifest.origin.get("operation", "run"))
    how = MADE_BY.get(operation, "Finished")
    return Headline("good", "Finished", f"{how}: {made}")


def _idle(progress: Progress) -> Headline:
    current = progress.current
    advice = "Give the command that began it again; it goes on from there."
    if progress.silent:
        silent = count(progress.silent, "worker")
        return Headline("bad", "Silent", f"No worker works on it: {silent} ceased to answer{_reached(current)}", advice)
    if current is not None and current.state == "waiting" and not current.shards:
        return Headline("none", "Not begun", "Not begun: no worker has taken anything up yet", advice)
    if current is None:
        return Headline("late", "Not finished", "All images are made, and the dataset was not finished", advice)
    return Headline("late", "Idle", f"No worker works on it{_reached(current)}", advice)


def _reached(current: StageProgress | None) -> str:
    return f"; {current.stage.doing.lower()} is at{_how_far(current)[1:]}" if current and _how_far(current) else ""


def _plain(reason: str) -> str:
    """Without the class of an error, and without a stop at its end."""
    head, colon, rest = reason.partition(": ")
    plain = rest if colon and head.isidentifier() and head[0].isupper() else reason
    return " ".join(plain.split())[:400].rstrip(".")
