"""A stage of a run: a list of shards, each made for itself, by whichever process takes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dataset.manifest import Manifest
from dataset.work.attempt import Attempt
from tasks.run import Run


@dataclass(frozen=True)
class Stage:
    """What is done shard by shard."""

    name: str
    shards: Callable[[Run], Sequence[str]]
    """Names of all its shards, the same for every process."""
    make: Callable[[Run, str, Attempt], object]
    """Makes one of them: writes its files into the attempt."""
    table: str
    """A shard is done when the manifest has a file of its name in this table."""
    also: str = ""
    """Another table that the stage writes whole, under names of its own."""

    def done(self, manifest: Manifest, shard: str) -> bool:
        """Whether a shard is made, and its files are there."""
        others = manifest.shards[self.also] if self.also else ()
        return manifest.done(self.table, shard) and all(manifest.done(self.also, name) for name in others)
