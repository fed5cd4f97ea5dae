"""The engine of a run: every process that works on a stage takes shards until all are made.

The leader, which has opened the run, also writes what was made into the manifest; helpers only make shards. Several leaders
of one run do no harm: they share the work.
"""

import time
from collections.abc import Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from threading import Timer
from zlib import crc32

from dataset.errors import InputError, StorageError
from dataset.manifest import Manifest
from dataset.work.attempt import Made
from dataset.work.claims import Claim, ClaimLost, Claims
from tasks.observing.activity import Activity
from tasks.observing.artifacts import Board
from tasks.observing.history import History
from tasks.observing.leading import watched
from tasks.observing.record import BEATS
from tasks.observing.stages import note_stage
from tasks.progress import say
from tasks.run import Run
from tasks.sharing.crew import crew
from tasks.sharing.interruption import Interruption, Stopped
from tasks.sharing.pulse import pulse
from tasks.sharing.stage import Stage
from tasks.sharing.troubles import Trouble, trouble_of

POLL = 1.0
"""Seconds between looks when there is nothing to take."""
_LONGEST_POLL = 5.0
"""The same for helpers when there has been nothing for a while, and for leaders of many."""
_READS = 20
"""Claims that a leader of many helpers reads in a second, up to the longest pause."""
_SHARE = 0.1
"""Of a leader's time that looks take, up to the longest pause; writing the manifest takes half as much at most."""
_LOOKS_AT_ONCE = 8
"""Files that are looked for at once: storage may be far away."""
_WRITE_EVERY = 5.0
"""Seconds between changes of the manifest, which grows with the number of shards."""
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
"""Seconds, after trouble with storage."""


def lead(run: Run, stage: Stage) -> None:
    """Make all shards of a stage that are missing, together with whoever else works on it.

    Raises:
        InputError: something that every worker needs is bad, or shards were set aside; everything else is made then.
        BudgetSpent, QualityAlarm: see `tasks.limits`.
    """
    work = Work.of(run, stage)
    work.take_stock()
    helpers = crew(run.config, run.store.url, stage.name) if run.config.fleet.uses(stage.name) else nullcontext()
    with work.watched(), work.at_work(obey=False), helpers as helping:
        try:
            progressed = work.collect()
            while not work.over:
                run.watch.check(work.images)
                if helping is None:
                    workers = int(work.make_one() or not time.sleep(POLL))
                else:
                    workers = helping.keep_up(len(work.claims.open), progressed)
                    time.sleep(work.rest)
                run.watch.spend(workers)
                progressed = work.collect()
        finally:
            work.collect(at_once=True)
    work.refuse_failed()


def help_out(run: Run, stage: Stage) -> int:
    """Make shards of a stage until all are made by somebody, or the run is told to stop; how many were made here."""
    work, idle = Work.of(run, stage), 0.0
    work.claims.made_elsewhere = work.listed_since
    try:
        with work.at_work(obey=True):
            while not work.over:
                work.interruption.check()
                idle = 0.0 if work.make_one() else min(_LONGEST_POLL, 2 * idle or POLL)
                time.sleep(idle)
    except Stopped as told:
        say(f"{run.worker}: stops ({told}); what it was at goes to others")
    return work.activity.record.shards


@dataclass
class Work:
    """A process at work on a stage."""

    run: Run
    stage: Stage
    claims: Claims
    activity: Activity
    """What others see of it."""
    history: History
    interruption: Interruption = field(default_factory=Interruption)
    pause: float = 0.0
    """Seconds to wait before the next shard, after trouble with storage."""
    looked: float = 0.0
    """Seconds that the last look took."""
    _new: list[Made] = field(default_factory=list)
    """Made and placed, but not yet in the manifest."""
    _write_from: float = float("-inf")
    """When the manifest may be changed again."""

    @classmethod
    def of(cls, run: Run, stage: Stage) -> "Work":
        """Work on what is missing of a stage."""
        shards = stage.shards(run)
        with ThreadPoolExecutor(_LOOKS_AT_ONCE) as threads:
            done = list(threads.map(lambda shard: stage.done(run.manifest, shard), shards))
        missing = [shard for shard, is_done in zip(shards, done, strict=True) if not is_done]
        fleet = run.config.fleet
        first = crc32(run.worker.encode()) % len(missing) if missing and fleet.uses(stage.name) else 0
        claims = Claims(run.store, stage.name, missing, fleet.lease_seconds, run.worker, first)
        return cls(run, stage, claims, Activity(run, stage.name), History(run.store, stage.name))

    @property
    def over(self) -> bool:
        """Whether all is made or set aside."""
        return self.claims.finished

    @property
    def rest(self) -> float:
        """Seconds until a leader's next look, which reads each claim that is held."""
        return max(POLL, min(_LONGEST_POLL, max(len(self.claims.held) / _READS, self.looked / _SHARE)))

    @property
    def images(self) -> int:
        """Images that the dataset has."""
        new = sum(shard.rows for made in self._new for table, shard in made if table == "images")
        return self.run.manifest.rows("images") + new

    @contextmanager
    def at_work(self, obey: bool) -> Iterator[None]:
        """In the block shards are made; with `obey` until the run says stop."""
        every = self.claims.lease / BEATS
        with self.interruption.armed(), self.activity.going_on(), pulse(self.activity, self.interruption, every, obey):
            yield

    def watched(self) -> AbstractContextManager[None]:
        """In the block the history is kept, and Prefect shows how things stand."""
        total = len(self.stage.shards(self.run))
        note_stage(self.run.store, self.stage.name, total)
        if not self.claims.shards:
            return nullcontext()
        there = total - len(self.claims.shards)
        board = Board(self.run.store, self.stage.name, total, self.claims.lease)
        return watched(self.history, board, lambda: there + len(self.claims.done))

    def take_stock(self) -> None:
        """What others have made meanwhile counts; what was set aside or lost is opened again."""
        for attempt in self.claims.look():
            try:
                attempt.place()
                self.history.saw(attempt)
                self._new.append(attempt.made)
            except InputError:
                self.claims.reopen(next(name for table, name in _names(attempt.made) if table == self.stage.table))
        for shard in list(self.claims.failed):
            self.claims.reopen(shard)

    def make_one(self) -> bool:
        """Take a shard and make it; False when there was none to take."""
        if self.pause:
            time.sleep(self.pause)
        try:
            claim = self.claims.take()
        except StorageError as error:
            self._wait_for_storage(error)
            return False
        if claim is None:
            return False
        with self.activity.at(claim.shard):
            self._make(claim)
        return True

    def collect(self, at_once: bool = False) -> bool:
        """Bring what was made into the manifest; a moment later unless `at_once`. Whether anything was made."""
        began = time.monotonic()
        found = self.claims.look()
        self.looked = time.monotonic() - began
        for attempt in found:
            attempt.place()
            self.history.saw(attempt)
            self.run.watch.saw(attempt.made)
            self._new.append(attempt.made)
        if self._new and (at_once or self.over or time.monotonic() >= self._write_from):
            self._list()
        return bool(found)

    def listed_since(self) -> Set[str]:
        """Shards that the leader has brought into the manifest since this process joined."""
        before = self.run.manifest.shards[self.stage.table]
        return Manifest.read(self.run.store).shards[self.stage.table].keys() - before.keys()

    def refuse_failed(self) -> None:
        """Say what was set aside.

        Raises:
            InputError: something was.
        """
        if self.claims.failed:
            shard, faults = next(iter(sorted(self.claims.failed.items())))
            raise InputError(
                f"{self.run.store.url}: {len(self.claims.failed)} of the {self.stage.name} shards failed again and again, "
                f"the first is {shard}: {faults[-1]}; mend that and give the command again, the others are kept"
            )

    def _list(self) -> None:
        """Bring what was made into the manifest, which is written whole: the larger it is the less often."""
        began = time.monotonic()
        self.run.manifest.include(shard for made in self._new for shard in made)
        ended = time.monotonic()
        self._new, self._write_from = [], ended + max(_WRITE_EVERY, 2 * (ended - began) / _SHARE)

    def _make(self, claim: Claim) -> None:
        self.interruption.last_act = claim.release
        attempt = claim.new_attempt()
        lost, late = ClaimLost(claim.shard), TimeoutError(f"took longer than {self.run.config.fleet.shard_hours:g} h")
        limit = Timer(3600 * self.run.config.fleet.shard_hours, self.interruption, [late])
        limit.daemon = True
        limit.start()
        try:
            with claim.kept(self.claims.lease, lambda: self.interruption(lost)):
                self.stage.make(self.run, claim.shard, attempt)
                self.activity.note(attempt)
                claim.commit(attempt)
            self.pause = 0.0
        except ClaimLost:
            say(told := f"{self.stage.name} {claim.shard}: another worker has taken it over", "warning")
            self.activity.met("taken over", told)
        except Exception as error:
            self._react(claim, error)
        except BaseException:
            _release(claim)
            raise
        finally:
            limit.cancel()
            self.interruption.last_act = None
            if claim.content["state"] == "done":
                self.activity.made(attempt.made)
            else:
                with suppress(InputError, OSError):
                    attempt.discard()

    def _react(self, claim: Claim, error: Exception) -> None:
        trouble = trouble_of(error)
        told = f"{self.stage.name} {claim.shard}: {trouble}: {error}"
        self.activity.met(trouble, told)
        if trouble is Trouble.MEMORY and self.run.work_lighter():
            say(f"{told}; again with batches of {self.run.config.machine.optimise_batch}", "warning")
            _release(claim)
        elif trouble is Trouble.STORAGE:
            _release(claim)
            self._wait_for_storage(error)
        elif trouble in (Trouble.INPUT, Trouble.DEVICE):
            _release(claim)
            raise error if trouble is Trouble.INPUT else InputError(told) from error
        else:
            say(told, "warning")
            _release(claim, fault=f"{type(error).__name__}: {error}")

    def _wait_for_storage(self, error: Exception) -> None:
        if self.pause >= _LONGEST_PAUSE:
            raise error
        self.pause = min(_LONGEST_PAUSE, 2 * self.pause or _FIRST_PAUSE)
        say(f"{error}; again in {self.pause:g} s", "warning")


def _release(claim: Claim, fault: str = "") -> None:
    """Give it back if that can be said; otherwise others see in time that it is abandoned."""
    with suppress(ClaimLost, StorageError):
        claim.release(fault)


def _names(made: Made) -> Iterator[tuple[str, str]]:
    return ((table, shard.name) for table, shard in made)
