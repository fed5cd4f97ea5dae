"""The engine of a run: every process that works on a stage takes shards until all are made.

The leader, which has opened the run, also writes what was made into the manifest; helpers only make shards. Several leaders
of one run do no harm: they share the work.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from threading import Timer
from zlib import crc32

from dataset.errors import InputError, StorageError
from dataset.work.attempt import Made
from dataset.work.claims import Claim, ClaimLost, Claims
from tasks.progress import say
from tasks.run import Run
from tasks.sharing.crew import crew
from tasks.sharing.interruption import Interruption, Stopped
from tasks.sharing.pulse import Record, pulse
from tasks.sharing.stage import Stage
from tasks.sharing.troubles import Trouble, trouble_of

POLL = 1.0
"""Seconds between looks when there is nothing to take."""
BEATS = 4
"""Of a worker's record, in the time of a lease."""
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
    with work.at_work(obey=False), helpers as helping:
        while not work.over:
            progressed = work.collect()
            run.watch.check(work.images)
            if helping is None:
                workers = int(work.make_one() or not time.sleep(POLL))
            else:
                time.sleep(POLL)
                workers = helping.keep_up(len(work.claims.open), progressed)
            run.watch.spend(workers)
    work.collect(at_once=True)
    work.refuse_failed()


def help_out(run: Run, stage: Stage) -> int:
    """Make shards of a stage until all are made by somebody, or the run is told to stop; how many were made here."""
    work = Work.of(run, stage)
    try:
        with work.at_work(obey=True):
            while not work.over:
                work.interruption.check()
                if not work.make_one():
                    time.sleep(POLL)
                    work.claims.look()
    except Stopped as told:
        say(f"{run.worker}: stops ({told}); what it was at goes to others")
    return work.record.shards


@dataclass
class Work:
    """A process at work on a stage."""

    run: Run
    stage: Stage
    claims: Claims
    interruption: Interruption = field(default_factory=Interruption)
    record: Record = field(default_factory=lambda: Record("", ""))
    pause: float = 0.0
    """Seconds to wait before the next shard, after trouble with storage."""
    _new: list[Made] = field(default_factory=list)
    """Made and placed, but not yet in the manifest."""
    _written: float = float("-inf")

    @classmethod
    def of(cls, run: Run, stage: Stage) -> "Work":
        """Work on what is missing of a stage."""
        missing = [shard for shard in stage.shards(run) if not stage.done(run.manifest, shard)]
        fleet = run.config.fleet
        first = crc32(run.worker.encode()) % len(missing) if missing and fleet.uses(stage.name) else 0
        return cls(run, stage, Claims(run.store, stage.name, missing, fleet.lease_seconds, run.worker, first))

    @property
    def over(self) -> bool:
        """Whether all is made or set aside."""
        return self.claims.finished

    @property
    def images(self) -> int:
        """Images that the dataset has."""
        new = sum(shard.rows for made in self._new for table, shard in made if table == "images")
        return self.run.manifest.rows("images") + new

    @contextmanager
    def at_work(self, obey: bool) -> Iterator[None]:
        """In the block shards are made; with `obey` until the run says stop."""
        every = self.claims.lease / BEATS
        with self.interruption.armed(), pulse(self.run, self.interruption, every, obey) as self.record:
            self.record.stage = self.stage.name
            yield

    def take_stock(self) -> None:
        """What others have made meanwhile counts; what was set aside or lost is opened again."""
        for attempt in self.claims.look():
            try:
                attempt.place()
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
        self._make(claim)
        return True

    def collect(self, at_once: bool = False) -> bool:
        """Bring what was made into the manifest; a moment later unless `at_once`. Whether anything was made."""
        found = self.claims.look()
        for attempt in found:
            attempt.place()
            self.run.watch.saw(attempt.made)
            self._new.append(attempt.made)
        if self._new and (at_once or self.over or time.monotonic() - self._written > _WRITE_EVERY):
            self.run.manifest.include(shard for made in self._new for shard in made)
            self._new, self._written = [], time.monotonic()
        return bool(found)

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

    def _make(self, claim: Claim) -> None:
        self.record.shard, self.interruption.last_act = claim.shard, claim.release
        attempt = claim.new_attempt()
        lost, late = ClaimLost(claim.shard), TimeoutError(f"took longer than {self.run.config.fleet.shard_hours:g} h")
        limit = Timer(3600 * self.run.config.fleet.shard_hours, self.interruption, [late])
        limit.daemon = True
        limit.start()
        try:
            with claim.kept(self.claims.lease, lambda: self.interruption(lost)):
                self.stage.make(self.run, claim.shard, attempt)
                claim.commit(attempt)
            self.record.count(attempt.made)
            self.pause = 0.0
        except ClaimLost:
            say(f"{self.stage.name} {claim.shard}: another worker has taken it over")
        except Exception as error:
            self._react(claim, error)
        except BaseException:
            _release(claim)
            raise
        finally:
            limit.cancel()
            self.record.shard, self.interruption.last_act = "", None
            if claim.content["state"] != "done":
                with suppress(InputError, OSError):
                    attempt.discard()

    def _react(self, claim: Claim, error: Exception) -> None:
        trouble = trouble_of(error)
        told = f"{self.stage.name} {claim.shard}: {trouble}: {error}"
        if trouble is Trouble.MEMORY and self.run.work_lighter():
            say(f"{told}; again with batches of {self.run.config.machine.optimise_batch}")
            _release(claim)
        elif trouble is Trouble.STORAGE:
            _release(claim)
            self._wait_for_storage(error)
        elif trouble in (Trouble.INPUT, Trouble.DEVICE):
            _release(claim)
            raise error if trouble is Trouble.INPUT else InputError(told) from error
        else:
            say(told)
            _release(claim, fault=f"{type(error).__name__}: {error}")

    def _wait_for_storage(self, error: Exception) -> None:
        if self.pause >= _LONGEST_PAUSE:
            raise error
        self.pause = min(_LONGEST_PAUSE, 2 * self.pause or _FIRST_PAUSE)
        say(f"{error}; again in {self.pause:g} s")


def _release(claim: Claim, fault: str = "") -> None:
    """Give it back if that can be said; otherwise others see in time that it is abandoned."""
    with suppress(ClaimLost, StorageError):
        claim.release(fault)


def _names(made: Made) -> Iterator[tuple[str, str]]:
    return ((table, shard.name) for table, shard in made)
