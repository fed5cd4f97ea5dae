"""The flows on a Prefect server."""

from pathlib import Path

import click

from flows.cli.root import PATH


@click.command()
@click.option(
    "--api", default=None, metavar="URL", help="The server's API; default: Prefect's own setting PREFECT_API_URL."
)
@click.option("--file", type=PATH, default=None, help="Another prefect.yaml than the project's own.")
def deploy(api: str | None, file: Path | None) -> None:
    """Register work pools, deployments, schedules and automations with a Prefect server; may be repeated."""
    from collections import Counter

    from flows.operation.changes import Did
    from flows.operation.deploying import deploy as register

    counts = Counter()
    for change in register(api, file):
        counts[change.did] += 1
        if change.did is not Did.KEPT:
            click.echo(change)
    click.echo(", ".join(f"{counts[did]} {did}" for did in Did))
    if file is None:
        click.echo("start a run:  prefect deployment run render-ih/render-ih")
