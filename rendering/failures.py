"""Why an image was not made: every failure has a class, and the class decides whether it is tried again."""

from enum import StrEnum


class Failure(StrEnum):
    """The classes of failed images; docs/rendering.md shows them with what is done about each."""

    OUT_OF_MEMORY = "out of memory"
    """Of the GPU, or the operating system killed Blender for its memory."""
    TIME_LIMIT = "time limit"
    """No picture within `machine.render_timeout`."""
    CRASH = "crash"
    """The Blender process ended by itself or by a signal."""
    KILLED = "killed"
    """Somebody has sent SIGKILL to the Blender process, and not the kernel for want of memory."""
    NO_SPACE = "no space"
    """The disk is full on which Blender leaves its pictures: nothing is wrong with the image, which is made later."""
    CYCLES = "Cycles error"
    """Cycles or Blender reported an error, although a picture may have come."""
    BAD_PICTURE = "bad picture"
    """Black, of one colour, with values that are no numbers, or with hands too dark to see."""
    BAD_LABELS = "labels differ"
    """From what Cycles drew."""
    BAD_INPUT = "bad input"
    """The job itself cannot be drawn."""
    ENVIRONMENT = "environment refused"
    """The environment map is missing, damaged, of the wrong shape, or too dark."""

    @property
    def tries(self) -> int:
        """How often an image is tried, each time in a new process. Most classes would fail the same way, or cost the time
        again; who kills processes means no image."""
        return {Failure.OUT_OF_MEMORY: 2, Failure.CRASH: 2, Failure.CYCLES: 2, Failure.KILLED: 6}.get(self, 1)


class RenderError(RuntimeError):
    """An image could not be made; the text is "class: detail"."""

    def __init__(self, failure: Failure, detail: str, value: float = 0.0, limit: float = 0.0) -> None:
        """`value` is what was measured and `limit` what is allowed, where the class has such numbers."""
        super().__init__(f"{failure}: {detail}")
        self.failure, self.detail, self.value, self.limit = failure, detail, value, limit
