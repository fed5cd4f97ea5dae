"""What is looked at: pictures one after the other, with boxes around both hands where these are known."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from PIL import Image

from tasks.transhand.prediction.cutting import Box


class Picture(NamedTuple):
    """One of them."""

    name: str
    """A photo's place in its folder, or the `sample_id` of a dataset's image."""
    image: Image.Image
    """RGB."""
    box: Box | None
    """Around both hands, inside the picture; None: the square amid it is taken."""
    is_boxed: bool
    """Whether the box is one that somebody has drawn around hands."""


class Pictures(Protocol):
    """Where they come from."""

    parts: Sequence[int]
    """How many lie in each part; what is made of a part is kept when the work stops."""
    content: str
    """Checksum of what tells these pictures from any others."""

    def read(self, part: int) -> Iterator[Picture]:
        """Those of a part, in their order, without any that cannot be used: these are told.

        Raises:
            InputError: one cannot be used and must not be missing.
        """
