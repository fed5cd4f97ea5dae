"""Making datasets: the main job, what this machine can do, one image again."""

import sys
from pathlib import Path

import click

from flows.cli.root import MANO, PATH, RECORDED, Dataset

CONFIG_HELP = "Recipe (YAML); configs/demo.yaml when none is named. Every key with its meaning: docs/configuration.md."


@click.command()
@click.option("--config", "file", type=PATH, default=None, help=CONFIG_HELP)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one key, e.g. camera.views=4.")
@click.option("--out", default="out/render-ih", help="Dataset: a folder, or s3://bucket/prefix.")
@RECORDED
def run(file: Path | None, overrides: tuple[str, ...], out: str, prefect: bool | None) -> None:
    """Make a dataset, or finish one: poses, images, labels, contact sheet."""
    click.echo("render-ih: loading", err=True)
    from dataset.assets.environments import presence
    from flows.render_ih import render_ih
    from tasks.config import DEMO, load_config
    from tasks.recording.run_flow import run_flow

    config = load_config(file or DEMO, overrides)
    click.echo(f"render-ih: {presence(config.environments.folder)}", err=True)
    made = run_flow(render_ih, prefect, config, out)
    click.echo(f"dataset:       {made.url}  ({made.images} images of {made.poses} poses; {made.rejected} refused)")
    if made.contact_sheet:
        click.echo(f"contact sheet: {made.contact_sheet}")
    if made.stopped:
        click.echo(f"stopped:       {made.stopped}; the same command goes on from there")


@click.command()
@click.option("--mano", type=PATH, default=None, help="Folder with MANO_RIGHT.pkl and MANO_LEFT.pkl.")
def doctor(mano: Path | None) -> None:
    """Say what this machine can do, what is missing and how to get it."""
    from flows.doctor import examine

    findings = examine(mano)
    for finding in findings:
        click.echo(f"{'ok  ' if finding.ok else 'MISS'} {finding.what:<22} {finding.detail}")
    sys.exit(0 if all(f.ok or f.optional for f in findings) else 1)


@click.command()
@click.argument("sample_id")
@click.option("--dataset", type=Dataset(), required=True, help="Dataset directory, or s3://bucket/prefix.")
@click.option("--out", type=PATH, default=None, help="PNG to write; default SAMPLE_ID.png.")
@click.option("--samples", type=click.IntRange(1), default=None, help="Light paths a pixel, instead of the row's own.")
@MANO
def rerender(sample_id: str, dataset: Path, out: Path | None, samples: int | None, mano: Path | None) -> None:
    """Render one image again from its plan row."""
    from tasks.rerender import rerender_sample

    path = rerender_sample(dataset, sample_id, out or Path(f"{sample_id}.png"), samples, mano)
    click.echo(f"image: {path}")
