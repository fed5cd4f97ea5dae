"""The stages of a run: what each makes, under which names the manifest lists its shards, and how pages call them."""

from collections.abc import Set
from dataclasses import dataclass

from dataset.manifest import Manifest


@dataclass(frozen=True)
class Stage:
    """A stage."""

    name: str
    """As records and history have it."""
    title: str
    doing: str
    """Begins a sentence about a run that is at it."""
    unit: str
    """Of the things that it decides on, as bars and rates count them."""
    table: str
    """Its shards are done when the manifest lists them in this table."""
    only: str = ""
    """Name of its only shard; empty: every shard of the table is one of its own."""

    def made(self, manifest: Manifest) -> Set[str]:
        """Names of the shards that the manifest lists."""
        listed = manifest.shards[self.table].keys()
        return listed & {self.only} if self.only else listed


STAGES = (
    Stage("collect", "Reading", "Reading poses", "poses", "rejected", only="read"),
    Stage("poses", "Poses", "Making poses", "poses", "poses"),
    Stage("plan", "Plan", "Planning views", "views", "rejected", only="plan"),
    Stage("images", "Images", "Rendering", "images", "images"),
)
"""In the order in which a run goes through them."""
COLLECT, POSES, PLAN, IMAGES = STAGES
