"""A well-behaved client of Poly Haven's API (github.com/Poly-Haven/Public-API: swagger.yml and ToS.md).

It names itself, keeps to a bounded number of connections, waits when asked to, goes on where a connection broke, and
accepts a file only with the size and the MD5 that the API announced.
"""

import hashlib
import re
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx

from dataset.atomic import explained
from dataset.errors import InputError
from dataset.versions import PACKAGE, code_version

API = "https://api.polyhaven.com"
CREDIT = "Powered by Poly Haven"
"""To be shown wherever the live API is used (ToS, 2.5)."""

_Result = TypeVar("_Result")
_PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Answers that another try may change."""
_MD5 = re.compile(r"[0-9a-f]{32}")
_START = re.compile(r"bytes (\d+)-")


class Refused(Exception):
    """A map cannot be had; the message says why, without the map's name."""


class Stopped(Exception):
    """The pull was interrupted while a thread was at work."""


@dataclass(frozen=True)
class Patience:
    """How long to try, seconds."""

    attempts: int = 5
    first_wait: float = 1.0
    """Wait after the first failure; each further one waits twice as long."""
    longest_wait: float = 60.0
    """No wait is longer; a server that asks for more is left alone."""
    timeout: float = 30.0
    """For a connection, and between two pieces of an answer."""


@dataclass(frozen=True)
class Offer:
    """A file that a source has."""

    url: str
    bytes: int
    md5: str
    """Empty when the source does not know it."""
    resolution: str
    format: str


class _Again(Exception):
    """Try again, after the seconds that the server asked for if it did."""

    def __init__(self, reason: str, wait: float = 0.0):
        super().__init__(reason)
        self.wait = wait


class Haven(AbstractContextManager):
    """Poly Haven, or a mirror that speaks the same API. Threads may share it."""

    def __init__(self, base: str = API, connections: int = 4, patience: Patience | None = None):
        self._base = base.rstrip("/")
        self._patience = patience or Patience()
        self._stop = threading.Event()
        self._quiet_until = 0.0
        self._answered = False
        self._client = httpx.Client(
            headers={"User-Agent": user_agent(), "Accept-Encoding": "identity"},  # ranges count the file's own bytes
            timeout=self._patience.timeout,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=True,
        )

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def stop(self) -> None:
        """Make every thread that is at work give up soon; what has arrived is kept."""
        self._stop.set()

    def find(self, name: str, resolution: str, formats: tuple[str, ...]) -> Offer:
        """The file of a map in a resolution, in the first of the formats that there is.

        Raises:
            Refused: no such map or file, or the API does not answer in its own language.
            InputError: nobody answers at all.
        """
        tree = self._persistently(lambda: self._tree(name))
        for format in formats:
            if (entry := tree.get(resolution, {}).get(format)) is not None:
                return _offer(entry, resolution, format)
        there = ", ".join(f"{r} {f}" for r in sorted(tree, key=_thousands) for f in sorted(tree[r])) or "no file"
        raise Refused(f"there is no {resolution} {' or '.join(formats)}; there is {there}")

    def fetch(self, offer: Offer, part: Path) -> None:
        """Download a file to `part`, going on from what is there, and compare size and MD5.

        Raises:
            Refused: it cannot be had, or is another file than announced (then `part` is removed).
            InputError: the disk is full, or `part` cannot be written.
        """
        for suspicious in (part.exists(), False):
            self._persistently(lambda: self._receive(offer, part))
            with part.open("rb") as file:
                digest = hashlib.file_digest(file, "md5").hexdigest()
            if digest == offer.md5:
                return
            part.unlink()
            if not suspicious:
                break
        raise Refused(f"{offer.url} gave a file with MD5 {digest} where {offer.md5} was announced")

    def _persistently(self, action: Callable[[], _Result]) -> _Result:
        for attempt in range(self._patience.attempts):
            self._sleep(self._quiet_until - time.monotonic())
            try:
                return action()
            except _Again as failure:
                reason, wait = str(failure), failure.wait
            except httpx.RequestError as failure:
                reason, wait = f"{failure.request.url}: {str(failure) or type(failure).__name__}", 0.0
            if wait > self._patience.longest_wait:
                raise Refused(f"{reason} and asks to wait {wait:.0f} s; run the same command again later")
            if attempt + 1 < self._patience.attempts:
                self._sleep(min(max(wait, self._patience.first_wait * 2**attempt), self._patience.longest_wait))
        if not self._answered:  # nobody is there: no reason to try the other maps
            raise InputError(f"{reason}; check the network, or name another source with --mirror")
        raise Refused(f"{reason} (tried {self._patience.attempts} times)")

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(max(0.0, seconds)):
            raise Stopped

    def _tree(self, name: str) -> dict[str, dict[str, Any]]:
        """Resolution to format to file, as `/files/{id}` gives it (schema hdriFiles)."""
        address = f"{self._base}/files/{name}"
        response = self._client.get(address)
        self._refuse(response)
        try:
            tree = response.json()
        except ValueError as error:
            raise _Again(f"{address} answered with something that is no JSON") from error
        tree = tree.get("hdri") if isinstance(tree, dict) else None
        if not isinstance(tree, dict) or not all(isinstance(formats, dict) for formats in tree.values()):
            raise Refused(f"{address} lists no environment map")
        return tree

    def _receive(self, offer: Offer, part: Path) -> None:
        """One connection: append to `part` what is missing, or write it anew where the server knows no ranges."""
        have = part.stat().st_size if part.exists() else 0
        if have > offer.bytes:
            part.unlink()
            have = 0
        if have == offer.bytes:
            return
        with self._client.stream("GET", offer.url, headers={"Range": f"bytes={have}-"} if have else {}) as response:
            if response.status_code == 416:
                part.unlink(missing_ok=True)
                raise _Again(f"{offer.url} has less than what was already here")
            self._refuse(response)
            self._write(response, part, _start(response, part, have), offer)
        if part.stat().st_size < offer.bytes:
            raise _Again(f"{offer.url} ended after {part.stat().st_size} of {offer.bytes} bytes")

    def _write(self, response: httpx.Response, part: Path, have: int, offer: Offer) -> None:
        with explained(part), part.open("ab" if have else "wb") as file:
            for piece in response.iter_raw():
                if self._stop.is_set():
                    raise Stopped
                have += len(piece)
                if have > offer.bytes:
                    break
                file.write(piece)
        if have > offer.bytes:
            part.unlink()
            raise Refused(f"{offer.url} sent more than the {offer.bytes} bytes that were announced")

    def _refuse(self, response: httpx.Response) -> None:
        self._answered = True
        status, address = response.status_code, response.request.url
        if status in _PASSING:
            wait = _asked_wait(response.headers.get("Retry-After", ""))
            if 0 < wait <= self._patience.longest_wait:
                self._quiet_until = time.monotonic() + wait  # the request holds for all threads, not for this one alone
            raise _Again(f"{address} answered {status}", wait)
        if status == 404:
            raise Refused(f"{address} is not there (404)")
        if status not in (200, 206):
            raise Refused(f"{address} answered {status}")


def user_agent() -> str:
    """How this program names itself, as the API's terms ask (2.4)."""
    return f"{PACKAGE}/{code_version().partition('+')[0]} (environment maps for synthetic images)"


def _offer(entry: Any, resolution: str, format: str) -> Offer:
    try:
        url, size, md5 = entry["url"], entry["size"], entry["md5"].lower()
        sound = httpx.URL(url).scheme in ("http", "https") and isinstance(size, int) and size > 0
    except (KeyError, TypeError, AttributeError, httpx.InvalidURL):
        sound = False
    if not sound or not _MD5.fullmatch(md5):
        raise Refused(f"the {resolution} {format} is announced without an address, a size and an MD5")
    return Offer(url, size, md5, resolution, format)


def _start(response: httpx.Response, part: Path, asked: int) -> int:
    """The byte at which an answer begins: 0 where the server ignored the range."""
    if response.status_code == 200:
        return 0
    match = _START.match(response.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != asked:
        part.unlink(missing_ok=True)  # what is here may be another version's
        raise _Again(f"{response.request.url} sent another part of the file than asked for")
    return asked


def _asked_wait(header: str) -> float:
    """Seconds of a Retry-After header (RFC 9110, 10.2.3): a number or a date; 0 where it says nothing."""
    if header.strip().isdigit():
        return float(header)
    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _thousands(resolution: str) -> int:
    return int(re.sub(r"\D", "", resolution) or 0)
