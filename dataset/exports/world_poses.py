"""Poses in the world frame, for formats that keep apart what a pose is and which cameras see it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import duckdb
import numpy as np
import torch
from jaxtyping import Float

from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.queries import add_table, database
from dataset.rows import pose_of
from dataset.shards import Row
from hands.joints import Side
from hands.model import HandModel


class Surface(NamedTuple):
    """One hand of a batch of poses, metres."""

    vertices: Float[np.ndarray, "b v 3"]
    joints: Float[np.ndarray, "b 21 3"]


class PosesOfShard:
    """The rows of `poses` that the images of one shard show, by id."""

    def __init__(self, manifest: Manifest, shard: str) -> None:
        self._shard = manifest.path("images", shard)
        with database() as sql:
            add_table(sql, "images", [self._shard])
            add_poses(sql, manifest)
            found = sql.sql("SELECT * FROM poses WHERE pose_id IN (SELECT pose_id FROM images)")
            self._rows = {row["pose_id"]: row for row in found.to_arrow_table().to_pylist()}

    def of(self, image: Row) -> Row:
        """The pose of an image.

        Raises:
            InputError: the dataset has no such pose.
        """
        if image["pose_id"] not in self._rows:
            raise no_pose(f"{self._shard}: {image['sample_id']}", image["pose_id"])
        return self._rows[image["pose_id"]]


def add_poses(sql: duckdb.DuckDBPyConnection, manifest: Manifest) -> None:
    """Make the table `poses` of a dataset known.

    Raises:
        InputError: it has none.
    """
    if not add_table(sql, "poses", manifest.paths("poses")):
        raise InputError(f"{manifest.folder}: has no poses, which this export needs; export a whole dataset")


def no_pose(where: str, pose_id: str) -> InputError:
    """What to say of an image whose pose the dataset lacks."""
    return InputError(f"{where}: its pose {pose_id} is not in poses; `render-ih verify` lists what else is missing")


def in_double(hands: Mapping[Side, HandModel]) -> dict[Side, HandModel]:
    """The same hands in double precision, so that what is exported has the rounding of the stored parameters alone."""
    return {side: HandModel(model.arrays, torch.float64) for side, model in hands.items()}


def surfaces(poses: Sequence[Row], hands: Mapping[Side, HandModel]) -> dict[Side, Surface]:
    """Both hands of some rows of `poses` in the world frame."""
    found = {}
    for side, model in hands.items():
        with torch.no_grad():
            posed = pose_of([pose[side] for pose in poses], model.v_template.dtype).pose(model)
            found[side] = Surface(posed.vertices.numpy(), model.joints_21(posed).numpy())
    return found


def without_mean(hand: Row, model: HandModel) -> Float[np.ndarray, "48"]:
    """Wrist and finger axis-angle as MANO's own tools take them: without the mean finger pose, radians."""
    fingers = np.asarray(hand["hand_pose"], dtype=np.float64) - model.arrays.hands_mean
    return np.concatenate([np.asarray(hand["global_orient"], dtype=np.float64), fingers])
