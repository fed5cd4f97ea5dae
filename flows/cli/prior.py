"""What a trained prior over two hands is used for: drawing hands."""

from pathlib import Path

import click

from flows.cli.root import PATH, new_folder


@click.command()
@click.argument("checkpoint", type=PATH)
@new_folder("the samples")
@click.option("--count", type=click.IntRange(1), default=32, help="Hand pairs to draw.")
@click.option("--steps", type=click.IntRange(1, 1000), default=100, help="Steps from noise to hands (N of DDIM).")
@click.option("--seed", type=click.IntRange(0), default=0, help="Decides every pair, whatever the count and the batch.")
@click.option("--batch", type=click.IntRange(1), default=64, help="Pairs drawn at once; changes speed, not hands.")
@click.option(
    "--condition", type=click.Choice(["right", "left"]), default=None, help="Hand that all samples keep; default: none."
)
@click.option(
    "--from",
    "origin",
    default="",
    metavar="POSES.parquet[:ROW]",
    help="Pose whose hand is kept, its row counted from 0; default: a pose that is drawn too.",
)
@click.option("--mano", type=PATH, default=None, help="MANO folder, when the network was trained on MANO's hands.")
@click.option("--sheet/--no-sheet", default=True, help="Pictures of the first 64 pairs (sheet.jpg, sheet.png).")
@click.option("--meshes", is_flag=True, help="Also meshes/NAME_right.obj and NAME_left.obj, metres.")
@click.option("--device", default="cpu", help="Torch device of the network: cpu, cuda, cuda:1.")
def sample(
    checkpoint: Path,
    out: Path,
    count: int,
    steps: int,
    seed: int,
    batch: int,
    condition: str | None,
    origin: str,
    mano: Path | None,
    sheet: bool,
    meshes: bool,
    device: str,
) -> None:
    """Draw two interacting hands from IHDiff: poses, pictures and meshes (docs/pose-sources.md).

    CHECKPOINT is a file, the folder of a training, or "built-in" for the small network that comes with the project.
    """
    from hands.joints import Side
    from tasks.ihdiff.sampling import Draws, SamplingOrder, make_samples

    draws = Draws(count, steps, seed, batch, device)
    kept = Side(condition) if condition else None
    made = make_samples(SamplingOrder(checkpoint, out, draws, kept, origin, mano, sheet, meshes))
    click.echo(
        f"poses: {made.poses}  ({made.pairs} pairs, {made.touching} touching, median penetration {made.penetration_mm:.1f} mm)"
    )
    if made.pictures:
        click.echo(f"sheet: {made.pictures[0]}")
    click.echo(f"to render them: render-ih run --set source.kind=parquet --set source.path={out}")
