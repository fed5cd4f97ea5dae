"""A run's workers as pages show them: one by one, by kind of device, and all together."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from statistics import mean
from typing import Any
from urllib.parse import urlsplit

from dashboard.access import is_loopback
from dashboard.watching.pulse import Health, WorkerState
from dashboard.watching.stages import STAGES, Stage
from dashboard.watching.told import device_of, in_order, known_number, number, numbers, part, parts, text
from dataset.work.holder import machine

_STAGES = {stage.name: stage for stage in STAGES}
_MIB = 2**20


@dataclass(frozen=True)
class Gpu:
    """A GPU that a worker sees; None is what it does not tell."""

    name: str
    use_percent: float | None
    memory: float | None
    """Bytes."""
    of: float | None
    """Bytes."""
    temperature_c: float | None


@dataclass(frozen=True)
class Member:
    """A worker of a run."""

    state: WorkerState

    @property
    def name(self) -> str:
        """Of the worker."""
        return self.state.name

    @cached_property
    def id(self) -> str:
        """Of its element: the same on every refresh, whatever its name is made of."""
        return "w" + blake2b(self.name.encode(errors="replace"), digest_size=6).hexdigest()

    @property
    def health(self) -> str:
        """How it is, in a word."""
        return self.state.health.value

    @property
    def is_at_work(self) -> bool:
        """Whether it works, as far as one can tell."""
        return self.state.is_at_work

    @property
    def record(self) -> Mapping[str, Any]:
        """What it said last."""
        return self.state.record

    def text(self, name: str) -> str:
        """A field as text."""
        return text(self.record, name)

    def number(self, name: str) -> float:
        """A field as a number."""
        return number(self.record, name)

    @property
    def device(self) -> str:
        """What it draws or computes on."""
        return device_of(self.record)

    @property
    def stage(self) -> Stage | None:
        """What it is at."""
        return _STAGES.get(self.text("stage"))

    @property
    def seconds_in_hand(self) -> float:
        """For which it has been at its shard."""
        return self.state.in_hand

    @property
    def step(self) -> tuple[float, float, str]:
        """How far it is: done, total, unit; a total of 0 when it does not say."""
        step = part(self.record, "step")
        return number(step, "done"), number(step, "total"), text(step, "unit")

    @property
    def unit(self) -> str:
        """Of the things that it makes."""
        return self.stage.unit if self.stage else "things"

    @property
    def pace(self) -> float | None:
        """Things a second over the last minutes; None when it does not work, or does not say."""
        return numbers(self.record, "rates").get(self.unit) if self.is_at_work else None

    @property
    def cores(self) -> float:
        """Processor cores that are busy for it."""
        return self.number("cpu_percent") / 100

    @property
    def memory(self) -> float:
        """Bytes of the process and Blender."""
        return self.number("memory_mib") * _MIB

    @cached_property
    def gpus(self) -> list[Gpu]:
        """Those that it sees."""
        return [_gpu(one) for one in parts(self.record, "gpus")]

    @property
    def troubles(self) -> dict[str, int]:
        """Tries that made no shard, by class."""
        return {name: int(count) for name, count in numbers(self.record, "troubles").items() if count}

    @property
    def metrics(self) -> str:
        """URL of its page for Prometheus, if that can be opened on this machine."""
        url = self.text("metrics")
        try:
            parsed = urlsplit(url)
            here = parsed.scheme in ("http", "https") and is_loopback(parsed.hostname or "")
        except ValueError:
            return ""
        return url if here and self.is_at_work and self.record.get("machine") == machine() else ""

    def matches(self, words: str) -> bool:
        """Whether all words stand in what one would call it by."""
        about = " ".join((self.name, self.text("host"), self.device, self.text("shard"))).lower()
        return all(word in about for word in words.lower().split())


@dataclass(frozen=True)
class Device:
    """Workers on the same kind of device."""

    name: str
    workers: int
    unit: str
    pace: float
    """Things a second of all together."""
    gpu: str
    """Names of the GPUs that they see."""
    use_percent: float | None
    """On average."""
    memory_share: float | None
    """On average."""
    hottest_c: float | None


class Crew:
    """All workers of a run."""

    def __init__(self, workers: Iterable[WorkerState]) -> None:
        self.members = sorted((Member(worker) for worker in workers), key=_order)
        """Silent ones first, then those at work, by name; those that left come last."""
        self.counts = Counter(member.health for member in self.members)
        """By health."""

    @cached_property
    def present(self) -> list[Member]:
        """All that have not left."""
        return [member for member in self.members if member.state.health is not Health.LEFT]

    @cached_property
    def left(self) -> list[Member]:
        """All that have."""
        return [member for member in self.members if member.state.health is Health.LEFT]

    @cached_property
    def at_work(self) -> list[Member]:
        """All that work."""
        return [member for member in self.members if member.is_at_work]

    @property
    def paces(self) -> list[tuple[str, float, int]]:
        """Unit, things a second, and workers that make them; most workers first."""
        units = Counter(member.unit for member in self.at_work)
        pace = lambda unit: sum(member.pace or 0.0 for member in self.at_work if member.unit == unit)  # noqa: E731
        return [(unit, pace(unit), workers) for unit, workers in units.most_common()]

    @cached_property
    def gpus(self) -> list[Gpu]:
        """Of those at work; one that several workers see counts for each."""
        return [gpu for member in self.at_work for gpu in member.gpus]

    @property
    def devices(self) -> list[Device]:
        """Of those at work, most workers first."""
        groups: dict[tuple[str, str], list[Member]] = {}
        for member in self.at_work:
            groups.setdefault((member.device, member.unit), []).append(member)
        found = [_group(name, unit, members) for (name, unit), members in groups.items()]
        return sorted(found, key=lambda device: (-device.workers, device.name))


def average(values: Iterable[float | None]) -> float | None:
    """Of those that are known; None when none is."""
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def _group(name: str, unit: str, members: Sequence[Member]) -> Device:
    gpus = [gpu for member in members for gpu in member.gpus]
    shares = (gpu.memory / gpu.of if gpu.memory is not None and gpu.of else None for gpu in gpus)
    return Device(
        name,
        len(members),
        unit,
        sum(member.pace or 0.0 for member in members),
        ", ".join(sorted({gpu.name for gpu in gpus})),
        average(gpu.use_percent for gpu in gpus),
        average(shares),
        max((gpu.temperature_c for gpu in gpus if gpu.temperature_c is not None), default=None),
    )


def _order(member: Member) -> tuple[int, list[tuple[int, str]]]:
    places = {Health.SILENT: 0, Health.LEFT: 2}
    return places.get(member.state.health, 1), in_order(member.name)


def _gpu(told: Mapping[str, Any]) -> Gpu:
    bytes_of = lambda name: None if (mib := known_number(told, name)) is None else mib * _MIB  # noqa: E731
    return Gpu(
        text(told, "name") or "GPU",
        known_number(told, "use_percent"),
        bytes_of("memory_mib"),
        bytes_of("of_mib"),
        known_number(told, "temperature_c"),
    )
