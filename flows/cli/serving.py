"""Prefect's server, the workers of a node, and the dashboard."""

from pathlib import Path

import click

from flows.cli.root import PATH


@click.command()
@click.option(
    "--host", default="127.0.0.1", help="Address to listen on; one that other machines reach needs a credential."
)
@click.option("--port", type=click.IntRange(1, 65535), default=4200, help="Port to listen on.")
@click.option(
    "--database",
    metavar="URL",
    envvar="PREFECT_SERVER_DATABASE_CONNECTION_URL",
    help="postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE; default: a file in Prefect's home folder.",
)
@click.option(
    "--redis",
    metavar="URL",
    envvar="PREFECT_REDIS_MESSAGING_URL",
    help="redis://HOST:6379/0, for several server processes; default: none.",
)
@click.option("--wait", type=click.FloatRange(0), default=30, help="Seconds to wait for PostgreSQL.")
@click.option("--print-settings", is_flag=True, help="Write the settings as lines of an environment file, and end.")
def server(host: str, port: int, database: str | None, redis: str | None, wait: float, print_settings: bool) -> None:
    """Start Prefect's server and user interface with safe settings (docs/security.md).

    A setting whose environment variable is set already stays as it is. Passwords are best given by environment variables:
    PREFECT_SERVER_DATABASE_CONNECTION_URL, PREFECT_REDIS_MESSAGING_URL, PREFECT_SERVER_API_AUTH_STRING.
    """
    from flows.operation.server import run_server
    from flows.operation.server_checks import database_url
    from flows.operation.server_settings import environment_file, server_settings

    database = database_url(database) if database else None
    if print_settings:
        click.echo(environment_file(server_settings(host, port, database, redis)))
        return
    run_server(host, port, database, redis, wait, click.echo)


@click.command()
@click.option("--pool", default="gpu", help="Work pool whose runs are worked on.")
@click.option(
    "--device",
    default="auto",
    metavar="auto|cpu|0,1,…",
    help="Devices, one worker each; auto: every GPU, or else the CPU.",
)
@click.option("--name", default=None, help="Beginning of the workers' names; default: the host's name.")
@click.option(
    "--until-idle",
    type=click.FloatRange(0, min_open=True),
    default=None,
    metavar="SECONDS",
    help="End after so long without a run.",
)
@click.option(
    "--health-port",
    type=click.IntRange(1, 65000),
    default=None,
    help="The first worker's /health on loopback; the others' follow.",
)
@click.option(
    "--api", default=None, metavar="URL", help="The Prefect server's API; default: the one that is configured."
)
def worker(
    pool: str, device: str, name: str | None, until_idle: float | None, health_port: int | None, api: str | None
) -> None:
    """Work on a pool's runs with every device of this node, until SIGTERM or Ctrl-C.

    Within ten seconds of either, runs have ended in order and given back what they held.
    """
    from flows.operation.worker import run_workers

    run_workers(pool, device, name, until_idle, health_port, api, click.echo)


@click.command()
@click.argument("places", nargs=-1, metavar="[PLACE]…")
@click.option(
    "--host", default="127.0.0.1", help="Address to listen on; one that other machines reach asks for a token."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8600, help="Port to listen on; 0: any that is free.")
@click.option(
    "--config", type=PATH, default=None, help="YAML file with thresholds of alarms and more (docs/dashboard.md)."
)
@click.option("--ratings", type=PATH, default=Path("out/ratings"), help="Folder of rating studies and their answers.")
def dashboard(places: tuple[str, ...], host: str, port: int, config: Path | None, ratings: Path) -> None:
    """Show runs, finished or not, in a browser: progress, workers, pictures, quality, diversity, training, rating.

    PLACE is a dataset (folder or s3://bucket/prefix), a training's folder, a folder of pictures, or a folder that holds such;
    default: out.
    """
    from dashboard.serving import new_desk, serve
    from dashboard.settings import read_settings

    serve(new_desk(places or ("out",), read_settings(config), ratings), host, port, click.echo)
