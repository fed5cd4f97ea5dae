"""Counters of a worker's process as Prometheus reads them, at a page that is there when RENDER_IH_METRICS_PORT is set.

Several workers of a node share one setting: each takes the first port from there on that is free, says which, and notes it
in its record. 0 is any free port.
"""

import errno
import os
from functools import cache
from threading import Thread
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from dataset.errors import InputError
from tasks.progress import say

PORT, HOST = "RENDER_IH_METRICS_PORT", "RENDER_IH_METRICS_HOST"
NEIGHBOURS = 64
"""Ports that are tried, from the one that is set on."""

REGISTRY = CollectorRegistry()
ROWS = Counter("render_ih_rows", "Rows of shards made here, by table (images, poses, …).", ["table"], registry=REGISTRY)
BYTES = Counter("render_ih_bytes", "Bytes of shards made here, by table.", ["table"], registry=REGISTRY)
REFUSED = Counter("render_ih_refused", "Refused here, by class of reason.", ["stage", "reason"], registry=REGISTRY)
SHARDS = Counter("render_ih_shards", "Shards made here.", ["stage"], registry=REGISTRY)
SECONDS = Counter("render_ih_shard_seconds", "Seconds in which they were made.", ["stage"], registry=REGISTRY)
TROUBLES = Counter("render_ih_troubles", "Tries that made no shard, by class.", ["stage", "trouble"], registry=REGISTRY)
STEPS = Counter(
    "render_ih_steps", "What bars count, as it goes (images, poses, steps, …).", ["unit"], registry=REGISTRY
)
AGE = Gauge("render_ih_shard_age_seconds", "Since the shard at hand was taken; 0 between shards.", registry=REGISTRY)


def serve() -> str:
    """The page's URL, where it is wanted; the same as long as the process lives.

    Raises:
        InputError: the settings name no port or host of this machine, or no port is free.
    """
    wanted = os.environ.get(PORT, "")
    if not wanted:
        return ""
    host = os.environ.get(HOST) or "127.0.0.1"
    if not wanted.isdecimal() or int(wanted) > 65535:
        raise InputError(f"{PORT}={wanted}: is no port; say a number up to 65535, or 0 for any that is free")
    return served(host, int(wanted))[0]


@cache
def served(host: str, first: int) -> tuple[str, Any, Thread]:
    """The URL of a page that is begun now, with its server and the thread it runs in."""
    for port in range(first, min(first + NEIGHBOURS, 65536) if first else 1):
        try:
            server, thread = start_http_server(port, host, REGISTRY)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            raise InputError(
                f"metrics cannot be served at {host}:{port}: {error.strerror}; see {HOST} and {PORT}"
            ) from error
        url = f"http://{f'[{host}]' if ':' in host else host}:{server.server_port}/metrics"
        say(f"Metrics at {url}")
        return url, server, thread
    raise InputError(f"{PORT}={first}: that port of {host} and the {NEIGHBOURS - 1} after it are taken; choose another")
