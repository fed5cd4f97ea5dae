"""Prefect's server with this project's settings: checked first, then this process becomes it."""

import os
import sys
from collections.abc import Callable

from flows.operation.server_checks import AUTH, check_address, check_redis, wait_for_database
from flows.operation.server_settings import DEFAULTS, Setting, origin, server_settings


def run_server(
    host: str, port: int, database: str | None, redis: str | None, patience: float, say: Callable[[str], None]
) -> None:
    """Replace this process by the server, so that signals reach it; it ends by SIGTERM or Ctrl-C.

    Args:
        database: URL as `server_checks.database_url` gives it, or None for SQLite in Prefect's home folder.
        redis: URL, or None for a server that is one process.
        patience: seconds to wait for PostgreSQL.
        say: told where things are, line by line.

    Raises:
        InputError: it would not start, or not be safe.
    """
    from prefect.settings import get_current_settings

    auth = get_current_settings().server.api.auth_string
    check_address(host, port, auth.get_secret_value() if auth else None)
    if redis:
        check_redis(redis)
    if database:
        wait_for_database(database, patience, say)
    for line in _announcement(host, port, auth is not None):
        say(line)
    sys.stdout.flush()
    os.umask(0o077)  # the database file holds what every run was given
    os.execve(
        sys.executable,
        [sys.executable, "-m", "prefect", "--no-prompt", "server", "start", "--host", host, "--port", str(port)],
        server_environment(server_settings(host, port, database, redis)),
    )


def server_environment(settings: tuple[Setting, ...]) -> dict[str, str]:
    """This process's environment for the server: the table, what is set already, and above both what options chose."""
    chosen = {setting.name: setting.value for setting in settings if setting not in DEFAULTS}
    return {setting.name: setting.value for setting in DEFAULTS} | dict(os.environ) | chosen


def _announcement(host: str, port: int, has_auth: bool) -> list[str]:
    address = origin(host, port)
    lines = [f"user interface: {address}", f"for clients:    export PREFECT_API_URL={address}/api"]
    if has_auth:
        lines.append(f"                export PREFECT_API_AUTH_STRING=…   (the value of {AUTH} here)")
    return lines
