"""The tables of IHDiff's paper for networks of one's own: what `render-ih evaluate ihdiff` does.

Every result (a table's method, in Table 2 with one kind of targets) is a file in `parts` as soon as it is there, with the
settings that it depends on; the same command goes on from these.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from dataset.assets.hand_files import hand_checksum, load_hands
from dataset.atomic import atomic_write, only_one
from dataset.errors import InputError
from dataset.shards import file_sha256
from dataset.splits import SPLITS
from hands.kernels import device_fault
from models.ihdiff import checkpoint
from models.ihdiff.checkpoint import IHDiff, TrainedVAE
from models.ihdiff.diffusion import STEPS
from models.ihdiff.nearest import Bank
from models.ihdiff.targets import KINDS
from tasks.checkpoint_hands import refuse_other_hands
from tasks.ihdiff.checkpoints import checkpoint_file, load_ihdiff
from tasks.ihdiff.contacting_poses import ContactingPoses, kind_and_path, read_contacting_poses, spread
from tasks.ihdiff.evaluation import table1, table2, table3
from tasks.ihdiff.evaluation.judge import Hands, Judge, require_volumes, schedule
from tasks.ihdiff.evaluation.pages import ALL, NAMES
from tasks.ihdiff.evaluation.parts import Part, Result, computed, stored
from tasks.ihdiff.evaluation.table2 import Truth
from tasks.ihdiff.evaluation.table3 import Regressed
from tasks.progress import say
from tasks.result_folder import plain, refuse_foreign

OF_TABLE = {1: ("vae", "without_collision", "ihdiff"), 2: ("vae", "self_attention", "ihdiff"), 3: ("vae", "ihdiff")}
"""Which networks each table compares."""
SUBSETS = {"interhand26m": {"validation": "val", "test": "test"}, "reinterhand": {"test": "test"}}
"""Recordings that are published in subsets: the one that holds a split."""
_OURS = {"parts", "tables.json", "tables.md", ".evaluation.lock"}
_BUSY = "another evaluation is writing here; wait until it has ended, or give another folder"


@dataclass(frozen=True)
class Evaluation:
    """What is evaluated, and how."""

    place: str
    """Poses, see `tasks.ihdiff.contacting_poses.read_contacting_poses`."""
    out: Path
    networks: dict[str, Path]
    """Checkpoints by the names of `OF_TABLE`; a row whose network is missing is left out."""
    tables: tuple[int, ...] = (1, 2)
    samples: int = 512
    """Hand pairs drawn from each network for Table 1."""
    poses: int = 64
    """Of the split that are fitted for Tables 2 and 3, evenly spread."""
    split: str = "test"
    targets: tuple[str, ...] = KINDS
    """Columns of Table 2."""
    steps: int = STEPS
    """Of fits."""
    sampling_steps: int = 100
    """Of Alg. 1 for Table 1."""
    batch: int = 32
    seed: int = 0
    regressor: str = ""
    """A file with a regressor's answers, or "simulated", for Table 3."""
    mano: Path | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        if min(self.samples, self.poses, self.batch) < 1 or self.samples < 2:
            raise InputError("samples must be 2 or more, poses and batch 1 or more")
        if not (1 <= self.steps <= STEPS and 1 <= self.sampling_steps <= STEPS):
            raise InputError(f"steps are {self.steps} and {self.sampling_steps} for samples: must be 1 to {STEPS}")
        _among("targets", self.targets, KINDS)
        _among("tables", self.tables, tuple(OF_TABLE))
        _among("split", (self.split,), SPLITS)
        if 3 in self.tables and not self.regressor:
            raise InputError("Table 3 refines a regressor's answers; give --regressor FILE, or --regressor simulated")
        if fault := device_fault(self.device):
            raise InputError(f"device: {fault}")


@dataclass(frozen=True)
class Evaluated:
    """What was made."""

    numbers: Path
    tables: Path


def evaluate(wish: Evaluation) -> Evaluated:
    """Compute the tables, or what is missing of them.

    Raises:
        InputError: a checkpoint, the poses or the regressor's answers cannot be used, or the folder holds other results.
    """
    hands = load_hands(wish.mano)
    models = {name: load_network(name, path, hands) for name, path in wish.networks.items()}
    refuse_foreign(wish.out, _OURS)
    bench = Bench(wish, hands, models, *read_poses(wish.place, wish.split, hands))
    say(f"{len(bench.held):,} poses of the split {wish.split}")
    parts = [part for table in wish.tables for part in {1: _table1, 2: _table2, 3: _table3}[table](bench)]
    with only_one(wish.out / ".evaluation.lock", _BUSY):
        there = [stored(wish.out, part) for part in parts]  # settings that differ are told before hours of work
        results = [found or computed(wish.out, part) for found, part in zip(there, parts, strict=True)]
        return _write(bench, list(zip(parts, results, strict=True)))


def read_poses(place: str, split: str, hands: Hands) -> tuple[ContactingPoses, ContactingPoses]:
    """What holds the poses learnt from, and what holds those of a split: two subsets of a recording that is published in some.

    Raises:
        InputError: the place cannot be read, or holds no such pose.
    """
    learnt = read_contacting_poses(place, hands)
    subset = SUBSETS.get(kind_and_path(place)[0], {}).get(split)
    return learnt, read_contacting_poses(place, hands, subset=subset) if subset else learnt


def load_network(name: str, path: Path, hands: Hands) -> IHDiff | TrainedVAE:
    """The network that a row is about.

    Raises:
        InputError: there is none, it is of another kind, it belongs to other hands, or diffusers is not installed.
    """
    if name == "vae":
        try:
            model = checkpoint.load_vae(checkpoint_file(path))
        except ValueError as error:  # an InputError is one
            raise InputError(str(error)) from error
        refuse_other_hands(path, model.notes, hands)
        return model
    model = load_ihdiff(path, hands)
    schedule(1)  # told now if it cannot be had
    wanted = "self" if name == "self_attention" else "cross"
    if (found := model.network.config.attention) != wanted:
        raise InputError(f"{path}: has {found}-attention, where the row {NAMES[name]} is about {wanted}-attention")
    return model


@dataclass(frozen=True, eq=False)
class Bench:
    """What the parts share, made when it is first needed."""

    wish: Evaluation
    hands: Hands
    models: dict[str, IHDiff | TrainedVAE]
    learnt: ContactingPoses
    """Holds the poses learnt from …"""
    others: ContactingPoses
    """… and those of the split; often the same."""

    @cached_property
    def judge(self) -> Judge:
        """Measures hands."""
        return Judge.build(self.hands, self.wish.batch, self.wish.device)

    @cached_property
    def train(self) -> ContactingPoses:
        """Poses learnt from."""
        return self._of(self.learnt, "train")

    @cached_property
    def held(self) -> ContactingPoses:
        """All poses of the split."""
        return self._of(self.others, self.wish.split)

    @cached_property
    def fitted(self) -> ContactingPoses:
        """Those that are fitted for Table 2."""
        return self.held[spread(len(self.held), self.wish.poses)]

    @cached_property
    def truth(self) -> Truth:
        """They themselves."""
        return table2.truth_of(self.fitted.poses, self.hands, self.judge)

    @cached_property
    def bank(self) -> Bank:
        """What the NN search searches."""
        return table2.bank_of(self.train.poses, self.hands)

    @cached_property
    def halves(self) -> tuple[ContactingPoses, ContactingPoses]:
        """Poses learnt from: some that samples are compared with, and as many others."""
        rows = spread(len(self.train), 2 * self.wish.samples)
        return self.train[rows[0::2]], self.train[rows[1::2]]

    @cached_property
    def real(self) -> Float[Tensor, "m 126"]:
        """Features of the former."""
        truth = table2.truth_of(self.halves[0].poses, self.hands, self.judge)
        return table1.features(truth.meshes)

    @cached_property
    def regressed(self) -> tuple[list[str], Truth, Regressed]:
        """Poses that a regressor has answers for: their names, they themselves, and its answers."""
        rows, answers = table3.answers_of(
            self.wish.regressor, self.held.names, self.held.poses, self.hands, self.wish.seed
        )
        some = spread(len(rows), self.wish.poses)
        chosen = self.held[[rows[number] for number in some]]
        truth = table2.truth_of(chosen.poses, self.hands, self.judge)
        return chosen.names, truth, table3.regressed_of(answers[some], self.hands, self.judge)

    def settings(self, method: str, **others: Any) -> dict[str, Any]:
        """What a result depends on."""
        read = dict.fromkeys((self.learnt.sha256, self.others.sha256))
        found = {"poses": "+".join(read), "hands": hand_checksum(self.hands), "split": self.wish.split}
        if method in self.models:
            found["network"] = file_sha256(checkpoint_file(self.wish.networks[method]))
        return found | {"seed": self.wish.seed} | others

    def _of(self, poses: ContactingPoses, split: str) -> ContactingPoses:
        found = poses.of(split)
        if not len(found):
            raise InputError(f"{self.wish.place}: has no poses of the split {split}; give some or another --split")
        return found


def _table1(bench: Bench) -> Iterator[Part]:
    require_volumes()
    wish = bench.wish
    settings = partial(bench.settings, learnt=len(bench.train), samples=wish.samples)

    def data(poses: ContactingPoses) -> Result:
        packed = table2.packed_in_blocks(poses.poses, bench.hands, "posing poses")
        return table1.measured(packed.x, packed.betas, bench.real, bench.judge, wish.seed)

    def network(name: str) -> Result:
        title = f"Table 1, {NAMES[name]}"
        hands = table1.drawn(bench.models[name], wish.samples, wish.sampling_steps, wish.seed, bench.judge, title)
        return table1.measured(*hands, bench.real, bench.judge, wish.seed)

    yield Part(1, "data-train", "", settings("data-train"), lambda: data(bench.halves[1]))
    yield Part(1, "data", "", settings("data"), lambda: data(bench.held[spread(len(bench.held), wish.samples)]))
    for name in filter(bench.models.__contains__, OF_TABLE[1]):
        steps = {} if name == "vae" else {"sampling_steps": wish.sampling_steps}
        yield Part(1, name, "", settings(name, **steps), partial(network, name))


def _table2(bench: Bench) -> Iterator[Part]:
    wish = bench.wish
    settings = partial(bench.settings, learnt=len(bench.train), fitted=wish.poses)

    def result(name: str, kind: str = "clean") -> Result:
        truth, targets = bench.truth, table2.targets_of(bench.truth, kind, wish.seed)
        if name == "truth":
            found = table2.scored(truth.meshes, truth.meshes, bench.judge)
        elif name == "search":
            found = table2.by_search(bench.bank, targets, truth, bench.judge)
        else:
            rest = truth, wish.steps, wish.seed, bench.judge, f"Table 2, {NAMES[name]}, {kind}"
            found = table2.by_network(bench.models[name], targets, *rest)
        return {"pose": bench.fitted.names} | found

    yield Part(2, "truth", "", settings("truth"), partial(result, "truth"))
    for kind in wish.targets:
        yield Part(2, "search", kind, settings("search", target=kind), partial(result, "search", kind))
        for name in filter(bench.models.__contains__, OF_TABLE[2]):
            about = settings(name, target=kind, steps=wish.steps, batch=wish.batch)
            yield Part(2, name, kind, about, partial(result, name, kind))


def _table3(bench: Bench) -> Iterator[Part]:
    wish = bench.wish
    settings = partial(bench.settings, fitted=wish.poses, regressor=table3.identity(wish.regressor))

    def result(name: str) -> Result:
        names, truth, regressed = bench.regressed
        rest = regressed, truth, wish.steps, wish.seed, bench.judge, f"Table 3, {NAMES[name]}"
        if name == "regressor":
            found = table3.unrefined(regressed, truth, bench.judge)
        elif name == "regression":
            found = table3.by_collision_regression(*rest)
        else:
            found = table3.by_network(bench.models[name], *rest)
        return {"pose": names} | found

    yield Part(3, "regressor", "", settings("regressor"), partial(result, "regressor"))
    for name in ("regression", *filter(bench.models.__contains__, OF_TABLE[3])):
        yield Part(3, name, "", settings(name, steps=wish.steps, batch=wish.batch), partial(result, name))


def _write(bench: Bench, results: list[tuple[Part, Result]]) -> Evaluated:
    wish, tables = bench.wish, {}
    for part, result in results:
        told = result if part.table == 1 else table2.told(result, wish.seed)
        tables.setdefault(part.table, {}).setdefault(part.method, {})[part.target or ALL] = told
    pages = {1: table1.page, 2: table2.page, 3: partial(table3.page, regressor=wish.regressor)}
    names = ("split", "seed", "samples", "poses", "steps", "sampling_steps", "batch")
    read = " and ".join(dict.fromkeys((bench.learnt.about, bench.others.about)))
    settings = {name: getattr(wish, name) for name in names} | {"read": read}
    networks = {name: model.notes for name, model in bench.models.items()}
    content = plain({"settings": settings, "networks": networks, "tables": tables})
    evaluated = Evaluated(wish.out / "tables.json", wish.out / "tables.md")
    atomic_write(evaluated.numbers, json.dumps(content, indent=1, allow_nan=False) + "\n")
    atomic_write(evaluated.tables, "\n".join(pages[number](found) for number, found in sorted(tables.items())))
    return evaluated


def _among(name: str, given: Sequence[str | int], known: Sequence[str | int]) -> None:
    for one in given:
        if one not in known:
            raise InputError(f"{name}: there is no '{one}'; give some of {', '.join(map(str, known))}")
    if not given:
        raise InputError(f"{name}: none is given; give some of {', '.join(map(str, known))}")
