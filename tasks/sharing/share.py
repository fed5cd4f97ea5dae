"""The engine of a run: every process that works on a stage takes shards until all are made.

The leader, which has opened the run, also writes what was made into the manifest; helpers only make shards. Several leaders
of one run do no harm: they share the work.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from zlib import crc32

from dataset.errors import InputError, StorageError
from dataset.work.attempt import Made
from dataset.work.claims import Claim, ClaimLost, Claims
from dataset.work.control import Control
from tasks.progress import say
from tasks.run import Run
from tasks.sharing.interruption import Interruption, Stopped
from tasks.sharing.stage import Stage
from tasks.sharing.troubles import Trouble, trouble_of

POLL = 1.0
"""Seconds between looks when there is nothing to take."""
_WRITE_EVERY = 5.0
"""Seconds between changes of the manifest, which grows with the number of shards."""
_LONGEST_PAUSE = 60.0
"""Seconds, after trouble with storage."""


def lead(run: Run, stage: Stage) -> None:
    """Make all shards of a stage that are missing, together with whoever else works on it.

    Raises:
        InputError: something that every worker needs is bad, or shards were set aside; everything else is made then.
    """
    work = Work.of(run, stage)
    work.take_stock()
    with work.interruption.armed():
        while not work.over:
            if not work.make_one():
                time.sleep(POLL)
            work.collect()
    work.collect(at_once=True)
    work.refuse_failed()


def help_out(run: Run, stage: Stage) -> int:
    """Make shards of a stage until all are made by somebody, or the run is told to stop; how many were made here."""
    work = Work.of(run, stage)
    with work.interruption.armed():
        try:
            while not work.over:
                work.obey()
                if not work.make_one():
                    time.sleep(POLL)
                    work.claims.look()
        except Stopped as told:
            say(f"{run.worker}: stops ({told}); what it was at goes to others")
    return work.made


@dataclass
class Work:
    """A process at work on a stage."""

    run: Run
    stage: Stage
    claims: Claims
    interruption: Interruption = field(default_factory=Interruption)
    made: int = 0
    """Shards that this process has made."""
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

    def collect(self, at_once: bool = False) -> None:
        """Bring what was made into the manifest; a moment later unless `at_once`."""
        for attempt in self.claims.look():
            attempt.place()
            self._new.append(attempt.made)
        if self._new and (at_once or self.over or time.monotonic() - self._written > _WRITE_EVERY):
            self.run.manifest.include(shard for made in self._new for shard in made)
            self._new, self._written = [], time.monotonic()

    def obey(self) -> None:
        """Stop when the run says so.

        Raises:
            Stopped: it does, or it has ended.
        """
        self.interruption.check()
        order = Control.read(self.run.store)
        if order is None or not order.is_running:
            raise Stopped(f"the run is {order.state}: {order.reason}" if order else "the run has ended")

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
        lost = lambda: self.interruption(ClaimLost(f"{claim.stage} {claim.shard}"))  # noqa: E731
        self.interruption.last_act = claim.release
        attempt = claim.new_attempt()
        try:
            with claim.kept(self.claims.lease, lost):
                self.stage.make(self.run, claim.shard, attempt)
                claim.commit(attempt)
            self.made, self.pause = self.made + 1, 0.0
        except ClaimLost:
            say(f"{self.stage.name} {claim.shard}: another worker has taken it over")
        except Exception as error:
            self._react(claim, error)
        except BaseException:
            _release(claim)
            raise
        finally:
            self.interruption.last_act = None
            with suppress(StorageError):
                if claim.content["state"] != "done":
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
        self.pause = min(_LONGEST_PAUSE, 2 * self.pause or 1.0)
        say(f"{error}; again in {self.pause:g} s")


def _release(claim: Claim, fault: str = "") -> None:
    """Give it back if that can be said; otherwise others see in time that it is abandoned."""
    with suppress(ClaimLost, StorageError):
        claim.release(fault)


def _names(made: Made) -> Iterator[tuple[str, str]]:
    return ((table, shard.name) for table, shard in made)
