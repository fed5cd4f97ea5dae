"""What is done with a dataset that is there: check it, look at it, turn it into something else."""

import json
import sys
from pathlib import Path

import click

from dataset.exports.formats import FORMATS
from dataset.manifest import Manifest
from flows.cli.root import DATASET, MANO, PATH, Dataset, Folder, new_folder

_SHOWN = 100
"""Problems that are listed in a terminal."""


@click.command()
@DATASET
@click.option("--sample", type=click.IntRange(0), default=0, help="Check the labels of so many images only; 0: of all.")
@click.option("--pictures/--no-pictures", default=True, help="Whether masks, depth and pictures are opened.")
@click.option("--report", type=PATH, default=None, help="File (JSON) for the whole list of what is wrong.")
@MANO
def verify(dataset: Path, sample: int, pictures: bool, report: Path | None, mano: Path | None) -> None:
    """Check checksums, tables, splits and labels of a dataset; exit code 1 when anything is off."""
    from dataset.assets.hand_files import hands_of
    from dataset.atomic import atomic_write
    from dataset.verification.verify import verify as check
    from tasks.progress import bar

    found = check(dataset, hands_of(Manifest.read(dataset), mano), sample, pictures, bar)
    for problem in found.problems[:_SHOWN]:
        click.echo(str(problem))
    if len(found.problems) > _SHOWN:
        click.echo(f"… and {len(found.problems) - _SHOWN:,} more; --report FILE lists them")
    if report:
        atomic_write(report, json.dumps(found.to_json(), indent=1))
    click.echo(f"{found.looked_at}: {found.verdict}")
    sys.exit(0 if found.ok else 1)


@click.command()
@DATASET
@click.option("--out", type=PATH, default=None, help="Page to write; default inspection.html in the dataset.")
@MANO
def inspect(dataset: Path, out: Path | None, mano: Path | None) -> None:
    """Counts and distributions of a dataset, and a page with pictures beside it."""
    from dataset.inspection.page import write_report
    from dataset.inspection.statistics import inspect as look
    from dataset.inspection.statistics import work
    from tasks.progress import bar

    with bar("Inspecting", work(Manifest.read(dataset)), "rows") as advance:
        found = look(dataset, mano, advance)
    click.echo(found.text())
    click.echo(f"report: {write_report(dataset, found, out)}")


@click.command()
@DATASET
@click.argument("sample_id", required=False)
@click.option("--most", type=click.IntRange(1), default=8, help="Samples on the page.")
@click.option("--out", type=PATH, default=None, help="File to write; default view.html or view.rrd in the dataset.")
@click.option("--rerun", is_flag=True, help="Write a recording for Rerun's viewer instead.")
@MANO
def view(dataset: Path, sample_id: str | None, most: int, out: Path | None, rerun: bool, mano: Path | None) -> None:
    """A page with hands in space, cameras, pictures and labels; for a browser, needs no network.

    Shows SAMPLE_ID and other views of its pose, or a choice of the whole dataset.
    """
    from dataset.assets.hand_files import hands_of
    from dataset.viewer.samples import choose_samples

    manifest = Manifest.read(dataset)
    hands, rows = hands_of(manifest, mano), choose_samples(manifest, sample_id, most)
    if rerun:
        from dataset.exports.rerun_recording import write_recording

        out = out or manifest.folder / "view.rrd"
        write_recording(out, rows, hands)
    else:
        from dataset.viewer.page import write_view

        out = write_view(manifest, rows, hands, out)
    click.echo(f"view: {out}")


@click.command()
@DATASET
@click.option("--format", "name", type=click.Choice(list(FORMATS)), required=True, help="See docs/exports.md.")
@new_folder("the export")
@click.option("--samples", type=click.IntRange(0), default=0, help="Only so many images, from everywhere; 0: all.")
@MANO
def export(dataset: Path, name: str, out: Path, samples: int, mano: Path | None) -> None:
    """Write a dataset in a form that other people's code reads."""
    from dataset.exports.formats import open_format
    from dataset.exports.job import export as write
    from tasks.progress import bar

    manifest = Manifest.read(dataset)
    format, images = open_format(name, manifest, mano), manifest.rows("images")
    with bar(f"Exporting to {name}", min(samples, images) or images, "images") as advance:
        target = write(manifest, format, name, out, samples, advance)
    click.echo(f"export: {target}")


@click.command()
@click.argument("datasets", type=Dataset(), nargs=-1, required=True)
@new_folder("the new dataset")
def merge(datasets: tuple[Path, ...], out: Path) -> None:
    """Put finished DATASETS together into a new one."""
    from dataset.growing.union import merge as put_together
    from tasks.progress import bar

    total = sum(manifest.rows(table) for manifest in map(Manifest.read, datasets) for table in manifest.shards)
    with bar("Merging", total, "rows") as advance:
        made = put_together(datasets, out, advance)
    _say_what_was_made(made)


@click.command()
@click.argument("dataset", type=Folder())
@click.argument("other", type=Dataset())
def append(dataset: Path, other: Path) -> None:
    """Add all of another finished dataset to a DATASET."""
    from dataset.growing.union import append as add
    from tasks.progress import bar

    more = Manifest.read(other)
    with bar("Appending", sum(more.rows(table) for table in more.shards), "rows") as advance:
        made = add(dataset, other, advance)
    _say_what_was_made(made)


@click.command()
@DATASET
@click.option(
    "--where",
    required=True,
    metavar="SQL",
    help="Condition on the columns of images, e.g. \"split = 'test' AND right.visible_fraction > 0.5\".",
)
@new_folder("the new dataset")
@click.option("--limit", type=click.IntRange(1), default=None, help="So many of the images at most, from everywhere.")
def subset(dataset: Path, where: str, out: Path, limit: int | None) -> None:
    """A new dataset of the images that meet a condition."""
    from dataset.growing.subset import subset as choose
    from tasks.progress import bar

    with bar("Choosing", Manifest.read(dataset).rows("images"), "images") as advance:
        made = choose(dataset, where, out, advance, limit)
    _say_what_was_made(made)


def _say_what_was_made(manifest: Manifest) -> None:
    """Write what a person looks at first, and say where it is."""
    from tasks.publish_dataset import write_documents

    sheet = write_documents(manifest)
    splits = ", ".join(f"{split} {content['images']:,}" for split, content in manifest.splits.items())
    click.echo(f"dataset:       {manifest.folder}  ({manifest.rows('images'):,} images: {splits})")
    click.echo(f"contact sheet: {sheet}")
