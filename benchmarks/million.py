"""What a million images cost to plan, to verify and to inspect, before any picture: minutes and memory of each.

    python -m benchmarks.million --images 1000000 --out DIR

Gestures are varied but not optimised, ten views each are planned by the real planner, and every row of `images` gets its true
geometry (parameters in the camera frame, joints, projections) with its pictures left empty. Each step is a process of its
own; its memory is the most that it and its workers ever held together. Run it with a tenth of the images as well: what
grows with their number shows.
"""

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import torch

from dataset.columns import column_array
from dataset.manifest import Manifest
from dataset.queries import add_table, database
from dataset.rows import PARAMETERS
from dataset.schema import IMAGES, POSES, is_picture
from dataset.shards import write_shard, write_table
from dataset.splits import split_contents
from dataset.versions import code_version
from flows.render_ih import PLAN
from hands.joints import JointState, Side
from hands.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from tasks.augment_poses import augment_poses
from tasks.collect_poses import candidates
from tasks.config import load_config
from tasks.run import Run, open_run
from tasks.sharing.share import lead

VIEWS = 10
GESTURES = 49
MIB = 1 << 20


def opened(images: int, out: Path):
    """A run of about that many images."""
    copies = max(images // (VIEWS * GESTURES) - 1, 0)
    wishes = (f"augmentation.copies={copies}", f"camera.views={VIEWS}", "shards={poses: 512, images: 2000}")
    return open_run(load_config(None, wishes), out)


def make_poses(images: int, out: Path) -> None:
    """Varied gestures as accepted poses."""
    with opened(images, out) as run:
        for shard in candidates(run).shards:
            batch = augment_poses(run, candidates(run)[int(shard)])
            rows = []
            for number, name in enumerate(batch.names):
                cells = {
                    str(side): {key: getattr(batch.poses.side(side), key)[number].numpy() for key in PARAMETERS}
                    | {"wrist_bend": (0.0, 0.0), "contact": ()}
                    for side in Side
                }
                origin = {
                    "source": batch.source,
                    "base_pose": batch.bases[number],
                    "augmentation": batch.copies[number],
                }
                measured = dict.fromkeys(("limit_excess_deg", "max_penetration_mm", "forearm_depth_mm"), 0.0)
                measured |= {"min_distance_mm": 1.0, "contact_vertices": 0, "naturalness": 0.5}
                rows.append({"pose_id": name, "split": batch.splits[number]} | origin | cells | measured)
            run.manifest.add("poses", write_shard(run.manifest.path("poses", batch.shard), rows, POSES))


def plan(images: int, out: Path) -> None:
    """The real planner."""
    with opened(images, out) as run:
        lead(run, PLAN)


def fill(images: int, out: Path) -> None:
    """Rows of `images` for the whole plan."""
    with opened(images, out) as run:
        for name in sorted(run.manifest.shards["plan"]):
            table = rows_of(run, run.manifest.path("plan", name))
            run.manifest.add("images", write_table(run.manifest.path("images", name), [table], IMAGES))
        run.manifest.finish(split_contents(run.manifest.paths("images")))


def rows_of(run: Run, shard: Path) -> pa.Table:
    """Image rows of one plan shard, without pictures."""
    with database() as connection:
        add_table(connection, "plan", [shard])
        add_table(connection, "poses", run.manifest.paths("poses"))
        joined = connection.sql(
            'SELECT plan.*, source, base_pose, augmentation, "right", "left" FROM plan JOIN poses USING (pose_id) '
            "ORDER BY md5(sample_id)"
        ).to_arrow_table()
    size = len(joined)
    none = pa.array([{"bytes": b"", "path": ""}] * size, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    columns: dict[str, pa.Array] = {field.name: none for field in IMAGES if is_picture(field)}
    columns |= {
        name: joined[name] for name in ("sample_id", "split", "pose_id", "width", "height", "camera", "viewpoint")
    }
    columns |= {str(side): _hand(run, joined, side) for side in Side}
    look = ("hdri", "hdri_rotation", "hdri_strength", "exposure", "skin_right", "skin_left", "skin_variation")
    groups = {
        "interaction": {"min_distance_mm": 1.0, "max_penetration_mm": 0.0, "contact_vertices": 0},
        "render": {name: joined[name] for name in (*look, "samples", "denoiser", "seed")}
        | {"bpy_version": "none", "device": "none", "seconds": 0.0},
        "provenance": {name: joined[name] for name in ("source", "base_pose", "augmentation")}
        | {"config_sha256": run.manifest.config_sha256, "code_version": code_version()},
    }
    columns |= {name: _group(IMAGES.field(name).type, group, size) for name, group in groups.items()}
    return pa.table([columns[name] for name in IMAGES.names], names=IMAGES.names)


def _group(kind: pa.StructType, values: dict[str, object], size: int) -> pa.Array:
    fields = []
    for field in kind:
        value = values[field.name]
        if isinstance(value, pa.ChunkedArray):
            fields.append(value.combine_chunks().cast(field.type))
        else:
            fields.append(pa.array([value] * size, field.type))
    return pa.StructArray.from_arrays(fields, fields=list(kind))


def _hand(run: Run, joined: pa.Table, side: Side) -> pa.Array:
    """One hand's cell: parameters in the camera frame, joints, projections; seen unless outside."""
    flat = {f"{side}.{key}": column for key, column in zip(PARAMETERS, _fields(joined[str(side)]), strict=True)}
    orient, pose, betas, transl = (torch.tensor(flat[f"{side}.{key}"], dtype=torch.float64) for key in PARAMETERS)
    K, R, t = (np.array(column, dtype=np.float64) for column in _fields(joined["camera"], ("K", "R", "t")))
    turn, model = torch.as_tensor(R.reshape(-1, 3, 3)), run.hands[side]
    wrist = model.rest_joints(betas.float())[:, 0].double()
    moved = torch.einsum("bij,bj->bi", turn, wrist + transl) + torch.as_tensor(t) - wrist
    turned = matrix_to_axis_angle(turn @ axis_angle_to_matrix(orient))
    parameters = [value.float() for value in (turned, pose, betas, moved)]
    with torch.no_grad():
        joints = model.joints_21_alone(*parameters).double().numpy()
    homogeneous = joints @ K.reshape(-1, 3, 3).transpose(0, 2, 1)
    pixels = homogeneous[..., :2] / homogeneous[..., 2:]
    extent = np.array([[joined["width"][0].as_py(), joined["height"][0].as_py()]])
    outside = ((pixels < 0) | (pixels >= extent)).any(2) | (joints[..., 2] <= 0)
    low, high = (edge.clip(0, extent) for edge in (pixels.min(1), pixels.max(1)))
    cells = dict(zip(PARAMETERS, (value.numpy() for value in parameters), strict=True)) | {
        "wrist_bend": np.zeros((len(joints), 2)),
        "joints_3d": joints.reshape(-1, 63),
        "joints_2d": pixels.reshape(-1, 42),
        "joint_state": np.where(outside, JointState.OUTSIDE_IMAGE, JointState.VISIBLE),
        "bbox": np.concatenate([low, high - low], axis=1),
        "visible_fraction": np.ones(len(joints)),
    }
    fields = []
    for field in IMAGES.field(str(side)).type:
        if field.name == "contact":
            fields.append(pa.array([[]] * len(joints), field.type))
        elif pa.types.is_fixed_size_list(field.type):
            values = pa.array(cells[field.name].ravel(), field.type.value_type, safe=False)
            fields.append(pa.FixedSizeListArray.from_arrays(values, type=field.type))
        else:
            fields.append(pa.array(cells[field.name], field.type))
    return pa.StructArray.from_arrays(fields, fields=list(IMAGES.field(str(side)).type))


def _fields(column: pa.ChunkedArray, names: tuple[str, ...] = PARAMETERS) -> Iterator[np.ndarray]:
    whole = column.combine_chunks()
    yield from (column_array(pa.chunked_array([whole.field(name)])) for name in names)


def verify(images: int, out: Path) -> None:
    """`render-ih verify --no-pictures`."""
    command("verify", str(out), "--no-pictures")


def inspect(images: int, out: Path) -> None:
    """`render-ih inspect`."""
    command("inspect", str(out))


def command(*words: str) -> None:
    """A command of the product, in this process."""
    from flows.cli import main as render_ih

    render_ih(words, standalone_mode=False)


STEPS: dict[str, Callable[[int, Path], None]] = {
    "poses": make_poses,
    "plan": plan,
    "images": fill,
    "verify": verify,
    "inspect": inspect,
}
MEASURED = ("plan", "verify", "inspect")


def measured(step: str, images: int, out: Path) -> tuple[float, float, float]:
    """Minutes, CPU minutes and the most MiB of a step in a process of its own, its workers included."""
    started = time.perf_counter()
    words = [sys.executable, "-m", "benchmarks.million", "--step", step, "--images", str(images), "--out", str(out)]
    process = psutil.Popen(words, stdout=sys.stderr)
    most, cpu, done = 0, 0.0, threading.Event()

    def watch() -> None:
        nonlocal most, cpu
        while not done.wait(0.1):
            try:
                tree = [process, *process.children(recursive=True)]
                most = max(most, sum(member.memory_info().rss for member in tree))
                cpu = max(cpu, sum(sum(member.cpu_times()[:2]) for member in tree))
            except psutil.Error:
                continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    done.set()
    watcher.join()
    if code:
        raise subprocess.CalledProcessError(code, words)
    return (time.perf_counter() - started) / 60, cpu / 60, most / MIB


def main() -> None:
    """Make the dataset and measure, or do one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, required=True, help="directory of the dataset; about 2.5 kB an image")
    parser.add_argument("--step", choices=STEPS, help="only this one, in this process")
    options = parser.parse_args()
    if options.step:
        STEPS[options.step](options.images, options.out)
        return
    found = {step: measured(step, options.images, options.out) for step in STEPS}
    manifest = Manifest.read(options.out)
    size = sum(shard.bytes for table in manifest.shards.values() for shard in table.values())
    print(
        f"{manifest.rows('images'):,} images of {manifest.rows('poses'):,} poses, {size / 1e9:.2f} GB without pictures"
    )
    print("| step | minutes | CPU minutes | most memory, MiB |\n|---|---:|---:|---:|")
    for step in MEASURED:
        minutes, cpu, memory = found[step]
        print(f"| {step} | {minutes:.1f} | {cpu:.1f} | {memory:.0f} |")


if __name__ == "__main__":
    main()
