"""The training loader against decoding the same JPEGs in a bare loop, and its memory over an epoch.

    python -m benchmarks.loader                         # synthetic pictures of 512 × 334, about 65 KB each
    python -m benchmarks.loader --dataset out/demo      # the pictures of a dataset, repeated

In each round, one after the other: bare loops in two processes over JPEGs that are in memory already, a whole epoch of the
loader with two workers, and one bare loop. Medians over the rounds. Beside images per second stands processor time for
each image, which other programs on the machine disturb less.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import simplejpeg

from dataset.manifest import Manifest
from dataset.pictures import jpeg_cell, photo
from dataset.schema import TABLES
from dataset.shards import iterate_rows, read_shard, write_shard
from dataset.training.batch_loader import BatchLoader
from dataset.training.batching import Batching
from dataset.training.image_batches import ImageBatches
from hands.random_streams import stream

TARGET = 0.85
SLOPE_TARGET = 1.0
"""MiB per 1,000 images, all processes together."""
WIDTH, HEIGHT = 512, 334
SHARD = 1024
DISTINCT = 256
MIB = 1 << 20


def synthetic_picture(number: int) -> bytes:
    """Soft shapes under fine grain, as skin has: as large when encoded as a rendered picture with a detailed background."""
    random = stream(0, "picture", number)
    coarse = random.uniform(0, 255, (HEIGHT // 32 + 2, WIDTH // 32 + 2, 3))
    soft = coarse.repeat(32, 0).repeat(32, 1)[:HEIGHT, :WIDTH]
    for axis in (0, 1):
        soft = sum(np.roll(soft, shift, axis) for shift in range(-16, 17, 4)) / 9
    grain = random.normal(0, 1.6, (HEIGHT, WIDTH, 1))
    return jpeg_cell((soft + grain).clip(0, 255).astype(np.uint8), "picture")["bytes"]


def given_pictures(folder: Path) -> list[bytes]:
    """Pictures of a dataset as JPEG of today's quality."""
    rows = iterate_rows(Manifest.read(folder).paths("images"), ["image"])
    return [jpeg_cell(np.asarray(photo(row["image"])), "picture")["bytes"] for row in rows]


def filler(field: pa.Field, random: np.random.Generator) -> object:
    """A value of a column's type; what it is does not matter here."""
    kind = field.type
    if pa.types.is_struct(kind):
        return {inner.name: filler(inner, random) for inner in kind}
    if pa.types.is_fixed_size_list(kind):
        return random.uniform(0, 4, kind.list_size).astype(kind.value_type.to_pandas_dtype())
    if pa.types.is_list(kind):
        return random.integers(0, 778, 40)
    return b"" if pa.types.is_binary(kind) else "a name" if pa.types.is_string(kind) else 1


def write(folder: Path, pictures: list[bytes], rows: int) -> None:
    """A dataset of so many rows whose labels mean nothing."""
    height, width, *_ = simplejpeg.decode_jpeg_header(pictures[0])
    manifest, random = Manifest.open(folder, {}), stream(0, "labels")
    for first in range(0, rows, SHARD):
        made = []
        for number in range(first, min(first + SHARD, rows)):
            row = {field.name: filler(field, random) for field in TABLES["images"]}
            row |= {"sample_id": f"{number:06d}", "split": "train", "width": width, "height": height}
            made.append(row | {"image": {"bytes": pictures[number % len(pictures)], "path": "picture.jpg"}})
        name = f"{first // SHARD:05d}"
        manifest.add("images", write_shard(manifest.path("images", name), made, TABLES["images"]))


def bare_loop(folder: Path, part: int, parts: int, commands, results) -> None:
    """Decode one part of all pictures each time it is told to; their bytes are read before."""
    shards = Manifest.read(folder).paths("images")
    encoded = [cell["bytes"] for path in shards for cell in read_shard(path, ["image.bytes"])["image"].to_pylist()]
    encoded = encoded[part::parts]
    results.put((0.0, len(encoded)))
    while commands.get():
        started = time.process_time()
        for data in encoded:
            simplejpeg.decode_jpeg(data)
        results.put((time.process_time() - started, len(encoded)))


@dataclass(frozen=True)
class Speed:
    """Of one round."""

    images_per_second: float
    milliseconds: float
    """Processor time for each image, of all processes."""


class Bare:
    """Two processes that decode in a bare loop."""

    def __init__(self, folder: Path, processes: int = 2) -> None:
        context = multiprocessing.get_context("spawn")
        self._results = context.Queue()
        self._commands = [context.Queue() for _ in range(processes)]
        for part, commands in enumerate(self._commands):
            arguments = (folder, part, processes, commands, self._results)
            context.Process(target=bare_loop, args=arguments, daemon=True).start()
        for _ in range(processes):
            self._results.get()

    def round(self, processes: int) -> Speed:
        """So many of the processes decode their part once."""
        started = time.perf_counter()
        for commands in self._commands[:processes]:
            commands.put(True)
        seconds, counts = zip(*(self._results.get() for _ in range(processes)), strict=True)
        return Speed(sum(counts) / (time.perf_counter() - started), 1e3 * sum(seconds) / sum(counts))


class Loading:
    """A loader with workers that run already."""

    def __init__(self, folder: Path, workers: int, batch_size: int) -> None:
        before = set(psutil.Process().children())
        self.loader = BatchLoader(ImageBatches(folder, "train", Batching(batch_size)), workers)
        self.epoch()
        self.processes = [psutil.Process(), *(set(psutil.Process().children()) - before)]

    def epoch(self) -> int:
        """Load everything once; how many images came."""
        return sum(len(batch) for batch in self.loader)

    def round(self) -> Speed:
        """One epoch."""
        started, used = time.perf_counter(), self._processor_seconds()
        count = self.epoch()
        seconds = time.perf_counter() - started
        return Speed(count / seconds, 1e3 * (self._processor_seconds() - used) / count)

    def memory(self, epochs: int) -> np.ndarray:
        """(images so far, MiB of all processes) after every few batches; memory that is shared counts once."""
        measured, images = [], 0
        for _ in range(epochs):
            for number, batch in enumerate(self.loader):
                images += len(batch)
                if number % 4 == 0:
                    shares = [process.memory_full_info().pss for process in self.processes]
                    measured.append((images, sum(shares) / MIB))
        return np.array(measured)

    def _processor_seconds(self) -> float:
        times = [process.cpu_times() for process in self.processes]
        return sum(t.user + t.system for t in times)


def compare(folder: Path, rounds: int, batch_size: int) -> tuple[dict[str, list[Speed]], Loading]:
    """All rounds, interleaved."""
    bare, loading = Bare(folder), Loading(folder, 2, batch_size)
    found: dict[str, list[Speed]] = {"bare loop, 2 processes": [], "loader, 2 workers": [], "bare loop, 1 process": []}
    for _ in range(rounds):
        for speeds, measure in zip(
            found.values(), (lambda: bare.round(2), loading.round, lambda: bare.round(1)), strict=True
        ):
            speeds.append(measure())
    return found, loading


def report_speed(found: dict[str, list[Speed]]) -> float:
    """A line each; returns the loader's share of the bare loops' speed, the median of the rounds' ratios."""
    print(f"{'':24s}   images/s (median, quartiles)   processor ms/image")
    for name, speeds in found.items():
        low, middle, high = np.percentile([speed.images_per_second for speed in speeds], (25, 50, 75))
        used = np.median([speed.milliseconds for speed in speeds])
        print(f"{name:24s}   {middle:8.0f}   {low:6.0f} – {high:6.0f}   {used:10.3f}")
    bare, loader, _ = ([speed.images_per_second for speed in speeds] for speeds in found.values())
    return float(np.median(np.array(loader) / np.array(bare)))


def main() -> None:
    """Parse, write a dataset, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, help="take its pictures")
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=3, help="for memory, after the rounds")
    options = parser.parse_args()
    pictures = given_pictures(options.dataset) if options.dataset else [synthetic_picture(n) for n in range(DISTINCT)]
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), pictures, options.rows)
        size = np.mean([len(picture) for picture in pictures]) / 1024
        print(f"{options.rows} rows, JPEG of {size:.0f} KiB on average, batches of {options.batch_size}")
        found, loading = compare(Path(folder), options.rounds, options.batch_size)
        ratio = report_speed(found)
        measured = loading.memory(options.epochs)
    slope = 1e3 * float(np.polyfit(*measured.T, 1)[0])
    print(f"loader / bare loops, round by round  {ratio:7.1%}   (target: at least {TARGET:.0%})")
    print(
        f"memory slope   {slope:+7.2f} MiB per 1,000 images over {options.epochs} epochs   (target: at most {SLOPE_TARGET:g})"
    )
    print(f"memory         {measured[-1, 1]:7.0f} MiB at the end, {measured[:, 1].max():.0f} at most, main and workers")
    sys.exit(0 if ratio >= TARGET and slope <= SLOPE_TARGET else 1)


if __name__ == "__main__":
    main()
