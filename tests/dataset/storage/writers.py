"""What competing processes do in the tests; they are spawned, so it stands in a module of its own."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

from dataset.storage.opening import open_store
from dataset.storage.store import Store

PROCESSES, THREADS = 4, 4
WRITERS = PROCESSES * THREADS


def compete(work: Callable[[str, int], list], url: str) -> list:
    """Let sixteen writers in four processes do something at once; what they give, by writer."""
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        return [result for results in pool.map(work, [url] * PROCESSES, range(PROCESSES)) for result in results]


def create_one(url: str, process: int) -> list[str | None]:
    """Each thread creates the same file with a content of its own; the tags."""
    store, start = open_store(url, patience=60), threading.Barrier(THREADS)

    def create(thread: int) -> str | None:
        start.wait()
        return store.create("race.json", json.dumps([process, thread]).encode())

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(create, range(THREADS)))


INCREMENTS = 4


def count_up(url: str, process: int) -> list[int]:
    """Each thread adds one to a number some times; how often it had to try."""
    store = open_store(url, patience=60)
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda thread: _add(store, f"{process}-{thread}"), range(THREADS)))


def _add(store: Store, writer: str) -> int:
    tries = done = 0
    while done < INCREMENTS:
        stored = store.read("count.json")
        content = json.loads(stored.content)
        changed = {"count": content["count"] + 1, "by": f"{writer}-{done}"}
        done += store.replace("count.json", json.dumps(changed).encode(), stored.tag) is not None
        tries += 1
    return tries
