"""Prefect's server as this project starts it: one table of settings, each with its reason.

A variable of the same name that is set already wins over the table, so that a site can decide otherwise.
"""

from typing import NamedTuple


class Setting(NamedTuple):
    """One environment variable of the server."""

    name: str
    value: str
    why: str


DEFAULTS = (
    Setting("DO_NOT_TRACK", "1", "Prefect's library sends no usage data"),
    Setting("PREFECT_SERVER_ANALYTICS_ENABLED", "false", "nor does its server"),
    Setting("PREFECT_SERVER_UI_V2_ENABLED", "false", "the second user interface asks a tracking service when it opens"),
    Setting("PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT", "false", "no advertisements"),
    Setting("PREFECT_SERVER_UI_API_URL", "/api", "the page finds the API under the address that the browser came by"),
    Setting("PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED", "true", "no foreign page can write through a user's browser"),
    Setting("PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE", "50", "steps are recorded in batches"),
    Setting("PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE", "50", "a third of the processor time"),
    Setting("PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE", "50", "the same for events"),
    Setting("PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE", "100", "the same for events"),
    Setting("PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE", "50", "the same for automations"),
    Setting("PREFECT_SERVER_EVENTS_RETENTION_PERIOD", "P7D", "events are two thirds of the database; kept a week"),
    Setting("PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED", "events,flow_runs", "Prefect alone keeps runs for ever"),
    Setting("PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD", str(90 * 86400), "seconds; runs are kept 90 days"),
    Setting(
        "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING",
        "flows.operation.event_order",
        "automations hear of crashes at once after a restart too",
    ),
    Setting(
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE",
        "prefect.server.concurrency.lease_storage.filesystem",
        "limits that runs hold survive a restart of the server",
    ),
)


def server_settings(host: str, port: int, database: str | None = None, redis: str | None = None) -> tuple[Setting, ...]:
    """The table with what the options choose; `database` and `redis` are URLs, None for SQLite and for no Redis."""
    settings = {setting.name: setting for setting in (*DEFAULTS, *_address(host, port))}
    if database:
        why = "runs are kept in PostgreSQL" if database.startswith("postgresql") else "runs are kept in this database"
        chosen = Setting("PREFECT_SERVER_DATABASE_CONNECTION_URL", database, why)
        settings[chosen.name] = chosen
    settings |= {setting.name: setting for setting in (_redis(redis) if redis else ())}
    return tuple(settings.values())


def _address(host: str, port: int) -> tuple[Setting, ...]:
    return (
        Setting("PREFECT_SERVER_API_HOST", host, "who can reach it"),
        Setting("PREFECT_SERVER_API_PORT", str(port), "where it answers"),
        Setting("PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS", origin(host, port), "other pages' scripts get no answers"),
    )


def _redis(url: str) -> tuple[Setting, ...]:
    return (
        Setting("PREFECT_REDIS_MESSAGING_URL", url, "where Redis is"),
        Setting("PREFECT_SERVER_DOCKET_URL", url, "background work of several server processes"),
        Setting("PREFECT_SERVER_EVENTS_MESSAGING_BROKER", "prefect_redis.messaging", "no event is lost in a burst"),
        Setting("PREFECT_SERVER_EVENTS_MESSAGING_CACHE", "prefect_redis.messaging", "events count once"),
        Setting("PREFECT_SERVER_EVENTS_CAUSAL_ORDERING", "prefect_redis.ordering", "events stay in order"),
        Setting("PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE", "prefect_redis.lease_storage", "one truth for all servers"),
    )


def origin(host: str, port: int) -> str:
    """The server's address as a browser on the same machine sees it."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    host = everywhere.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def environment_file(settings: tuple[Setting, ...]) -> str:
    """NAME=VALUE lines, each under its reason, for `docker run --env-file` and systemd's EnvironmentFile."""
    return "\n".join(f"# {setting.why}\n{setting.name}={setting.value}" for setting in settings)
