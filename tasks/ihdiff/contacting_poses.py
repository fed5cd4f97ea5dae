"""The poses that IHDiff learns from: two hands whose surfaces come near each other.

IHDiff §5.1: samples count "only when the shortest distance between two-hands' mesh vertices is shorter than 3 mm".
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float
from torch import Tensor

from dataset.assets.hand_files import hand_checksums
from dataset.errors import InputError
from dataset.manifest import FILE, Manifest
from dataset.readers import parquet
from dataset.readers.formats import FITS_OF_MANO, TWO_HANDS
from dataset.readers.frame import Fault, Frame
from dataset.readers.source import Rules, content_sha256, read_source
from dataset.splits import SPLITS
from dataset.storage.folder import FolderStore
from dataset.storage.opening import open_store
from hands.joints import Side
from hands.model import HandModel
from hands.pose import HandPose, TwoHandPose
from hands.selection import distances_apart
from tasks.progress import bar, say

Hands = dict[Side, HandModel]


@dataclass(frozen=True, eq=False)
class ContactingPoses:
    """Poses of hands in contact, and what became of the others."""

    names: list[str]
    """Unique."""
    splits: list[str]
    """train, validation or test for each."""
    poses: TwoHandPose
    """World frame with z up, float32; those of a dataset as it stores them."""
    min_distance_mm: Float[Tensor, "n"]
    """Smallest distance between a vertex of one hand and a vertex of the other."""
    left_out: Counter[str]
    """Poses of the whole source that are not among these, by reason."""
    about: str
    """What was read and how many, in one line without a path."""
    sha256: str
    """Checksum of the source's files."""

    def of(self, split: str) -> "ContactingPoses":
        """Only those of a split; perhaps none.

        Raises:
            ValueError: there is no split of that name.
        """
        if split not in SPLITS:
            raise ValueError(f"split is '{split}'; poses have {', '.join(SPLITS)}")
        return self[[row for row, own in enumerate(self.splits) if own == split]]

    def __getitem__(self, rows: Sequence[int]) -> "ContactingPoses":
        names, splits = ([column[row] for row in rows] for column in (self.names, self.splits))
        distances = self.min_distance_mm[list(rows)]
        return replace(self, names=names, splits=splits, poses=self.poses[list(rows)], min_distance_mm=distances)

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, eq=False)
class _Found:
    """The sound poses of a source, near or not."""

    names: list[str]
    splits: list[str]
    poses: TwoHandPose
    left_out: Counter[str]
    about: str
    sha256: str


def read_contacting_poses(
    place: str, hands: Hands, within_mm: float = 3.0, subset: str = "train", most: int = 0
) -> ContactingPoses:
    """The poses of a place whose hands are less than `within_mm` apart, in the source's order.

    Args:
        place: a dataset of this project (its folder or `s3://` URL; its `poses` and their splits are read, whether or not
            there are images yet), or `KIND=PATH` with a kind of `dataset.readers.formats.TWO_HANDS`.
        hands: that pose and measure them: those that a dataset was made with, MANO for recordings.
        within_mm: between the nearest two vertices of the two hands.
        subset: of a recording that has subsets; a dataset is read whole.
        most: at most so many, evenly spread over those that there are; 0: all.

    Raises:
        InputError: the place cannot be read, was made with other hands, or holds no such pose.
    """
    if not within_mm > 0 or most < 0:
        raise InputError(f"within_mm is {within_mm:g} and most is {most}; give a distance above 0, and 0 or more poses")
    kind, path = kind_and_path(place)
    found = _read_recording(kind, Path(path), subset, hands, within_mm) if kind else _read_dataset(path, hands)
    with bar("measuring distances", len(found.poses), "poses") as advance:
        distances = 1000 * distances_apart(found.poses, hands, on_poses=advance)
    near = (distances < within_mm).nonzero()[:, 0].tolist()
    left_out = found.left_out + Counter({f"hands not within {within_mm:g} mm": len(distances) - len(near)})
    total = len(near) + left_out.total()
    if not near:
        others = f" ({_told(found.left_out)})" if found.left_out else ""
        raise InputError(
            f"{place}: none of {total:,} poses has hands within {within_mm:g} mm{others}; "
            "IHDiff models hands in contact: give a source with some, or a larger distance"
        )
    kept = [near[row] for row in spread(len(near), most or len(near))]
    left_out += Counter({"more than were asked for": len(near) - len(kept)})
    about = f"{len(kept):,} of {total:,} poses of {found.about}: hands within {within_mm:g} mm"
    every = ContactingPoses(found.names, found.splits, found.poses, distances, left_out, about, found.sha256)
    say(f"{every.about}" + (f"; left out: {_told(left_out)}" if left_out else ""))
    return every[kept]


def spread(count: int, most: int) -> list[int]:
    """At most so many of `count` rows, evenly over all."""
    kept = min(count, most)
    return [number * count // kept for number in range(kept)]


def kind_and_path(place: str) -> tuple[str, str]:
    """Kind and path of a recording; an empty kind and the place itself of a dataset.

    Raises:
        InputError: no such kind, no such file, or a file where a dataset's folder must be.
    """
    if Path(place).is_file():
        raise InputError(f"{place}: is a file; a table of poses is named parquet={place}")
    kind, sign, path = place.partition("=")
    if not sign or "/" in kind or Path(place).exists():
        return "", place
    if kind not in TWO_HANDS or not path:
        raise InputError(f"{place}: must be a dataset or KIND=PATH with one of the kinds {', '.join(TWO_HANDS)}")
    if not Path(path).exists():
        raise InputError(f"{path}: no such file or folder; give the one that holds the poses of {kind}")
    return kind, path


def _read_recording(kind: str, path: Path, subset: str, hands: Hands, within_mm: float) -> _Found:
    """Poses of other people's files. Wide rules: a person's mean shape, given last, can bring hands nearer."""
    sha256 = content_sha256(TWO_HANDS[kind].files(path, subset))
    about = kind if kind in ("parquet", "hic") else f"{kind} ({subset})"
    if kind in FITS_OF_MANO and "sha256" not in hands[Side.RIGHT].arrays.notes:
        about += " on the free hand, an approximation since it holds parameters of MANO"
    say(f"Reading poses of {about}")
    raw = read_source(kind, path, subset, hands, Rules(max(Rules.max_distance_mm, within_mm)))
    left_out = raw.left_out + _counted(raw.faults, path)
    return _Found(raw.names, raw.splits, raw.poses, left_out, about, sha256)


def _read_dataset(place: str, hands: Hands) -> _Found:
    """The table `poses` of a dataset, as it is stored."""
    paths = _pose_files(place, hands)
    names, splits, faults, blocks, origins, seen = [], [], [], [], set(), set()
    with bar("reading poses", len(paths), "shards") as advance:
        for path in paths:
            columns = _columns(path)
            origins |= set(zip(columns["source"], columns["base_pose"], strict=True))
            frames, bad = _sorted_out(path, columns["split"], seen)
            faults += bad
            names += [frame.name for frame, _ in frames]
            splits += [split for _, split in frames]
            blocks += [_batch([frame for frame, _ in frames])] if frames else []
            advance(1)
    left_out = _counted(faults, place)
    if not names and not faults:
        raise InputError(f"{place}: holds no poses; give a dataset whose run has made some")
    if not names:
        raise InputError(f"{place}: no pose can be used ({_told(left_out)}), the first in {faults[0].place}; mend it")
    about = (
        f"a dataset made from {len(origins):,} poses of {' and '.join(sorted({str(source) for source, _ in origins}))}"
    )
    sha256 = content_sha256({path.name: path for path in paths})
    return _Found(names, splits, TwoHandPose.stack(blocks), left_out, about, sha256)


def _pose_files(place: str, hands: Hands) -> list[Path]:
    """The shards that the manifest lists, fetched if they lie elsewhere, or those of a folder without one.

    Raises:
        InputError: there are none, or they were made with other hands.
    """
    store = open_store(place)
    local = isinstance(store, FolderStore)
    if local and not store.folder.is_dir():
        raise InputError(f"{place}: no such folder; give that of a dataset, or KIND=PATH ({', '.join(TWO_HANDS)})")
    if local and not (store.folder / FILE).is_file():
        paths = sorted((store.folder / "poses").glob("*.parquet"))
    else:
        manifest = Manifest.read(store)
        if manifest.hands and manifest.hands != hand_checksums(hands):
            raise InputError(
                f"{place}: was made with another hand model; name its folder with --mano DIR, or the free hand without"
            )
        paths = manifest.paths("poses")
    if not paths:
        raise InputError(f"{place}: holds no poses (poses/*.parquet); give a dataset whose run has made some")
    return paths


def _columns(path: Path) -> dict[str, list]:
    """What the rows of a shard say besides the hands.

    Raises:
        InputError: it cannot be read, or lacks one of them.
    """
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            for name in ("split", "source", "base_pose", *Side):
                if name not in names:
                    raise InputError(
                        f"{path}: has no column '{name}'; poses of another program are read as parquet=PATH"
                    )
            return file.read(["split", "source", "base_pose"]).to_pydict()
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> InputError:
    return InputError(f"{path}: cannot be read; `render-ih verify` names every file that is missing or damaged")


def _sorted_out(path: Path, splits: list, seen: set[str]) -> tuple[list[tuple[Frame, str]], list[Fault]]:
    """The frames of a shard with their splits, and its faults; names are added to those `seen` in the shards before.

    Raises:
        InputError: the hands cannot be read.
    """
    frames, faults = [], []
    for item, split in zip(parquet.read(path, "", {}), splits, strict=True):
        if isinstance(item, Fault) and not item.key:
            raise _damaged(path)
        if isinstance(item, Frame) and split not in SPLITS:
            item = Fault(item.name, item.file, f"{item.name}.split", "no such split")
        elif isinstance(item, Frame) and item.name in seen:
            item = Fault(item.name, item.file, item.name, "duplicate frame")
        if isinstance(item, Fault):
            faults.append(item)
        else:
            seen.add(item.name)
            frames.append((item, split))
    return frames, faults


def _batch(frames: list[Frame]) -> TwoHandPose:
    sides = []
    for side in Side:
        columns = zip(*(frame.hands[side].parameters for frame in frames), strict=True)
        sides.append(HandPose(*(torch.as_tensor(np.stack(column), dtype=torch.float32) for column in columns)))
    return TwoHandPose(*sides)


def _counted(faults: Sequence[Fault], place: str | Path) -> Counter[str]:
    """Faults by reason, each reason told once with the place of its first."""
    first = {fault.reason: fault for fault in reversed(faults)}
    counts = Counter(fault.reason for fault in faults)
    for reason, count in counts.items():
        say(f"{place}: {count} unusable: {reason}, the first in {first[reason].place}")
    return counts


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
