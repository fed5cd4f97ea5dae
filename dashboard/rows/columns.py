"""Which columns are kept of each table, and under which plain name."""

from typing import NamedTuple


class Column(NamedTuple):
    """A kept column."""

    name: str
    source: str
    """SQL over the columns of the table's files."""
    kind: str
    """SQL type."""


def _hand(side: str) -> tuple[Column, ...]:
    seen = f'len(list_filter("{side}".joint_state, lambda state: state = 0))'
    return (
        Column(f"visible_{side}", f'"{side}".visible_fraction', "FLOAT"),
        Column(f"joints_{side}", seen, "TINYINT"),
    )


_AT = tuple(
    Column(
        f"camera_{axis}",
        f"-(camera.R[{i}] * camera.t[1] + camera.R[{i + 3}] * camera.t[2] + camera.R[{i + 6}] * camera.t[3])",
        "FLOAT",
    )
    for i, axis in enumerate("xyz", start=1)
)

SAMPLES = (
    Column("sample_id", "sample_id", "VARCHAR"),
    Column("pose_id", "pose_id", "VARCHAR"),
    Column("split", "split", "VARCHAR"),
    Column("viewpoint", "viewpoint", "VARCHAR"),
    Column("source", "provenance.source", "VARCHAR"),
    Column("base_pose", "provenance.base_pose", "VARCHAR"),
    Column("augmentation", "provenance.augmentation", "INTEGER"),
    Column("hdri", "render.hdri", "VARCHAR"),
    Column("skin_right", "render.skin_right", "VARCHAR"),
    Column("skin_left", "render.skin_left", "VARCHAR"),
    Column("hdri_rotation", "render.hdri_rotation", "FLOAT"),
    Column("hdri_strength", "render.hdri_strength", "FLOAT"),
    Column("exposure", "render.exposure", "FLOAT"),
    Column("seconds", "render.seconds", "FLOAT"),
    Column("min_distance_mm", "interaction.min_distance_mm", "FLOAT"),
    Column("max_penetration_mm", "interaction.max_penetration_mm", "FLOAT"),
    Column("contact_vertices", "interaction.contact_vertices", "INTEGER"),
    *_hand("right"),
    *_hand("left"),
    *_AT,
)
"""Of `images`. Lengths in metres where the name says nothing else; `camera_…` is where the camera stands, in the world."""
POSES = (
    Column("pose_id", "pose_id", "VARCHAR"),
    Column("source", "source", "VARCHAR"),
    Column("base_pose", "base_pose", "VARCHAR"),
    Column("augmentation", "augmentation", "INTEGER"),
    Column("split", "split", "VARCHAR"),
    Column("min_distance_mm", "min_distance_mm", "FLOAT"),
    Column("max_penetration_mm", "max_penetration_mm", "FLOAT"),
    Column("contact_vertices", "contact_vertices", "INTEGER"),
    Column("limit_excess_deg", "limit_excess_deg", "FLOAT"),
    Column("naturalness", "naturalness", "FLOAT"),
    Column("forearm_depth_mm", "forearm_depth_mm", "FLOAT"),
)
REFUSALS = (
    Column("pose_id", "pose_id", "VARCHAR"),
    Column("sample_id", "sample_id", "VARCHAR"),
    Column("source", "source", "VARCHAR"),
    Column("base_pose", "base_pose", "VARCHAR"),
    Column("augmentation", "augmentation", "INTEGER"),
    Column("stage", "stage", "VARCHAR"),
    Column("reason", "split_part(reason, ':', 1)", "VARCHAR"),
    Column("value", "value", "DOUBLE"),
    Column("allowed", '"limit"', "DOUBLE"),
)
"""Of `rejected`; `reason` is what stands before the colon."""
PLAN = (
    Column("hdri", "hdri", "VARCHAR"),
    Column("skin_right", "skin_right", "VARCHAR"),
    Column("skin_left", "skin_left", "VARCHAR"),
    Column("split", "split", "VARCHAR"),
    Column("viewpoint", "viewpoint", "VARCHAR"),
)
"""Of `plan`: what is still to come counts in coverage."""


class Kept(NamedTuple):
    """What is kept of a table."""

    name: str
    """Of the table here."""
    columns: tuple[Column, ...]
    read: tuple[str, ...]
    """Columns of the dataset's files that are read for it."""


TABLES = {
    "images": Kept("samples", SAMPLES, (
        "sample_id", "pose_id", "split", "viewpoint", "camera.R", "camera.t",
        *(f"{side}.{name}" for side in ("right", "left") for name in ("visible_fraction", "joint_state")),
        *(f"render.{name}" for name in ("hdri", "skin_right", "skin_left", "hdri_rotation", "hdri_strength")),
        "render.exposure", "render.seconds",
        *(f"provenance.{name}" for name in ("source", "base_pose", "augmentation")),
        "interaction.min_distance_mm", "interaction.max_penetration_mm", "interaction.contact_vertices",
    )),
    "poses": Kept("poses", POSES, tuple(column.name for column in POSES)),
    "rejected": Kept("refusals", REFUSALS, (
        "pose_id", "sample_id", "source", "base_pose", "augmentation", "stage", "reason", "value", "limit",
    )),
    "plan": Kept("plan", PLAN, tuple(column.name for column in PLAN)),
}  # fmt: skip
"""By table of a dataset."""
