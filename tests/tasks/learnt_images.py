"""A small dataset to learn TransHand from, made once for all tests, and a network that is trained in seconds."""

import tempfile
from functools import cache
from pathlib import Path

from dataset.assets.hand_files import load_hands
from dataset.training.batch import ImageBatch
from dataset.training.batching import Batching
from dataset.training.image_batches import ImageBatches
from tasks.transhand.training.config import TransHandTraining, load_training
from tests.dataset.synthetic import make_sample, write_dataset

SPLITS = ("train", "train", "train", "train", "validation", "test")
"""Of the samples."""
NETWORK = (
    "network={image_size: 32, backbone: {name: tiny}, image_width: 8, widths: [16, 8, 4], heads: 1, perceptrons: 1, "
    "dropout: 0.1}"
)
TINY = (
    NETWORK,
    "optimiser={batch: 2, steps: 4, learning_rate: 0.001, ema: 0.5}",
    "report={metrics: 2, checkpoint: 2, keep: 5, validation: 4, validation_images: 1, pictures: 1}",
    "data.workers=0",
)


@cache
def dataset() -> Path:
    """Its folder; tests must not change it."""
    hands = load_hands()
    samples = [make_sample(number, hands, 96, 72) for number in range(len(SPLITS))]
    for sample, split in zip(samples, SPLITS, strict=True):
        for row in sample.values():
            row["split"] = split
    return write_dataset(Path(tempfile.mkdtemp(prefix="render-ih-tests-")) / "learnt", samples, 2).folder


def tiny(*overrides: str) -> TransHandTraining:
    """A training of four steps of two images."""
    return load_training(None, TINY + overrides)


def images(split: str = "train") -> ImageBatch:
    """All images of a split, as loaded."""
    batch = SPLITS.count(split)
    (loaded,) = ImageBatches(dataset(), split, Batching(batch, shuffle=False))
    return loaded
