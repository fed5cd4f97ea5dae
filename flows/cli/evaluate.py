"""How good a trained network is."""

from pathlib import Path

import click

from flows.cli.root import DATASET, MANO, PATH, new_folder


@click.group()
def evaluate() -> None:
    """Measure trained networks as their papers do."""


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


@evaluate.command()
@click.argument("place")
@new_folder("the tables")
@click.option("--checkpoint", type=PATH, default=None, help="IHDiff.")
@click.option("--self-attention", type=PATH, default=None, help="IHDiff trained with network.attention=self.")
@click.option("--without-collision", type=PATH, default=None, help="IHDiff trained with losses.collision=0.")
@click.option("--vae", type=PATH, default=None, help="The VAE baseline.")
@click.option(
    "--tables", default="1,2", help="Which tables: 1 samples, 2 fits to joints, 3 a regressor's hands refined."
)
@click.option("--samples", type=click.IntRange(2), default=512, help="Hand pairs drawn from each network (Table 1).")
@click.option(
    "--poses", type=click.IntRange(1), default=64, help="Poses of the split that are fitted (Tables 2 and 3)."
)
@click.option("--split", type=click.Choice(["train", "validation", "test"]), default="test", help="That poses are of.")
@click.option("--targets", default="clean,jitter,swap,partial", help="Kinds of joints to fit to (Table 2).")
@click.option("--steps", type=click.IntRange(1, 1000), default=1000, help="Steps of a fit.")
@click.option("--sampling-steps", type=click.IntRange(1, 1000), default=100, help="Steps from noise to a sample.")
@click.option("--batch", type=click.IntRange(1), default=32, help="Hand pairs at once; decides the noise of fits too.")
@click.option(
    "--regressor",
    default="",
    metavar="FILE|simulated",
    help="Parquet with a regressor's hands, one row a pose_id (Table 3).",
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Decides samples, targets and the noise of fits.")
@click.option("--mano", type=PATH, default=None, help="MANO folder, when poses and networks are of MANO's hands.")
@click.option("--device", default="cpu", help="Torch device: cpu, cuda, cuda:1.")
def ihdiff(
    place: str,
    out: Path,
    checkpoint: Path | None,
    self_attention: Path | None,
    without_collision: Path | None,
    vae: Path | None,
    tables: str,
    targets: str,
    **others: object,
) -> None:
    """Tables 1, 2 and 3 of IHDiff's paper: random samples, fits to joints, a regressor's hands refined.

    PLACE holds poses: a dataset's folder or s3:// URL, or KIND=PATH (docs/pose-sources.md). A network that is not given is
    a row less.
    """
    from tasks.ihdiff.evaluation.evaluate import Evaluation
    from tasks.ihdiff.evaluation.evaluate import evaluate as tables_of

    given = {
        "ihdiff": checkpoint,
        "self_attention": self_attention,
        "without_collision": without_collision,
        "vae": vae,
    }
    networks = {name: path for name, path in given.items() if path}
    numbers = tuple(int(word) if word.isdecimal() else word for word in _listed(tables))
    made = tables_of(Evaluation(place, out, networks, numbers, targets=_listed(targets), **others))
    click.echo(made.tables.read_text(encoding="utf-8"))
    click.echo(f"tables:  {made.tables}\nnumbers: {made.numbers}")


class _Size(click.ParamType):
    """WIDTHxHEIGHT in pixels."""

    name = "widthxheight"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Both numbers."""
        if isinstance(value, tuple):
            return value
        words = value.lower().split("x")
        if len(words) != 2 or not all(word.isdecimal() and int(word) for word in words):
            self.fail(f"'{value}' is no size; give for example 512x334", param, ctx)
        return int(words[0]), int(words[1])


@evaluate.command()
@DATASET
@new_folder("tables and numbers")
@click.option(
    "--checkpoint", type=PATH, default=None, help="Judge a trained TransHand: its file, or the training's folder."
)
@click.option(
    "--predictions", type=PATH, default=None, help="Judge any method by its predictions: Parquet, a row an image."
)
@click.option(
    "--baseline", default="", metavar="mean-pose", help="Judge the mean of the split train, which sees no image."
)
@click.option("--split", type=click.Choice(["train", "validation", "test"]), default="test", help="That images are of.")
@click.option("--subset", default="", help="Of recorded images; empty: the split's, or else their first.")
@click.option("--most", type=click.IntRange(0), default=0, help="At most so many images; 0: all of the split.")
@click.option("--bins", type=click.Choice(["interhand", "tzionas"]), default="interhand", help="Classes of occlusion.")
@click.option("--allow-missing", is_flag=True, help="Judge predictions that lack images; the table tells how many.")
@click.option("--size", type=_Size(), default=None, help="Size of the images, for a dataset of several sizes.")
@MANO
@click.option("--device", default="cpu", help="Torch device: cpu, cuda, cuda:1.")
def transhand(**wish: object) -> None:
    """Errors of two hands in images (RenderIH's tables): of TransHand, of any method's predictions, or of the mean pose.

    DATASET is a folder or s3:// URL, or KIND=PATH of recorded images (docs/recorded-images.md). Give one of --checkpoint,
    --predictions and --baseline. docs/evaluation.md describes metrics and files.
    """
    from tasks.transhand.evaluation.evaluate import Evaluation
    from tasks.transhand.evaluation.evaluate import evaluate as judged

    made = judged(Evaluation(**wish))
    click.echo(made.tables.read_text(encoding="utf-8"))
    click.echo(f"tables:  {made.tables}\nnumbers: {made.numbers}\nimages:  {made.each}")
    if made.pictures:
        click.echo(f"best and worst: {made.pictures}")
