"""A trained network used: hands in pictures, and the network as a program for other people's code."""

import sys
from pathlib import Path

import click

from flows.cli.root import PATH, Dataset, new_folder


class _Box(click.ParamType):
    """X,Y,WIDTH,HEIGHT in pixels."""

    name = "x,y,width,height"

    def convert(
        self, value: str | tuple[float, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """The four numbers.

        Raises:
            InputError: they are none.
        """
        if isinstance(value, tuple):
            return value
        from tasks.transhand.prediction.boxes import box_of

        return box_of(value.split(","), "--box")


@click.command()
@click.argument("checkpoint", type=PATH)
@click.argument("pictures", metavar="INPUT", type=Dataset())
@new_folder("the predictions")
@click.option("--box", type=_Box(), default=None, help="Around both hands of the one picture, pixels.")
@click.option(
    "--boxes", type=PATH, default=None, help="CSV with a box for each picture: file, x, y, width, height (pixels)."
)
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="test",
    help="That a dataset's images are of.",
)
@click.option("--most", type=click.IntRange(0), default=0, help="At most so many images of a dataset; 0: all.")
@click.option("--batch", type=click.IntRange(1), default=32, help="Pictures at once; changes speed, not hands.")
@click.option("--overlays", type=click.IntRange(0), default=500, help="The first so many pictures are drawn.")
@click.option("--meshes", is_flag=True, help="Also meshes/NAME_right.obj and NAME_left.obj, metres.")
@click.option("--mano", type=PATH, default=None, help="MANO folder: refuse a network of other hands than these.")
@click.option("--device", default="cpu", help="Torch device: cpu, cuda, cuda:1.")
def predict(**wish: object) -> None:
    """Find both hands in pictures with a trained TransHand.

    CHECKPOINT is a file or the folder of a training. INPUT is a picture, a folder of pictures (jpg, png, webp; also in folders
    inside it), or a dataset. There is no detector: give a box around both hands, or the square amid each picture is looked at.
    Makes predictions.parquet, overlays and a sheet; docs/transhand.md describes them. Exit code 1 when pictures were left out.
    """
    click.echo("render-ih: loading", err=True)
    from tasks.transhand.prediction.predict import PredictOrder
    from tasks.transhand.prediction.predict import predict as looked

    made = looked(PredictOrder(**wish))
    left_out = f", {made.left_out} left out" if made.left_out else ""
    click.echo(f"predictions: {made.table}  ({made.pictures} pictures{left_out})")
    if made.sheet:
        click.echo(f"sheet:       {made.sheet}")
    sys.exit(1 if made.left_out else 0)


@click.command("export-network")
@click.argument("checkpoint", type=PATH)
@click.option("--out", type=PATH, required=True, help="File to write, FILE.pt2.")
def export_network(checkpoint: Path, out: Path) -> None:
    """Write a trained TransHand as a program of torch.export, which runs where torch alone is installed.

    CHECKPOINT is a file or the folder of a training. The program takes any number of images at once; it is compared with the
    network before it is written.
    """
    click.echo("render-ih: loading", err=True)
    from tasks.transhand.prediction.exporting import export_network as export

    made = export(checkpoint, out)
    click.echo(f"program: {made.file}  (largest difference from the network {made.difference:.1e})")
