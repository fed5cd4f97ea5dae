"""What can be wrong before a server starts, each found in time and said in one sentence."""

import asyncio
import importlib.util
import ipaddress
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

from dataset.errors import InputError

AUTH = "PREFECT_SERVER_API_AUTH_STRING"
_DRIVERS = ("postgresql+asyncpg", "sqlite+aiosqlite")
_AGAIN_S = 1.0
"""Seconds between looks at a database that does not answer yet."""
_ANSWER_S = 5.0
"""Seconds that a database or Redis has for an answer."""


def check_address(host: str, port: int, auth: str | None) -> None:
    """Whether the server may and can listen there.

    Args:
        auth: the credential that clients must give (`user:password`), if any.

    Raises:
        InputError: the host is unknown, it is reachable from other machines and there is no credential, or the port is taken.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise InputError(f"--host {host}: no such host here; name an address of this machine") from error
    if auth is not None and not all(auth.partition(":")):
        raise InputError(f"{AUTH} must have the form user:password")
    if auth is None and not all(ipaddress.ip_address(address[0].split("%")[0]).is_loopback for *_, address in found):
        raise InputError(
            f"--host {host} lets other machines in, and whoever reaches the API runs code on every worker: "
            f"set {AUTH}=user:password first (docs/security.md)"
        )
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"port {port} of {host} cannot be had ({reason}); choose another with --port") from error


def database_url(given: str) -> str:
    """The URL with the driver that Prefect's server needs.

    Raises:
        InputError: it is no URL of PostgreSQL or SQLite.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    shape = "postgresql+asyncpg://USER:PASSWORD@HOST:5432/DATABASE"
    try:
        url = make_url(given)
    except ArgumentError as error:
        raise InputError(f"--database: is no URL; it looks like {shape}") from error
    driver = {"postgresql": _DRIVERS[0], "postgres": _DRIVERS[0]}.get(url.drivername, url.drivername)
    if driver not in _DRIVERS:
        raise InputError(f"--database: {url.drivername} is no database that Prefect knows; it looks like {shape}")
    return url.set(drivername=driver).render_as_string(hide_password=False)


def wait_for_database(url: str, patience: float, say: Callable[[str], None]) -> None:
    """Return when PostgreSQL lets this user in; at once for SQLite.

    Args:
        url: as `database_url` gives it.
        patience: seconds to wait for one that does not answer yet; `say` is told once.

    Raises:
        InputError: it refuses the user, the password or the database, or does not answer in time.
    """
    from sqlalchemy.engine import make_url

    place = make_url(url)
    if not place.drivername.startswith("postgresql"):
        return
    where = f"PostgreSQL at {place.host or 'localhost'}:{place.port or 5432}"
    deadline, told = time.monotonic() + patience, False
    while (trouble := asyncio.run(_trouble_of_postgresql(url))) is not None:
        if trouble.refused:
            advice = "check user, password and database name in the URL"
            raise InputError(f"{where} refuses: {trouble.reason}; {advice}")
        if time.monotonic() >= deadline:
            advice = "start it, or check host and port in the URL"
            raise InputError(f"{where} gave no answer in {patience:g} s ({trouble.reason}); {advice}")
        if not told:
            say(f"waiting for {where} ({trouble.reason})")
            told = True
        time.sleep(_AGAIN_S)


class _Trouble(NamedTuple):
    """Why a database cannot be used."""

    reason: str
    refused: bool
    """Whether it said so itself; waiting does not help then."""


async def _trouble_of_postgresql(url: str) -> _Trouble | None:
    from asyncpg.exceptions import CannotConnectNowError, InterfaceError, PostgresError, TooManyConnectionsError
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.ext.asyncio import create_async_engine

    passes = (CannotConnectNowError, TooManyConnectionsError, OSError, TimeoutError)
    engine = create_async_engine(url)
    try:
        async with asyncio.timeout(_ANSWER_S), engine.connect():
            return None
    except (
        *passes,
        PostgresError,
        InterfaceError,
        SQLAlchemyError,
        TypeError,
    ) as error:  # TypeError: an unknown option
        trouble = error
        while isinstance(trouble.__cause__, Exception):  # SQLAlchemy wraps what the server said
            trouble = trouble.__cause__
        reason = getattr(trouble, "strerror", None) or str(trouble) or "no answer"
        return _Trouble(reason.splitlines()[0], refused=not isinstance(trouble, passes))
    finally:
        await engine.dispose()


def check_redis(url: str) -> None:
    """Whether Redis answers, and Prefect's part for it is installed.

    Raises:
        InputError: one of the two is not so.
    """
    import redis

    if importlib.util.find_spec("prefect_redis") is None:
        raise InputError("--redis needs the package prefect-redis; install it with: pip install 'render-ih[redis]'")
    try:
        client = redis.Redis.from_url(url, socket_timeout=_ANSWER_S, socket_connect_timeout=_ANSWER_S)
        client.ping()
    except ValueError as error:
        raise InputError("--redis: is no URL of Redis; it looks like redis://HOST:6379/0") from error
    except redis.AuthenticationError as error:
        raise InputError(f"--redis: Redis refuses user or password ({error}); check the URL") from error
    except redis.RedisError as error:
        raise InputError(f"--redis: Redis gives no answer ({error}); start it, or check the URL") from error
