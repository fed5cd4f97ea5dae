"""A dataset in a bucket of an S3-compatible server."""

import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from io import IOBase
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

import numpy as np
from obstore.exceptions import BaseError
from obstore.store import S3Store

from dataset.atomic import atomic_file, explained
from dataset.errors import InputError, StorageError
from dataset.storage.cache import alone, cache_folder
from dataset.storage.ranged import RangedFile
from dataset.storage.refusals import NOT_S3, failure
from dataset.storage.store import Stored

_Result = TypeVar("_Result")
_PIECE = 8 << 20
"""Bytes of one request of a large file."""
_UPLOADS = 4
"""Pieces of a file on their way at once."""
_LONGEST_REQUEST = 60.0
"""Seconds until a request counts as unanswered."""
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 20.0
"""Seconds between tries; each wait is twice as long as the last."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PROBE = "manifest.json"

_used_by: int | None = None
"""Process in which requests were made: the threads that obstore makes them with do not live on in a forked one."""


class BucketStore:
    """See `dataset.storage.store.Store`. Threads may share it; processes that shall use it are spawned, not forked.

    A conditional write that the server declines counts as done when exactly its content is there: the answer to an earlier
    try may have been lost, here or at a proxy. So the contents of writers that compete must differ, by a token of each.
    """

    def __init__(self, url: str, patience: float = 600.0) -> None:
        """Open a bucket and look whether it answers.

        Args:
            url: `s3://bucket/prefix`. Server and credentials are those of the environment (`AWS_…`).
            patience: seconds to wait out trouble that may pass, for each operation.

        Raises:
            InputError: the URL is wrong, or there is no such bucket, or the credentials do not admit to it.
            StorageError: the server did not answer all that time.
        """
        self.url = url
        bucket, prefix = _parts(url)
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        self.folder = cache_folder(endpoint, bucket, prefix)
        self._patience = patience
        self._random = np.random.default_rng()  # waits only: they shall differ between machines
        self._answered = False
        self._server = urlsplit(endpoint).netloc.rpartition("@")[2] or "S3"
        self._bucket = self._opened(bucket, prefix, plain=endpoint.startswith("http://"))
        self._probe()

    def __repr__(self) -> str:
        return self.url

    def read(self, name: str) -> Stored | None:
        """A small file; None where there is none."""
        try:
            return self._ask(name, lambda key: _whole(self._bucket, key))
        except _Declined:
            return None

    def create(self, name: str, content: bytes) -> str | None:
        """Write a file that is not there; its tag, or None when there is one."""
        return self._write_if(name, content, "create")

    def replace(self, name: str, content: bytes, tag: str) -> str | None:
        """Write a file whose tag is still `tag`; the new tag, or None when it is another by now, or gone."""
        return self._write_if(name, content, {"e_tag": tag})

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whatever is there."""
        self._ask(name, lambda key: self._bucket.put(key, content))

    def remove(self, name: str) -> None:
        """Remove a file, if it is there, and its copy on this machine."""
        with suppress(_Declined):
            self._ask(name, self._bucket.delete)
        (self.folder / name).unlink(missing_ok=True)

    def clear(self, prefix: str) -> None:
        """Remove all files whose names begin with a prefix, and their copies on this machine."""
        if names := self.names(prefix):
            self._ask(prefix.rstrip("/"), lambda key: self._bucket.delete(names))
        shutil.rmtree(self.folder / prefix, ignore_errors=True)

    def names(self, prefix: str) -> list[str]:
        """Names that begin with a prefix, in order."""
        listed = lambda key: [file["path"] for page in self._bucket.list(key) for file in page]  # noqa: E731
        return sorted(self._ask(prefix.rstrip("/"), listed))

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none."""
        try:
            return self._head(name)["size"]
        except _Declined:
            return None

    def publish(self, name: str) -> None:
        """Upload `folder / name` in pieces; nobody sees it before it is whole.

        Raises:
            FileNotFoundError: there is no such file here.
        """
        path = self.folder / _checked(self.url, name)
        if not path.is_file():
            raise FileNotFoundError(path)
        upload = lambda key: self._bucket.put(key, path, chunk_size=_PIECE, max_concurrency=_UPLOADS)  # noqa: E731
        self._ask(name, upload)

    def fetch(self, name: str, size: int | None = None) -> Path:
        """Bring a file from the bucket to `folder / name`, unless one of that size lies there already; its path."""
        path = self.folder / _checked(self.url, name)
        with alone(self.folder, name):
            if size is None or not path.is_file() or path.stat().st_size != size:
                self._download(name, path)
        return path

    def open(self, name: str) -> IOBase:
        """A file to be read in pieces, each of the version that is there now."""
        try:
            there = self._head(name)
        except _Declined:
            raise InputError(f"{self.url}: there is no {name}; has another program removed it?") from None
        return RangedFile(there["size"], lambda first, last: self._range(name, first, last, there["e_tag"]))

    def move(self, source: str, target: str) -> bool:
        """Give a file another name, in the place of what is there; False when there is no `source`."""
        to = _checked(self.url, target)
        try:
            there = self._head(source)
            self._ask(source, lambda key: self._bucket.copy(key, to))
            copied = self._head(target)
        except _Declined:
            (self.folder / source).unlink(missing_ok=True)
            return False
        if copied["size"] != there["size"] or copied["last_modified"] < there["last_modified"]:
            raise StorageError(f"{self.url}: {source} was not copied to {target}; it is still there: try again")
        self._ask(source, self._bucket.delete)
        self._move_here(self.folder / source, self.folder / target)
        return True

    def _opened(self, bucket: str, prefix: str, plain: bool) -> S3Store:
        timeout = timedelta(seconds=min(_LONGEST_REQUEST, max(1.0, self._patience)))
        try:
            return S3Store(
                bucket,
                prefix=prefix or None,
                client_options={"allow_http": plain, "timeout": timeout, **_certificates()},
                retry_config={"max_retries": 0},  # tries are counted here alone
                disable_bulk_delete=True,  # not every server has it
            )
        except BaseError as error:
            raise InputError(f"{self.url}: {failure(error).sentence('settings of the environment')}") from None

    def _move_here(self, source: Path, target: Path) -> None:
        with explained(target), suppress(FileNotFoundError):
            target.unlink(missing_ok=True)
            if source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                source.replace(target)

    def _write_if(self, name: str, content: bytes, mode: Literal["create"] | dict[str, str]) -> str | None:
        try:
            return self._ask(name, lambda key: self._bucket.put(key, content, mode=mode))["e_tag"]
        except _Declined:
            there = self.read(name)
            return there.tag if there is not None and there.content == content else None

    def _download(self, name: str, path: Path) -> None:
        try:
            there = self._head(name)
        except _Declined:
            raise InputError(f"{self.url}: there is no {name}; has another program removed it?") from None
        with atomic_file(path) as file:
            for first in range(0, there["size"], _PIECE):
                file.write(self._range(name, first, min(first + _PIECE, there["size"]), there["e_tag"]))

    def _range(self, name: str, first: int, last: int, tag: str) -> bytes:
        """Some bytes of a version of a file."""
        options = {"range": (first, last), "if_match": tag}
        try:
            return self._ask(name, lambda key: self._bucket.get(key, options=options).bytes()).to_bytes()
        except _Declined:
            raise StorageError(f"{self.url}: {name} was written anew while it was read; read it again") from None

    def _head(self, name: str) -> dict:
        """Size, tag and time. An answer to this request never says why there is nothing, so another one asks for it."""
        try:
            return self._ask(name, self._bucket.head)
        except StorageError:
            raise
        except (InputError, _Declined):
            self._probe()
            raise

    def _probe(self) -> None:
        """Ask for something that may be there or not: a refusal tells why."""
        try:
            self._ask(_PROBE, lambda key: self._bucket.get(key, options={"range": (0, 1)}).bytes())
        except _Declined as answer:
            if not answer.code:
                raise InputError(f"{self.url}: {NOT_S3}") from None

    def _ask(self, name: str, request: Callable[[str], _Result]) -> _Result:
        """The answer to a request about a file, made again while there is trouble that may pass.

        Patience is counted from the first failure, so that a long upload has all of it.

        Raises:
            _Declined: the file is not there, or of another version than asked for.
        """
        _refuse_fork()
        key = _checked(self.url, name) if name else ""
        deadline, wait = None, _FIRST_WAIT
        while True:
            try:
                answer = request(key)
                self._answered = True
                return answer
            except (BaseError, FileNotFoundError) as error:
                reason = self._judged(name, error)
            deadline = deadline or time.monotonic() + self._patience
            left = deadline - time.monotonic()
            if left <= 0:
                raise StorageError(
                    f"{self.url}: {self._server} has not served {name or 'a list'} for {self._patience:.0f} s ({reason}); "
                    "what is stored is as it was: go on when it answers again"
                )
            time.sleep(min(left, wait * self._random.uniform(0.5, 1.0)))
            wait = min(2 * wait, _LONGEST_WAIT)

    def _judged(self, name: str, error: Exception) -> str:
        """The reason of a failure that may pass; any other one is raised, without the server's words, which may name keys."""
        found = failure(error)
        if found.is_about_content:
            self._answered = True
            raise _Declined(found.code) from None
        renewable = found.kind == "credentials" and self._answered  # a role's, which its source does not renew for now
        if not found.passes and not renewable:
            raise InputError(f"{self.url}: {found.sentence(name or 'list')}") from None
        return found.reason


class _Declined(Exception):
    """The file is not there, or of another version than asked for."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def _whole(bucket: S3Store, key: str) -> Stored:
    answer = bucket.get(key)
    return Stored(answer.bytes().to_bytes(), answer.meta["e_tag"])


def _parts(url: str) -> tuple[str, str]:
    """Bucket and prefix of a URL."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    if "@" in bucket or ":" in bucket:  # not shown: it may be a password
        raise InputError(
            "the URL of a bucket has no credentials and no server in it; give s3://bucket/prefix, and set "
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL"
        )
    if not url.startswith("s3://") or not bucket or set("?#") & set(url):
        raise InputError(f"{url}: is no URL of a bucket; give s3://bucket/prefix")
    prefix = prefix.rstrip("/")
    return bucket, _checked(url, prefix) if prefix else ""


def _checked(url: str, name: str) -> str:
    """A name that means the same in a bucket and in a folder."""
    if {"", ".", ".."} & set(name.split("/")) or _CONTROL.search(name):
        raise InputError(f"{url}: '{name}' is no name of a file in a dataset")
    return name


def _certificates() -> dict[str, bytes]:
    bundle = os.environ.get("AWS_CA_BUNDLE")
    if not bundle:
        return {}
    try:
        return {"root_certificate": Path(bundle).read_bytes()}
    except OSError as error:
        raise InputError(f"{bundle}: AWS_CA_BUNDLE names it, but it cannot be read; correct or unset it") from error


def _refuse_fork() -> None:
    global _used_by
    _used_by = _used_by or os.getpid()
    if _used_by != os.getpid():
        raise RuntimeError("buckets cannot be used in a process that was forked from one that used them: spawn it")
