"""Where a row is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Spot:
    """Where a sample's row is, as the index knows it."""

    sample_id: str
    shard: str
    number: int
