"""Fitting two hands to what is observed of them."""

from pathlib import Path

import click

from flows.cli.root import PATH, new_folder


@click.command()
@click.argument("checkpoint", type=PATH)
@click.argument("observations", type=PATH)
@new_folder("the fits")
@click.option("--steps", type=click.IntRange(1, 1000), default=1000, help="Steps from noise to hands.")
@click.option(
    "--step-size",
    type=click.FloatRange(0),
    default=None,
    help="Of a guiding step; default: 1, with a regressor's answer 10.",
)
@click.option(
    "--start",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    help="Share of the noise levels that is gone through; below 1 from a regressor's answer only.",
)
@click.option("--batch", type=click.IntRange(1), default=32, help="Hand pairs at once; decides the noise too.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Decides the noise that fits begin at.")
@click.option("--mano", type=PATH, default=None, help="MANO folder, when the network was trained on MANO's hands.")
@click.option(
    "--sheet/--no-sheet", default=True, help="Pictures of the first 64 pairs beside what was observed of them."
)
@click.option("--meshes", is_flag=True, help="Also meshes/NAME_right.obj and NAME_left.obj, metres.")
@click.option("--device", default="cpu", help="Torch device of the network: cpu, cuda, cuda:1.")
def fit(checkpoint: Path, observations: Path, out: Path, **others: object) -> None:
    """Find two interacting hands that IHDiff thinks likely and that agree with observations.

    CHECKPOINT is a file, the folder of a training, or "built-in" for the small network that comes with the project.
    OBSERVATIONS is a Parquet file with a row for each hand pair and any of
    the columns joints_3d (42 × 3, metres; NaN: not known), joints_3d_seen, joints_2d (42 × 2, pixels), camera_K (9), vertices,
    right and left (a regressor's answer), pose_id; or a dataset, whose images' joints are taken. Fits are in the frame of the
    observations.
    """
    from tasks.ihdiff.fitting import FitOrder, make_fits

    made = make_fits(FitOrder(checkpoint, observations, out, **others))
    lost = f", {made.lost} lost" if made.lost else ""
    click.echo(f"poses: {made.poses}  ({made.pairs} pairs{lost}, median distance {made.distance_mm:.1f} mm)")
    if made.pictures:
        click.echo(f"sheet: {made.pictures[0]}")
