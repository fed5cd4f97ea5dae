"""What a run of the paper's recipe comes to, by its number of images: shards, files, bytes, rows and requests.

Constants are of the code and of configs/paper.yaml where they say so; the others were measured by `benchmarks.fleet` and
stand in docs/scale.md with the runs that they come from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

POSES, IMAGES, VIEWS = 512, 4000, 10
"""Poses and images in a shard, images of a pose: configs/paper.yaml."""
STEPS_OF_POSES, STEPS_OF_IMAGES = 3, 1
"""Steps of one shard, of which Prefect keeps records: flows/render_ih.py."""
LEASE, RENEWALS = 60.0, 4
"""Seconds of a lease, and renewals and beats in it: the defaults of the code."""
LOOK, LONGEST_LOOK, READS_A_SECOND = 1.0, 5.0, 20
"""Seconds between a leader's looks: as many as it takes to read the claims that are held, between the first two; share.py."""
MANIFEST, BOARD = 5.0, 30.0
"""Seconds between changes of the manifest, at least, and between looks at the workers' records: share.py, leading.py."""
PIECE = 8 << 20
"""Bytes of a piece in which a large file goes to a bucket: dataset/storage/bucket.py."""
PAGE = 1000
"""Names in one answer of S3 to a listing."""

MACHINES: tuple[tuple[str, float | None], ...] = (
    ("2 CPU cores, 256 × 167, 24 samples", 2.4),
    ("2 CPU cores, 512 × 334, 12 samples", 5.2),
    ("A100", None),
    ("H200", None),
    ("L40S", None),
)
"""Seconds an image; None where it was not measured."""
BYTES_AN_IMAGE = 82_000
"""Measured on `make demo`."""
DATABASE_A_STEP = 36_000
"""Bytes of Prefect's database for a step with its line in the log; measured, SQLite."""
POLL_CPU = 0.027
"""Processor seconds of Prefect's server for a worker's question for runs; measured."""
MANIFEST_A_FILE = 180
"""Bytes of the manifest for each file; measured."""

WRITES, READS, FREE = "PUT, COPY, POST, LIST", "GET, HEAD", "DELETE"
"""Classes of requests that S3 has prices for."""
REQUESTS: dict[str, dict[str, int]] = {
    "read": {READS: 1},
    "read (lost)": {READS: 1},
    "create": {WRITES: 1},
    "create (lost)": {WRITES: 1, READS: 1},
    "replace": {WRITES: 1},
    "replace (lost)": {WRITES: 1, READS: 1},
    "write": {WRITES: 1},
    "remove": {FREE: 1},
    "names": {WRITES: 1},
    "size": {READS: 1},
    "size (lost)": {READS: 2},
    "publish": {WRITES: 1},
    "move": {WRITES: 1, READS: 2, FREE: 1},
    "move (lost)": {READS: 2},
}
"""Requests of S3 for one operation of `dataset.storage.bucket`; of `publish` for a file of one piece, of `names` for a page.

What is said not to be there is asked for twice: a missing bucket looks the same.
"""
A_SHARD = {
    "worker": {"create": 1, "size": 1, "write": 1, "publish": 1, "replace": 1, "move": 1},
    "leader": {"read": 2, "move (lost)": 1, "size": 1},
}
"""Operations for each shard, whoever is fast or slow: take, note, file, commit, final name; claim, note, file at its place."""


@dataclass(frozen=True)
class Job:
    """A dataset to be made."""

    images: int
    minutes: float = 10.0
    """That a shard of images takes one worker."""
    workers: int = 64

    @property
    def poses(self) -> int:
        """Accepted ones; as many candidates if all were."""
        return ceil(self.images / VIEWS)

    @property
    def pose_shards(self) -> int:
        """Shards of poses."""
        return ceil(self.poses / POSES)

    @property
    def image_shards(self) -> int:
        """Shards of images; the plan has as many files."""
        return ceil(self.images / IMAGES)

    @property
    def shards(self) -> int:
        """Of both stages."""
        return self.pose_shards + self.image_shards

    @property
    def files(self) -> int:
        """Parquet files of poses, plan and images; `rejected` has at most one more for each shard."""
        return self.pose_shards + 2 * self.image_shards

    @property
    def steps(self) -> int:
        """Records of steps in Prefect."""
        return STEPS_OF_POSES * self.pose_shards + STEPS_OF_IMAGES * self.image_shards

    @property
    def data(self) -> int:
        """Bytes of the images with their labels."""
        return self.images * BYTES_AN_IMAGE

    @property
    def hours(self) -> float:
        """Of rendering, for all workers."""
        return self.image_shards * self.minutes / 60 / self.workers

    def requests(self, kind: str) -> int:
        """Requests of S3 of one class in the stage of images: of each shard, of each renewal, of each of the leader's looks."""
        shards, seconds = self.image_shards, 3600 * self.hours
        a_shard = sum(count * REQUESTS[name].get(kind, 0) for who in A_SHARD.values() for name, count in who.items())
        pieces = (
            ceil(IMAGES * BYTES_AN_IMAGE / PIECE) + 1 if kind == WRITES else 0
        )  # begin and end, less the one counted
        beats = self.workers * seconds / (LEASE / RENEWALS)  # renewal and record are written, the run's word is read
        looks = seconds / min(LONGEST_LOOK, max(LOOK, self.workers / READS_A_SECOND))
        each = {WRITES: 2, READS: 1}.get(kind, 0)
        look = {WRITES: ceil(shards / PAGE), READS: min(self.workers, shards)}.get(kind, 0)
        board = {WRITES: 2, READS: self.workers + 1}.get(
            kind, 0
        )  # a listing, the records, the history read and written
        changes = min(shards, seconds / MANIFEST) if kind in (WRITES, READS) else 0  # read, then written
        return round(shards * (a_shard + pieces) + beats * each + looks * look + seconds / BOARD * board + changes)


JOBS = (Job(1_000_000), Job(100_000_000, workers=256))
ROWS: tuple[tuple[str, Callable[[Job], str]], ...] = (
    ("poses", lambda job: f"{job.poses:,}"),
    (f"shards of {POSES} poses", lambda job: f"{job.pose_shards:,}"),
    (f"shards of {IMAGES:,} images", lambda job: f"{job.image_shards:,}"),
    ("claims while it runs, a small file each", lambda job: f"{job.shards + 2:,}"),
    ("Parquet files of poses, plan, images", lambda job: f"{job.files:,}"),
    ("manifest", lambda job: f"{job.files * MANIFEST_A_FILE / 1e6:.1f} MB"),
    ("images with labels, 82 kB each", lambda job: f"{job.data / 1e12:.2f} TB"),
    ("records of steps in Prefect", lambda job: f"{job.steps:,}"),
    ("Prefect's database for them", lambda job: f"{job.steps * DATABASE_A_STEP / 1e9:.2f} GB"),
    ("workers, as an example", lambda job: f"{job.workers}"),
    ("hours, when a shard takes 10 min", lambda job: f"{job.hours:.1f}"),
    ("questions of the workers to Prefect a second, one each 2 s", lambda job: f"{job.workers / 2:.0f}"),
    ("… of a core of Prefect's server for them", lambda job: f"{job.workers / 2 * POLL_CPU:.0%}"),
    ("… with PREFECT_WORKER_QUERY_SECONDS=15", lambda job: f"{job.workers / 15 * POLL_CPU:.0%}"),
    ("S3: PUT, COPY, POST, LIST", lambda job: f"{job.requests(WRITES):,}"),
    ("S3: GET, HEAD", lambda job: f"{job.requests(READS):,}"),
    ("S3: all of them a second", lambda job: f"{(job.requests(WRITES) + job.requests(READS)) / job.hours / 3600:.0f}"),
    (
        "price of these requests",
        lambda job: f"{job.requests(WRITES) / 1e3:,.0f} · w + {job.requests(READS) / 1e3:,.0f} · r",
    ),
    ("price of keeping it for a month", lambda job: f"{job.data / 1e9:,.0f} · g"),
)


def cost(machine: str, seconds: float | None) -> str:
    """A line of the table of machines; `p` is the price of one for an hour, in any currency."""
    if seconds is None:
        return f"| {machine} | not measured | p · seconds / 3600 | p · seconds · 277.8 |"
    return f"| {machine} | {seconds:g} | {seconds / 3600:.5f} · p | {seconds * 1e6 / 3600:,.0f} · p |"


def page() -> str:
    """The tables of docs/scale.md."""
    head = "| paper's recipe, ten views a pose | " + " | ".join(f"{job.images:,} images" for job in JOBS) + " |"
    lines = [head, "|---|" + "---:|" * len(JOBS)]
    lines += [f"| {title} | " + " | ".join(cell(job) for job in JOBS) + " |" for title, cell in ROWS]
    lines += ["", "| machine | seconds an image | price of an image | price of a million |", "|---|---:|---:|---:|"]
    return "\n".join([*lines, *(cost(*machine) for machine in MACHINES)])
