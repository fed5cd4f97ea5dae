"""A method's hands against true ones: what `render-ih evaluate transhand` does."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from dataset.assets.hand_files import hand_checksums
from dataset.atomic import atomic_file, atomic_write, only_one
from dataset.errors import InputError
from dataset.splits import SPLITS
from hands.kernels import device_fault
from models.two_hand_metrics.occlusion import BINS
from models.two_hand_metrics.tally import Tallies
from tasks.progress import bar, say
from tasks.result_folder import plain, refuse_foreign
from tasks.transhand.evaluation.extremes import Extremes
from tasks.transhand.evaluation.mean_pose import LEARNT, mean_pose
from tasks.transhand.evaluation.methods import Method, SurfaceMethod, network
from tasks.transhand.evaluation.pages import page
from tasks.transhand.evaluation.predictions import open_predictions
from tasks.transhand.evaluation.scoring import Scores, scored
from tasks.transhand.evaluation.truth import Bodies, Wanted, open_images, truth_batches
from tasks.transhand.images import Hands, hands_for, has_split

MEAN_POSE = "mean-pose"
_NUMBERS, _TABLES, _EACH, _PICTURES = "metrics.json", "tables.md", "errors.parquet", "best_and_worst.jpg"
_LOCK, _KEPT = ".evaluation.lock", "recordings"
_BUSY = "another evaluation is writing here; wait until it has ended, or give another folder"
_ASTRAY = 500
"""Millimetres of MPJPE, above which something else than the method is wrong."""


@dataclass(frozen=True)
class Evaluation:
    """What is judged, and on what."""

    dataset: Path
    """A folder, or KIND=PATH of recorded images (docs/recorded-images.md)."""
    out: Path
    checkpoint: Path | None = None
    """A trained TransHand, or …"""
    predictions: Path | None = None
    """… any method's predictions as a file, or …"""
    baseline: str = ""
    """… `mean-pose`."""
    split: str = "test"
    subset: str = ""
    """Of recorded images; empty: the split's, or else the kind's first."""
    most: int = 0
    """At most so many images, see `dataset.training.portion`; 0: all."""
    bins: str = "interhand"
    """Classes of occlusion, of `models.two_hand_metrics.occlusion.BINS`."""
    allow_missing: bool = False
    """Whether predictions may lack images."""
    size: tuple[int, int] | None = None
    """Width and height to which images are resized; for datasets of several sizes."""
    mano: Path | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        if sum(map(bool, (self.checkpoint, self.predictions, self.baseline))) != 1:
            raise InputError("one method is judged: give --checkpoint, --predictions or --baseline")
        known = {"baseline": ("", MEAN_POSE), "split": SPLITS, "bins": tuple(BINS)}
        for name, values in known.items():
            if getattr(self, name) not in values:
                raise InputError(f"{name}: there is no '{getattr(self, name)}'; give one of {', '.join(values)}")
        if self.most < 0:
            raise InputError(f"most is {self.most}; give a number of images, or 0 for all")
        if fault := device_fault(self.device):
            raise InputError(f"device: {fault}")

    def images(self) -> Wanted:
        """On which the method is judged."""
        return Wanted(str(self.dataset), self.split, self.subset, self.most, self.size)


@dataclass(frozen=True)
class Evaluated:
    """What was made."""

    numbers: Path
    """JSON: settings, and mean, deviation and count of every metric, of all images and by occlusion."""
    tables: Path
    """The same for people, as Markdown."""
    each: Path
    """Parquet: every metric of every image."""
    pictures: Path | None
    """JPEG: the images with the least and the greatest error, hands over them; None for a method that sees no surfaces."""


def evaluate(wish: Evaluation) -> Evaluated:
    """Judge a method and write what is found; the same again gives the same.

    Raises:
        InputError: dataset, checkpoint or predictions cannot be used, or the folder holds something else.
    """
    refuse_foreign(wish.out, {_NUMBERS, _TABLES, _EACH, _PICTURES, _LOCK, _KEPT})
    hands = hands_for(str(wish.dataset), wish.mano)
    with only_one(wish.out / _LOCK, _BUSY):
        return _judge(wish, hands)


def _judge(wish: Evaluation, hands: Hands) -> Evaluated:
    images = open_images(wish.images(), hands, wish.out / _KEPT)
    bodies = Bodies.of(hands, wish.device)
    with _method(wish, bodies) as method:
        names = ("split", "subset", "most", "bins", "allow_missing", "size")
        about = {"images": images.content, "hands": hand_checksums(hands)}
        settings = plain(method.about | {name: getattr(wish, name) for name in names} | about)
        _refuse_other(wish.out / _NUMBERS, settings)
        with bar(f"judging {method.about['method']}", images.images, "images") as advance:
            batches = truth_batches(images, bodies, wish.device)
            extremes = Extremes(bodies)
            found = scored(batches, method, BINS[wish.bins], wish.allow_missing, advance, extremes.add)
    _tell(found)
    return _write(wish.out, settings, found, extremes)


@contextmanager
def _method(wish: Evaluation, bodies: Bodies) -> Iterator[Method]:
    if wish.predictions:
        with open_predictions(wish.predictions, bodies) as predictions:
            yield predictions
    elif wish.checkpoint:
        yield network(wish.checkpoint, bodies.models, bodies, wish.device)
    else:
        yield _mean_pose(wish, bodies)


def _mean_pose(wish: Evaluation, bodies: Bodies) -> SurfaceMethod:
    if not has_split(str(wish.dataset), "train"):
        raise InputError(
            f"{wish.dataset}: has no images of train apart from the others, so there is no mean to take of them"
        )
    learnt = Wanted(str(wish.dataset), "train", most=LEARNT, size=wish.size)
    images = open_images(learnt, bodies.models, wish.out / _KEPT, masks=False)
    with bar("averaging hands", images.images, "images") as advance:
        mean = mean_pose(images, bodies, wish.device, advance)
    return SurfaceMethod(mean, bodies, {"method": MEAN_POSE, "learnt": images.images, "learnt_from": images.content})


def _refuse_other(there: Path, settings: dict[str, Any]) -> None:
    """Results are not replaced by those of something else."""
    if not there.exists():
        return
    try:
        old = dict(json.loads(there.read_text(encoding="utf-8"))["settings"])
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise InputError(f"{there}: is damaged; remove it, and it is computed again") from error
    if different := sorted(name for name in old | settings if old.get(name) != settings.get(name)):
        raise InputError(f"{there}: is the result of another {', '.join(different)}; give an empty folder")


def _tell(found: Scores) -> None:
    if found.missing:
        say(f"{len(found.missing):,} images have no prediction and are left out", level="warning")
    if found.overall["mpjpe_middle_mm"].mean > _ASTRAY:
        say(
            "joints are off by half a metre and more: are the predictions in metres and in the camera's axes?",
            "warning",
        )


def _write(out: Path, settings: dict[str, Any], found: Scores, extremes: Extremes) -> Evaluated:
    pictures = out / _PICTURES if extremes.write(out / _PICTURES) else None
    made = Evaluated(out / _NUMBERS, out / _TABLES, out / _EACH, pictures)
    with atomic_file(made.each) as file:
        pq.write_table(found.table, file, compression="zstd")
    content = {
        "settings": settings,
        "images": sum(found.images.values()),
        "missing": len(found.missing),
        "metrics": _figures(found.overall),
        "occlusion": [
            {"iou": label, "images": found.images[number], "metrics": _figures(found.by_bin[number])}
            for number, label in enumerate(found.bins.labels)
        ],
    }
    content = plain(content)
    atomic_write(made.tables, page(content, found.table))
    atomic_write(made.numbers, json.dumps(content, indent=1, allow_nan=False) + "\n")
    return made


def _figures(tallies: Tallies) -> dict[str, dict[str, float]]:
    return {
        name: {"mean": round(t.mean, 6), "std": round(t.std, 6), "count": t.count}
        for name, t in sorted(tallies.items())
    }
