"""The engine: leaders and helpers share the shards of a stage; what fails is tried again, set aside, or ends the run."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
import torch

from dataset.errors import InputError, StorageError
from dataset.manifest import Manifest
from dataset.schema import TABLES
from dataset.shards import iterate_rows
from dataset.storage.folder import FolderStore
from dataset.work import control
from dataset.work.claims import Claims
from dataset.work.control import Control
from rendering.failures import Failure, RenderError
from tasks.config import RenderIHConfig
from tasks.limits import FEWEST, BudgetSpent, QualityAlarm, Watch
from tasks.sharing import share as engine
from tasks.sharing.share import help_out, lead
from tasks.sharing.stage import Stage
from tasks.sharing.troubles import Trouble, trouble_of

SHARDS = [f"{number:05d}" for number in range(8)]


@dataclass
class Run:
    """As much of `tasks.run.Run` as the engine needs."""

    manifest: Manifest
    config: RenderIHConfig = field(default_factory=lambda: RenderIHConfig(fleet={"lease_seconds": 2}))
    worker: str = "worker"
    lighter: int = 2

    def __post_init__(self):
        self.store, self.watch = self.manifest.store, Watch(self.config.limits)

    def work_lighter(self) -> bool:
        self.lighter -= 1
        return self.lighter >= 0


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(engine, "POLL", 0.02)
    monkeypatch.setattr(engine, "_LONGEST_PAUSE", 0.4)
    monkeypatch.setattr(engine, "_FIRST_PAUSE", 0.1)


@pytest.fixture
def store(tmp_path) -> FolderStore:
    store = FolderStore(tmp_path / "dataset")
    Manifest.open(store, {"seed": 1})
    control.begin(store)
    return store


def a_run(store, worker="worker", **parts) -> Run:
    config = RenderIHConfig(fleet={"lease_seconds": 2}, **parts)
    return Run(Manifest.read(store), config, worker)


def row(name: str) -> dict:
    return dict.fromkeys(TABLES["rejected"].names, "x") | {"pose_id": name, "augmentation": 0, "value": 0, "limit": 0}


def plain(run, shard, attempt):
    attempt.write("rejected", shard, [row(shard)])


def stage(make=plain, shards=SHARDS) -> Stage:
    return Stage("poses", lambda run: shards, make, table="rejected")


def names(store) -> list[str]:
    return [row["pose_id"] for row in iterate_rows(Manifest.read(store).paths("rejected"))]


def test_a_leader_alone_makes_all(store):
    lead(a_run(store), stage())
    assert names(store) == SHARDS


def test_what_is_there_is_left_alone(store):
    lead(a_run(store), stage(shards=SHARDS[:3]))
    made = []
    lead(a_run(store), stage(lambda run, shard, attempt: (made.append(shard), plain(run, shard, attempt))))
    assert made == SHARDS[3:] and names(store) == SHARDS


def test_leaders_and_helpers_share_the_work(store):
    made = []

    def slow(run, shard, attempt):
        made.append((run.worker, shard))
        time.sleep(0.05)
        plain(run, shard, attempt)

    with ThreadPoolExecutor(4) as threads:
        jobs = [threads.submit(lead, a_run(store, f"leader {n}"), stage(slow)) for n in range(2)]
        jobs += [threads.submit(help_out, a_run(store, f"helper {n}"), stage(slow)) for n in range(2)]
        [job.result() for job in jobs]
    assert sorted(shard for _, shard in made) == SHARDS and len({worker for worker, _ in made}) == 4
    assert names(store) == SHARDS


def test_a_shard_that_fails_is_tried_again_and_then_set_aside_while_others_are_made(store):
    tries = []

    def fragile(run, shard, attempt):
        if shard == "00002":
            tries.append(shard)
            raise RuntimeError("the wheel came off")
        plain(run, shard, attempt)

    with pytest.raises(InputError, match="1 of the poses shards failed again and again, the first is 00002: Runtime"):
        lead(a_run(store), stage(fragile))
    assert len(tries) == 3 and names(store) == [shard for shard in SHARDS if shard != "00002"]
    lead(a_run(store), stage())
    assert names(store) == SHARDS, "mended, the same command finishes it"


def test_memory_that_runs_out_makes_work_lighter_and_costs_no_shard(store):
    run = a_run(store)

    def hungry(run, shard, attempt):
        if run.lighter:
            raise torch.OutOfMemoryError("CUDA out of memory")
        plain(run, shard, attempt)

    lead(run, stage(hungry))
    assert names(store) == SHARDS


def test_trouble_with_storage_is_waited_out(store):
    tries = []

    def unlucky(run, shard, attempt):
        tries.append(shard)
        if len(tries) < 3:
            raise StorageError("no space left")
        plain(run, shard, attempt)

    lead(a_run(store), stage(unlucky))
    assert names(store) == SHARDS


def test_trouble_with_storage_that_stays_ends_the_run_with_its_sentence(store):
    def never(run, shard, attempt):
        raise StorageError("no space left")

    with pytest.raises(StorageError, match="no space left"):
        lead(a_run(store), stage(never))
    assert Claims(store, "poses", SHARDS, 2).take() is not None, "it was given back"


def test_bad_input_ends_the_run_at_once(store):
    tries = []

    def bad(run, shard, attempt):
        tries.append(shard)
        raise InputError("the skin is gone")

    with pytest.raises(InputError, match="the skin is gone"):
        lead(a_run(store), stage(bad))
    assert len(tries) == 1


def test_a_helper_stops_when_the_run_does_and_gives_its_shard_back(store):
    begun = threading.Event()

    def slow(run, shard, attempt):
        begun.set()
        time.sleep(0.3)
        plain(run, shard, attempt)

    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(help_out, a_run(store, "helper"), stage(slow))
        begun.wait()
        Control("paused", "a person said so").write(store)
        assert job.result() < len(SHARDS)
    assert Claims(store, "poses", SHARDS, 2).take() is not None


def test_limits_stop_a_run_between_shards_and_keep_what_is_made(store):
    run = a_run(store, limits={"hours": 1e-9})
    with pytest.raises(BudgetSpent, match="hours have passed"):
        lead(run, stage())
    run = a_run(store, limits={"hours": 100.0})
    lead(run, stage())
    assert names(store) == SHARDS


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ({"images": 60}, "the dataset has 60 images"),
        ({"cost": 1e-12, "price_per_hour": 2.0}, "worker hours have cost"),
    ],
)
def test_budgets(limits, error):
    watch = Watch(RenderIHConfig(limits=limits).limits)
    watch.check(59)
    time.sleep(0.01)
    watch.spend(3)
    with pytest.raises(BudgetSpent, match=error):
        watch.check(60)


def test_the_alarm_looks_at_the_last_images_only():
    shard = lambda table, rows: (table, type("Shard", (), {"rows": rows}))  # noqa: E731
    watch = Watch(RenderIHConfig(limits={"max_refused": 0.3}).limits)
    watch.saw([shard("images", FEWEST // 4), shard("rejected", FEWEST // 4)])
    watch.check(0)  # half refused, but too few to say
    for _ in range(10):
        watch.saw([shard("images", 90), shard("rejected", 10)])
        watch.check(0)
    with pytest.raises(QualityAlarm, match=r"of the last \d+ images were refused"):
        for _ in range(4):
            watch.saw([shard("images", 10), shard("rejected", 90)])
            watch.check(0)


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (MemoryError(), Trouble.MEMORY),
        (RenderError(Failure.OUT_OF_MEMORY, "x"), Trouble.MEMORY),
        (RuntimeError("CUDA error: unspecified launch failure"), Trouble.DEVICE),
        (RuntimeError("CUDA error: out of memory"), Trouble.MEMORY),
        (StorageError("x"), Trouble.STORAGE),
        (InputError("x"), Trouble.INPUT),
        (ValueError("x"), Trouble.OTHER),
        (RenderError(Failure.CRASH, "x"), Trouble.OTHER),
    ],
)
def test_classes_of_trouble(error, trouble):
    assert trouble_of(error) is trouble
