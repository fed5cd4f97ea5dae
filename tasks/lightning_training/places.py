"""Which of how many training processes this one is; loads neither torch nor Lightning."""

import os
from typing import NamedTuple


class Place(NamedTuple):
    """A process among those that train together."""

    rank: int
    devices: int


def place() -> Place:
    """What torchrun says of this process; the only one without it."""
    return Place(int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1)))
