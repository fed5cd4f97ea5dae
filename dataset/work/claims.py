"""Which process makes which shard, written on storage: every shard of a stage has a claim that one process takes.

`.work/claims/STAGE/SHARD.json` is free, held, done or failed, and changes by compare-and-swap alone. Its holder renews it
while it works; one that stays the same for `lease` seconds, on the clock of the process that watches, is abandoned, and
another takes it. Clocks of different machines are never compared. The step from held to done is the commit: it names the
files that the holder has made, so of two processes that made the same shard exactly one has made it.
"""

import json
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from threading import Event, Lock, Thread
from typing import Any
from zlib import crc32

from dataset.errors import StorageError
from dataset.shards import Shard
from dataset.storage.store import Store, Stored
from dataset.work import control
from dataset.work.attempt import Attempt, Made
from dataset.work.holder import is_gone, this_process

FOLDER = ".work/claims"
MOST_FAULTS = 3
"""Times that making a shard may fail before it is set aside."""
MOST_LOST = 12
"""Workers that a shard may lose before it is set aside: more than chance takes, for one that kills its workers."""
_RENEWALS = 4
"""In the time of a lease, so that a slow answer loses nothing."""
_WATCHED = 32
"""Shards of other workers that an idle worker looks at in one go; so hundreds of them ask little of storage."""
_READERS = 8
"""Claims that are read at once: storage may be far away."""

Content = dict[str, Any]


class ClaimLost(RuntimeError):
    """Another process has taken the shard: this one was silent for too long."""


@dataclass
class Claim:
    """A shard that this process holds."""

    store: Store
    stage: str
    shard: str
    content: Content
    tag: str
    _lock: Lock = field(default_factory=Lock, repr=False)

    def new_attempt(self) -> Attempt:
        """Where the shard's files are to be written."""
        return Attempt(self.store, self.content["token"])

    def renew(self) -> None:
        """Say that this process is still at it.

        Raises:
            ClaimLost: another has it.
        """
        with self._lock:
            if self.content["state"] == "held":
                self._become({"beat": self.content["beat"] + 1})

    def commit(self, attempt: Attempt) -> None:
        """The shard is made. Its files are at their final places afterwards.

        Raises:
            ClaimLost: another has it; nothing of this attempt stays.
        """
        attempt.publish()
        try:
            with self._lock:
                self._become({"state": "done", "made": [[table, asdict(shard)] for table, shard in attempt.made]})
        except ClaimLost:
            attempt.discard()
            raise
        attempt.place()

    def release(self, fault: str = "") -> None:
        """Give it back, unless it is done: others may take it at once. A `fault` counts, and the third sets it aside."""
        with self._lock:
            if self.content["state"] != "held":
                return
            faults = self.content["faults"] + ([fault] if fault else [])
            self._become({"state": "failed" if len(faults) >= MOST_FAULTS else "free", "faults": faults})

    @contextmanager
    def kept(self, lease: float, lost: Callable[[], None] | None = None) -> Iterator[None]:
        """Renew it in the background while the block runs; `lost` is called, in that thread, when another has taken it."""
        over = Event()
        thread = Thread(target=self._keep, args=(over, lease / _RENEWALS, lost), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _keep(self, over: Event, every: float, lost: Callable[[], None] | None) -> None:
        while not over.wait(every):
            try:
                self.renew()
            except ClaimLost:
                if lost and not over.is_set():
                    lost()
                return
            except StorageError:
                continue  # whether it still holds the shard, the commit will tell

    def _become(self, changes: Content) -> None:
        content, name = self.content | changes, _name(self.stage, self.shard)
        tag = self.store.replace(name, _encoded(content), self.tag)
        if tag is None and (stored := self.store.read(name)) and self._is_mine(stored):
            tag = self.store.replace(
                name, _encoded(content), stored.tag
            )  # an earlier change had arrived, its answer had not
        if tag is None:
            raise ClaimLost(f"{self.stage} {self.shard}: another process has taken it")
        self.content, self.tag = content, tag

    def _is_mine(self, stored: Stored) -> bool:
        content = json.loads(stored.content)
        return content["state"] == "held" and content["token"] == self.content["token"]


@dataclass
class _Quiet:
    """How long a held claim has been seen not to change."""

    tag: str
    last: float
    seconds: float = 0.0


@dataclass
class Claims:
    """The claims of a stage, as this process knows them."""

    store: Store
    stage: str
    shards: Sequence[str]
    lease: float
    """Seconds after which a claim that does not change is abandoned."""
    worker: str = ""
    """Name of this worker, for people."""
    first: int = 0
    """Number of the shard that is tried first: different ones keep workers out of each other's way."""
    made_elsewhere: Callable[[], Collection[str]] = tuple
    """Shards that something else than their claims says are made: one answer instead of a thousand."""
    done: dict[str, Made] = field(default_factory=dict)
    """Shards known to be done, with what was made; of those made elsewhere nothing."""
    failed: dict[str, list[str]] = field(default_factory=dict)
    """Shards known to be set aside, with their faults."""
    held: dict[str, str] = field(default_factory=dict)
    """Shards that were held when last looked at, with their workers' names."""
    _listed: set[str] = field(default_factory=set)
    """Shards that are known to have a claim."""
    _quiet: dict[str, _Quiet] = field(default_factory=dict)
    _clock: Callable[[], float] = time.monotonic

    def take(self) -> Claim | None:
        """A shard that nobody works on; None when there is none for now, or no more."""
        if claim := self._take_new():
            return claim
        made = self.made_elsewhere()
        self.done |= {shard: [] for shard in self.open if shard in made}
        watched = 0
        for shard in self.open:
            if claim := self._take_over(shard):
                return claim
            watched += shard in self.held
            if watched == _WATCHED:
                self.first = self.shards.index(shard) + 1
                break
        return None

    def look(self) -> list[Attempt]:
        """Learn what has become of the shards; what has been made since the last look."""
        listed, new = self._list(), []
        claimed = [shard for shard in self.open if shard in listed]
        with ThreadPoolExecutor(_READERS) as threads:
            read = list(threads.map(lambda shard: self.store.read(_name(self.stage, shard)), claimed))
        for shard, stored in zip(claimed, read, strict=True):
            if stored is not None:
                self._learn(shard, content := json.loads(stored.content))
                if content["state"] == "done":
                    new.append(Attempt(self.store, content["token"], self.done[shard]))
        return new

    @property
    def finished(self) -> bool:
        """Whether every shard is known to be done or set aside."""
        return len(self.done) + len(self.failed) == len(self.shards)

    def reopen(self, shard: str) -> None:
        """Let a shard be made again that was set aside, or whose file is lost."""
        name = _name(self.stage, shard)
        stored = self.store.read(name)
        if stored is not None and json.loads(stored.content)["state"] in ("done", "failed"):
            self.store.replace(name, _encoded(_FREE), stored.tag)
        self.done.pop(shard, None)
        self.failed.pop(shard, None)

    @property
    def open(self) -> list[str]:
        """Shards not known to be done or set aside, in the order in which this process tries them."""
        turned = [*self.shards[self.first :], *self.shards[: self.first]]
        return [shard for shard in turned if shard not in self.done and shard not in self.failed]

    def _take_new(self) -> Claim | None:
        """A shard that nobody has had. Where another worker is, this one goes on somewhere else."""
        while fresh := [shard for shard in self.open if shard not in self._listed]:
            if claim := self._create(fresh[0]):
                return claim
            if fresh[0] not in self._list():
                return None  # the run has ended
            if fresh := [shard for shard in fresh if shard not in self._listed]:
                chosen = fresh[crc32(f"{self.worker} {len(fresh)}".encode()) % len(fresh)]
                self.first = self.shards.index(chosen)
        return None

    def _list(self) -> set[str]:
        prefix = f"{FOLDER}/{self.stage}/"
        self._listed |= {name.removeprefix(prefix).removesuffix(".json") for name in self.store.names(prefix)}
        return self._listed

    def _create(self, shard: str) -> Claim | None:
        content, name = self._mine(_FREE), _name(self.stage, shard)
        tag = self.store.create(name, _encoded(content))
        if tag is not None and self.store.size(control.FILE) is None:  # the run has ended, and its claims with it
            self.store.remove(name)
            return None
        if tag is not None:
            self._listed.add(shard)
        return Claim(self.store, self.stage, shard, content, tag) if tag else None

    def _take_over(self, shard: str) -> Claim | None:
        name = _name(self.stage, shard)
        stored = self.store.read(name)
        if stored is None:
            return self._create(shard)
        self._learn(shard, content := json.loads(stored.content))
        if content["state"] == "held" and self._is_abandoned(shard, stored):
            content["lost"] += 1
            if content["lost"] >= MOST_LOST:
                fault = f"{content['lost']} workers were lost while they made it"
                content |= {"state": "failed", "faults": [fault]}
                if self.store.replace(name, _encoded(content), stored.tag):
                    self._learn(shard, content)
                return None
        elif content["state"] != "free":
            return None
        content = self._mine(content)
        tag = self.store.replace(name, _encoded(content), stored.tag)
        return Claim(self.store, self.stage, shard, content, tag) if tag else None

    def _learn(self, shard: str, content: Content) -> None:
        self.held.pop(shard, None)
        if content["state"] == "done":
            self.done[shard] = [(table, Shard(**made)) for table, made in content["made"]]
        elif content["state"] == "failed":
            self.failed[shard] = content["faults"]
        elif content["state"] == "held":
            self.held[shard] = content["worker"]

    def _is_abandoned(self, shard: str, stored: Stored) -> bool:
        """Whether its holder is dead or silent. Time in which this process did not look counts little: it may have been
        asleep, or cut off from storage together with the holder."""
        if is_gone(json.loads(stored.content)["holder"]):
            return True
        now, quiet = self._clock(), self._quiet.get(shard)
        if quiet is None or quiet.tag != stored.tag:
            self._quiet[shard] = _Quiet(stored.tag, now)
            return False
        quiet.seconds += min(now - quiet.last, self.lease / _RENEWALS)
        quiet.last = now
        return quiet.seconds >= self.lease

    def _mine(self, content: Content) -> Content:
        mine = {"state": "held", "token": uuid.uuid4().hex, "beat": 0, "worker": self.worker, "holder": this_process()}
        return content | mine | {"takes": content["takes"] + 1}


_FREE: Content = {"state": "free", "takes": 0, "faults": [], "lost": 0}
"""`takes` counts the workers that have had the shard."""


def _name(stage: str, shard: str) -> str:
    return f"{FOLDER}/{stage}/{shard}.json"


def _encoded(content: Content) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()
