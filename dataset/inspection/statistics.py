"""What a dataset contains, counted from its tables without touching a picture, in memory that its size does not change."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dataset.assets.hand_files import hands_of
from dataset.errors import InputError
from dataset.inspection.counts import QUESTIONS, Counts, count
from dataset.inspection.images import ImageFacts, survey_images
from dataset.inspection.poses import PoseFacts, survey_poses
from dataset.inspection.postures import NEAR_MM, Hands, Postures, postures
from dataset.inspection.sampling import Distribution
from dataset.inspection.storage import column_bytes
from dataset.inspection.wording import share
from dataset.manifest import Manifest
from dataset.schema import IMAGES, TABLES

PAPER_ACCEPTANCE = 0.93
"""Share of optimised poses that RenderIH kept (supplement §1)."""


@dataclass(frozen=True, eq=False)
class Inspection:
    """Counts and distributions of a dataset."""

    name: str
    """Name of the directory."""
    rows: dict[str, int]
    """Rows of each table."""
    bytes: dict[str, int]
    """Size of each table's files."""
    counts: Counts
    images: ImageFacts
    poses: PoseFacts
    postures: Postures | None
    """None when the dataset was made with a hand model that was not given."""
    column_bytes: Counter[str]
    """Bytes of each column of `images`."""

    @property
    def acceptance(self) -> float:
        """Accepted poses among all that were judged, 1 when none was: not those that `read` or images that `render` refused."""
        judged = self.rows["poses"] + self.counts.refused("validate")
        return self.rows["poses"] / judged if judged else 1.0

    @property
    def tried(self) -> dict[str, int]:
        """Step to how many base poses, poses or images it had to decide on."""
        refused, rows = self.counts.refused, self.rows
        return {
            "read": self.counts.bases_tried + refused("read"),
            "validate": rows["poses"] + refused("validate"),
            "plan": max(rows["plan"], rows["images"]) + refused("plan"),
            "render": rows["images"] + refused("render"),
        }

    @property
    def bytes_per_image(self) -> float:
        """Of the table `images`; 0 without images."""
        return self.bytes["images"] / max(self.rows["images"], 1)

    def text(self) -> str:
        """A summary for a terminal, one fact a line."""
        return "\n".join(f"{name:<13} {value}" for name, value in (self._rows() | self._quality()).items())

    def _rows(self) -> dict[str, str]:
        images = ", ".join(f"{split} {found['images']:,}" for split, found in self.counts.splits.items())
        judged = f"{self.acceptance:.0%} of those judged (the paper: {PAPER_ACCEPTANCE:.0%})"
        seen = f"{self.counts.poses_seen:,} have images, {self.poses.raw:,} are as they were read"
        shared = ", ".join(f"{found:,} {kind}" for kind, found in self.counts.shared.items() if found)
        return {
            "images": f"{self.rows['images']:,} of {self.rows['plan']:,} planned, {images or 'no split'}",
            "poses": f"{self.rows['poses']:,} accepted, {judged}; {seen}",
            **{kind: found.listed for kind, found in self.counts.names.items()},
            "splits share": shared or "nothing",
            "cameras": ", ".join(f"{kind} {found:,}" for kind, found in self.images.viewpoints.most_common()),
            "size": f"{sum(self.bytes.values()) / 1e6:,.1f} MB, {self.bytes_per_image / 1e3:,.1f} kB an image",
        }

    def _quality(self) -> dict[str, str]:
        measured, postures = self.poses.numbers, self.postures
        near = f"; {share(postures.near_doubles)} have another within {NEAR_MM:g} mm" if postures else ""
        deepest = "" if not self.rows["poses"] else f", {measured['max_penetration_mm'].high:.3g} mm at most"
        apart = f"{_median(measured['min_distance_mm'])} mm apart (medians)"
        refused: Counter[str] = Counter()
        for refusal in self.counts.refusals:
            refused[f"{refusal.stage}: {refusal.reason}"] += refusal.count
        return {
            "joints": f"{self.images.visible_joints:.0%} visible",
            "contact": f"{_median(measured['contact_vertices'])} vertices, {apart}",
            "penetration": f"{_median(measured['max_penetration_mm'])} mm (median){deepest}",
            "naturalness": f"{_median(measured['naturalness'])} (median, of the less natural hand)",
            "doubles": f"{self.counts.double_poses:,} poses, {self.counts.double_views:,} views{near}",
            "refused": ", ".join(f"{reason} {found:,}" for reason, found in refused.most_common()) or "none",
        }


def _median(numbers: Distribution) -> str:
    return f"{numbers.median:.3g}" if numbers.count else "–"


def work(manifest: Manifest) -> int:
    """Rows that an inspection reads, those read several times counted so: the length of its progress bar."""
    return manifest.rows("poses") + (1 + QUESTIONS) * manifest.rows("images")


def inspect(
    dataset_dir: Path, mano_dir: Path | None = None, advance: Callable[[int], None] = lambda count: None
) -> Inspection:
    """Count a dataset.

    Args:
        dataset_dir: its directory.
        mano_dir: folder of the MANO files, when it was made with MANO; without them nothing is said of postures.
        advance: called with the number of rows just read, `work` of them in all.

    Raises:
        InputError: the directory is not a dataset, a shard is missing or damaged, or `mano_dir` holds other hands.
    """
    manifest = Manifest.read(dataset_dir)
    weights = column_bytes(manifest.paths("images"), IMAGES)
    poses = survey_poses(manifest.paths("poses"), advance)
    hands = _hands(manifest, mano_dir)
    return Inspection(
        name=Path(dataset_dir).resolve().name,
        rows={table: manifest.rows(table) for table in TABLES},
        bytes={table: sum(shard.bytes for shard in manifest.shards[table].values()) for table in TABLES},
        counts=count(manifest, advance),
        images=survey_images(manifest.paths("images"), advance),
        poses=poses,
        postures=postures(poses, hands) if hands else None,
        column_bytes=weights,
    )


def _hands(manifest: Manifest, mano_dir: Path | None) -> Hands | None:
    """The hands of the dataset; None when nobody said where they are."""
    try:
        return hands_of(manifest, mano_dir)
    except InputError:
        if mano_dir is not None:
            raise
        return None
