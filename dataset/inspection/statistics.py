"""What a dataset contains, counted from its tables without touching a picture."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from dataset.columns import column_array, flattened
from dataset.manifest import Manifest
from dataset.schema import POSES, REJECTED, TABLES
from dataset.shards import read_shard, read_table
from hands.joints import JointState, Side

_SIDES = tuple(side.value for side in Side)
_IMAGE_COLUMNS = (
    "split",
    "pose_id",
    "camera.R",
    "camera.t",
    *(f"{side}.{name}" for side in _SIDES for name in ("joints_3d", "joint_state", "visible_fraction")),
    "render.hdri",
    "render.skin_right",
    "render.skin_left",
    "render.seconds",
    "provenance.base_pose",
)
_POSE_COLUMNS = ("min_distance_mm", "max_penetration_mm", "contact_vertices", "limit_excess_deg", "naturalness")
PAPER_ACCEPTANCE = 0.93
"""Share of optimised poses that RenderIH kept (supplement §1)."""

Column = Mapping[str, pa.ChunkedArray]


@dataclass(frozen=True, eq=False)
class Inspection:
    """Counts and distributions of a dataset (i images, p poses)."""

    name: str
    """Name of the directory."""
    rows: dict[str, int]
    """Rows of each table."""
    bytes: dict[str, int]
    """Size of each table's files."""
    poses_seen: int
    """Poses with at least one image."""
    splits: Counter[str]
    base_poses: Counter[str]
    environments: Counter[str]
    skins: Counter[str]
    """Hands of each skin: two an image."""
    rejected: Counter[str]
    """Refused poses, views and images by "stage: class of reason"."""
    joint_states: Int[np.ndarray, "21 4"]
    """Joints of both hands in each `JointState`."""
    visible_fraction: Float[np.ndarray, "h"]
    """Of each hand in each image."""
    azimuth: Float[np.ndarray, "i"]
    """Where the camera stands around the hands, degrees: 0 the person's own side, 90 their right."""
    elevation: Float[np.ndarray, "i"]
    """Degrees above the hands."""
    distance: Float[np.ndarray, "i"]
    """From camera to the hands' centre, metres."""
    seconds: Float[np.ndarray, "i"]
    """Rendering time of each image."""
    min_distance_mm: Float[np.ndarray, "p"]
    max_penetration_mm: Float[np.ndarray, "p"]
    contact_vertices: Int[np.ndarray, "p"]
    limit_excess_deg: Float[np.ndarray, "p"]
    naturalness: Float[np.ndarray, "p"]

    @property
    def acceptance(self) -> float:
        """Accepted poses among all that were judged, 1 when none was: not those that `read` or images that `render` refused."""
        refused = sum(count for rule, count in self.rejected.items() if rule.startswith("validate:"))
        judged = self.rows["poses"] + refused
        return self.rows["poses"] / judged if judged else 1.0

    @property
    def visible_joints(self) -> float:
        """Share of joints that can be seen; 0 without images."""
        return float(self.joint_states[:, JointState.VISIBLE].sum() / max(self.joint_states.sum(), 1))

    def text(self) -> str:
        """A summary for a terminal, one fact a line."""
        judged = f"{self.acceptance:.0%} of those judged (the paper: {PAPER_ACCEPTANCE:.0%})"
        deepest = f"{self.max_penetration_mm.max(initial=0):.3g}"
        lines = {
            "images": f"{self.rows['images']:,} of {self.rows['plan']:,} planned, {_listed(self.splits) or 'no split'}",
            "poses": f"{self.rows['poses']:,} accepted, {judged}; {self.poses_seen:,} have images",
            "base poses": _listed(self.base_poses),
            "environments": _listed(self.environments),
            "skins": _listed(self.skins),
            "joints": f"{self.visible_joints:.0%} visible",
            "contact": f"{_median(self.contact_vertices)} vertices, {_median(self.min_distance_mm)} mm apart (medians)",
            "penetration": f"{_median(self.max_penetration_mm)} mm (median), {deepest} mm at most",
            "naturalness": f"{_median(self.naturalness)} (median, of the less natural hand)",
            "refused": _listed(self.rejected) or "none",
            "size": f"{sum(self.bytes.values()) / 1e6:,.1f} MB",
        }
        return "\n".join(f"{name:<13} {value}" for name, value in lines.items())


def inspect(dataset_dir: Path) -> Inspection:
    """Count a dataset, shard by shard.

    Raises:
        InputError: the directory is not a dataset, or a shard is missing or damaged.
    """
    manifest = Manifest.read(dataset_dir)
    images = _merged(_image_shard(read_shard(path, _IMAGE_COLUMNS)) for path in manifest.paths("images"))
    poses = flattened(read_table(manifest.paths("poses"), POSES, _POSE_COLUMNS))
    refused = read_table(manifest.paths("rejected"), REJECTED, ("stage", "reason")).to_pylist()
    return Inspection(
        name=Path(dataset_dir).resolve().name,
        rows={table: manifest.rows(table) for table in TABLES},
        bytes={table: sum(shard.bytes for shard in manifest.shards[table].values()) for table in TABLES},
        poses_seen=len(images.pop("pose_ids")),
        rejected=Counter(f"{row['stage']}: {row['reason'].partition(':')[0]}" for row in refused),
        **images,
        **{name: column_array(poses[name]) for name in _POSE_COLUMNS},
    )


def _listed(counts: Counter[str], most: int = 5) -> str:
    """The most frequent names with their counts."""
    named = ", ".join(f"{name} {count:,}" for name, count in counts.most_common(most))
    return named + (f" and {len(counts) - most} more" if len(counts) > most else "")


def _median(values: np.ndarray) -> str:
    return f"{np.median(values):.3g}" if len(values) else "–"


def _image_shard(content: pa.Table) -> dict[str, Counter | np.ndarray]:
    """The same fields as `Inspection`, for one shard."""
    columns = flattened(content)
    azimuth, elevation, distance = _viewpoints(columns)
    return {
        "pose_ids": _counted(columns["pose_id"]),
        "splits": _counted(columns["split"]),
        "base_poses": _counted(columns["provenance.base_pose"]),
        "environments": _counted(columns["render.hdri"]),
        "skins": _counted(columns["render.skin_right"]) + _counted(columns["render.skin_left"]),
        "joint_states": sum(_states(columns[f"{side}.joint_state"]) for side in _SIDES),
        "visible_fraction": np.concatenate([column_array(columns[f"{side}.visible_fraction"]) for side in _SIDES]),
        "azimuth": azimuth,
        "elevation": elevation,
        "distance": distance,
        "seconds": column_array(columns["render.seconds"]),
    }


def _merged(shards: Iterable[dict[str, Counter | np.ndarray]]) -> dict[str, Counter | np.ndarray]:
    """Counters and state counts add up, arrays follow one another; without shards everything is empty."""
    empty = pa.Table.from_batches([], schema=_image_schema())
    total = _image_shard(empty)
    for shard in shards:
        for name, value in shard.items():
            adds = isinstance(value, Counter) or name == "joint_states"
            total[name] = total[name] + value if adds else np.concatenate([total[name], value])
    return total


def _image_schema() -> pa.Schema:
    roots = {name.split(".")[0] for name in _IMAGE_COLUMNS}
    return pa.schema([field for field in TABLES["images"] if field.name in roots])


def _counted(column: pa.ChunkedArray) -> Counter[str]:
    return Counter({entry["values"]: entry["counts"] for entry in column.value_counts().to_pylist()})


def _states(column: pa.ChunkedArray) -> Int[np.ndarray, "21 4"]:
    values = column_array(column)
    return np.stack([(values == state).sum(0) for state in JointState], axis=1)


def _viewpoints(columns: Column) -> tuple[Float[np.ndarray, "i"], Float[np.ndarray, "i"], Float[np.ndarray, "i"]]:
    """Azimuth and elevation (degrees) and distance (metres) of cameras about the middle of all 42 joints."""
    joints = np.concatenate([column_array(columns[f"{side}.joints_3d"]) for side in _SIDES], axis=1)
    rotation = column_array(columns["camera.R"]).reshape(-1, 3, 3)
    centre = joints.reshape(-1, 42, 3).mean(1)
    towards_camera = -np.einsum("ikj,ik->ij", rotation, centre)  # the camera is the origin of its own frame
    distance = np.linalg.norm(towards_camera, axis=1)
    x, y, z = towards_camera.T
    return np.degrees(np.arctan2(x, -y)), np.degrees(np.arcsin(z / distance)), distance
