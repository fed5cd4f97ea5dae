"""What happens to a run, in an order that a seed decides: kills of every kind, outages, a full disk."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from benchmarks.chaos.processes import kill
from benchmarks.chaos.site import Site
from benchmarks.chaos.watch import Watch

KILLS = {"renderer": 16, "run": 14, "worker": 8, "node": 7, "leader": 3, "control node": 2}
"""What is killed, and how often of fifty times."""
OTHERS = {"server": 2, "outage": 2, "disk": 1}
"""What else happens, whatever the number of kills."""
GAP_S = (12.0, 15.0)
SPREAD = 0.9
"""Share of the shards over which disturbances are spread, so that the last ones still find something to kill."""
LEAST_GAP_S = 4.0
"""When the work runs ahead of its disturbances."""
PATIENCE_S = 90.0
"""For a shard to be made between every other disturbance and the next."""
OUTAGE_S, DISK_S, SERVER_S, NODE_S = 30.0, 30.0, 10.0, (3.0, 8.0)
"""How long things stay away."""


def draw(generator: np.random.Generator, kills: int, bucket: bool) -> list[str]:
    """What happens, in order: every kind of kill at least once, the others apart from each other and from both ends."""
    counts = {kind: max(1, round(kills * share / 50)) for kind, share in KILLS.items()}
    counts["renderer"] = max(1, kills - sum(counts.values()) + counts["renderer"])
    order = list(generator.permutation([kind for kind, count in counts.items() for _ in range(count)]))
    others = [kind for kind, count in OTHERS.items() for _ in range(count) if bucket or kind not in ("outage", "disk")]
    places = np.linspace(0, len(order), len(others) + 2)[1:-1].round().astype(int)
    for place, kind in reversed(list(zip(places, generator.permutation(others), strict=True))):
        order.insert(place, kind)
    return [str(kind) for kind in order]


@dataclass
class Disturber:
    """Disturbs a site as its work goes on."""

    site: Site
    watch: Watch
    generator: np.random.Generator
    order: list[str]
    shards: int
    """That are to be made; the disturbances are spread over them."""
    say: Callable[[str], None]
    done: Counter[str] = field(default_factory=Counter)
    allowance: int = 0
    """Shards that the disturbances so far can have cost: one a kill, one a worker of those whom all others concern."""
    _later: list[tuple[float, Callable[[], str]]] = field(default_factory=list)
    _outages: int = 0
    _last: float = field(default_factory=time.monotonic)
    _gap: float = GAP_S[1]
    _made: list[int] = field(default_factory=lambda: [0, 0])
    """Shards that were made when the last two disturbances happened."""

    @property
    def total(self) -> int:
        """Disturbances so far."""
        return self.done.total()

    @property
    def kills(self) -> int:
        """Kills so far, without those of Prefect's server."""
        return sum(self.done[kind] for kind in KILLS)

    def look(self) -> None:
        """Do what is due; nothing before there is work."""
        now = time.monotonic()
        for due, act in [one for one in self._later if one[0] <= now]:
            self._later.remove((due, act))
            self.say(act())
        for node in self.site.nodes.values():
            if node.keep_up():
                self.say(f"   the worker of {node.name} had ended and starts again")
        if self.order and self.watch.claims and self._is_time(now - self._last):
            self._disturb()

    def mend(self) -> None:
        """Bring back at once what is still away."""
        for _, act in self._later:
            self.say(act())
        self._later.clear()

    def _is_time(self, passed: float) -> bool:
        starved = self.watch.done <= self._made[0] and self.total > 1
        ahead = self.watch.done / (SPREAD * self.shards) > (self.total + 1) / (self.total + len(self.order) + 1)
        return passed > (PATIENCE_S if starved else LEAST_GAP_S if ahead else self._gap)

    def _disturb(self) -> None:
        """The next that finds a victim."""
        for kind in dict.fromkeys(self.order):
            told = _ACTS[kind](self)
            if told:
                self.order.remove(kind)
                self.done[kind] += 1
                self.allowance += self._cost(kind)
                self._last, self._gap = time.monotonic(), self.generator.uniform(*GAP_S)
                self._made = [self._made[1], self.watch.done]
                self.say(f"{self.total:2d} {told}   ({self.watch.done} of {self.shards} shards made)")
                return

    def _cost(self, kind: str) -> int:
        return self.site.workers if kind in ("server", "outage") else 1

    def _kill_one(self, kind: str, helpers: bool, told: str) -> str:
        nodes = self.site.helpers if helpers else [self.site.nodes["control"]]
        found = [(node, process) for node in nodes for process in node.processes(kind)]
        if not found:
            return ""
        node, process = found[self.generator.integers(len(found))]
        kill(process)
        return f"kill -9 {told} on {node.name}"

    def _kill_node(self, helpers: bool) -> str:
        nodes = [node for node in (self.site.helpers if helpers else [self.site.nodes["control"]]) if node.is_on]
        if not nodes:
            return ""
        node = nodes[self.generator.integers(len(nodes))]
        node.kill()

        def back() -> str:
            node.start()
            return f"   {node.name} is on again"

        self._after(self.generator.uniform(*NODE_S), back)
        return f"{node.name} loses power"

    def _kill_server(self) -> str:
        self.site.kill_server()

        def back() -> str:
            self.site.start_server()
            return "   Prefect's server starts again"

        self._after(SERVER_S, back)
        return "kill -9 Prefect's server"

    def _outage(self) -> str:
        """The first refuses, the second hangs, and so on."""
        kind, act = (("hangs", self.site.gate.hang), ("refuses", self.site.gate.refuse))[self._outages % 2 == 0]
        self._outages += 1
        act()

        def back() -> str:
            self.site.gate.pass_again()
            return "   storage is there again"

        self._after(OUTAGE_S, back)
        return f"storage {kind} for {OUTAGE_S:g} s"

    def _fill_disk(self) -> str:
        nodes = [node for node in self.site.helpers if node.is_on and node.apart and node.processes("renderer")]
        if not nodes:
            return ""
        node = nodes[self.generator.integers(len(nodes))]
        node.fill_disk()

        def back() -> str:
            node.free_disk()
            return f"   {node.name} has room again"

        self._after(DISK_S, back)
        return f"the disk of {node.name} is full for {DISK_S:g} s"

    def _after(self, seconds: float, act: Callable[[], str]) -> None:
        self._later.append((time.monotonic() + seconds, act))


_ACTS: dict[str, Callable[[Disturber], str]] = {
    "renderer": lambda it: it._kill_one("renderer", True, "Blender"),
    "run": lambda it: it._kill_one("run", True, "a run"),
    "worker": lambda it: it._kill_one("worker", True, "Prefect's worker"),
    "node": lambda it: it._kill_node(True),
    "leader": lambda it: it._kill_one("run", False, "the leading run"),
    "control node": lambda it: it._kill_node(False),
    "server": lambda it: it._kill_server(),
    "outage": lambda it: it._outage(),
    "disk": lambda it: it._fill_disk(),
}
