"""Anchors of a hand, counted over the gesture library or over poses of the user's."""

from pathlib import Path

from dataset.assets.anchors import write_anchors
from dataset.assets.hand_files import load_hands
from hands.contact import Anchors
from tasks.config import SourceConfig
from tasks.pose_source import open_source


def choose_anchors(out: Path, mano: Path | None = None, poses: Path | None = None) -> Anchors:
    """Write the anchor file of the free hand, or of MANO's; the anchors.

    Raises:
        InputError: a hand or pose file is missing or damaged.
    """
    hands = load_hands(mano)
    source = SourceConfig(kind="parquet", path=poses) if poses else SourceConfig()
    raw = open_source(source, hands).raw
    about = f"{len(raw.names)} poses of {poses.name if poses else 'the gesture library, mean shape'}"
    return write_anchors(out, raw.poses, hands, about)
