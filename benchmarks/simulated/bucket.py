"""An S3-compatible server for simulated runs: moto in a process of its own, on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def bucket(wanted: bool) -> Iterator[tuple[str, dict[str, str]]]:
    """An empty bucket's URL, and the variables with which clients find it; empty ones where none is wanted."""
    if not wanted:
        yield "", {}
        return
    from tests.s3_server import s3_server

    with s3_server() as serving:
        yield f"{serving.new_bucket()}/simulated", serving.environment
