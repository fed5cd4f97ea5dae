"""Exports: processor time an image, size of the result, and memory as the number of images grows.

    python -m benchmarks.exports out/demo --images 1500 3000 --formats coco webdataset hf

The images of a dataset are repeated under new names in shards of 1,500, each time shifted, so that no two files are the
same and nothing is compressed that would not be otherwise. Each export is a process of its own, so that its memory is known.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from dataset.exports.formats import FORMATS, open_format
from dataset.exports.job import export
from dataset.manifest import Manifest, RunRecord
from dataset.pictures import jpeg_cell, photo, png_cell, values
from dataset.schema import TABLES
from dataset.shards import Row, Shard, file_sha256, iterate_rows, table_of

SHARD = 1500
GROUP = 128
MASKS = ("mask_hands", "mask_parts", "mask_right_amodal", "mask_left_amodal", "depth")


def repeated(source: Manifest, folder: Path, count: int) -> Manifest:
    """A dataset with `count` images in shards as a large run writes them; each image has a pose of its own."""
    images = list(iterate_rows(source.paths("images")))
    poses = {row["pose_id"]: row for row in iterate_rows(source.paths("poses"))}
    manifest = Manifest(folder, {"repeated": RunRecord({"inputs": {"hands": source.hands}}, "0", {})})
    for first in range(0, count, SHARD):
        numbers = range(first, min(first + SHARD, count))
        rows = [_shifted(images[n % len(images)], n) for n in numbers]
        shown = [poses[images[n % len(images)]["pose_id"]] | {"pose_id": f"{n:08d}"} for n in numbers]
        for table, found in (("images", rows), ("poses", shown)):
            shard = _write(manifest.path(table, f"train-{first // SHARD:05d}"), table, found)
            manifest.shards[table][shard.name] = shard
    manifest.replace()
    return manifest


def _shifted(row: Row, number: int) -> Row:
    name = f"{number:08d}"
    changed = {"sample_id": f"{name}-v00", "pose_id": name, "split": "train"}
    changed["image"] = jpeg_cell(np.roll(np.asarray(photo(row["image"])), number, axis=1), name)
    for mask in MASKS:
        shifted = np.roll(values(row[mask]), number, axis=1)
        changed[mask] = png_cell(shifted.astype(np.uint16 if mask == "depth" else np.uint8), f"{name}.{mask}")
    return row | changed


def _write(path: Path, table: str, rows: list[Row]) -> Shard:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table_of(rows, TABLES[table]), path, compression="zstd", version="2.6", row_group_size=GROUP)
    return Shard(path.stem, len(rows), path.stat().st_size, file_sha256(path))


def run_one(dataset: Path, name: str, out: Path) -> None:
    """Export, and print what it took."""
    manifest = Manifest.read(dataset)
    begun = time.process_time()
    export(manifest, open_format(name, manifest), name, out)
    seconds, count = time.process_time() - begun, manifest.rows("images")
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    memory = _peak_kib() / 1024
    print(
        f"{name:<11}{count:>8} images {1e3 * seconds / count:8.2f} ms CPU {size / count / 1e3:8.1f} kB {memory:8.0f} MiB"
    )


def _peak_kib() -> int:
    """Largest resident memory of this process; what `resource` tells includes the process that started it."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])


def main() -> None:
    """Repeat the images, export each number of them to each format."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--images", type=int, nargs="+", default=[1500, 3000])
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--one", nargs=2, metavar=("FORMAT", "OUT"), help="only this export, in this process")
    options = parser.parse_args()
    if options.one:
        run_one(options.dataset, options.one[0], Path(options.one[1]))
        return
    with tempfile.TemporaryDirectory(prefix="render-ih-exports-") as folder:
        for count in options.images:
            large = repeated(Manifest.read(options.dataset), Path(folder) / f"dataset-{count}", count).folder
            for name in options.formats:
                out = Path(folder) / f"{name}-{count}"
                subprocess.run([sys.executable, "-m", "benchmarks.exports", large, "--one", name, out], check=True)


if __name__ == "__main__":
    main()
