"""The Blender process, `python -m rendering.blender.worker`: jobs come by standard input, answers go to standard output.

Its first message is the scene (faces and attributes of both hands, the device). Blender prints to descriptor 1, so the
pipe is moved to another one first and everything printed goes to standard error, the log.
"""

import os
import re
import sys
import traceback
from typing import Any, BinaryIO

import numpy as np

from dataset.errors import InputError
from hands.joints import Side
from rendering.failures import Failure, RenderError
from rendering.messages import pack_error, pack_image, read_message, unpack_job, write_message

NO_MEMORY = re.compile(rb"out of (?:\w+ )*memory|bad_alloc|MemoryError", re.IGNORECASE)
CYCLES_FAILURE = re.compile(
    rb"((?:CUDA|OptiX|HIP|oneAPI|Metal) error[^\n]*|(?:failed to|cannot) (?:load|open|allocate|read)[^\n]*|Error: [^\n]*)",
    re.IGNORECASE,
)
"""What Cycles and Blender print when a picture may be wrong although rendering goes on."""
LOG_LIMIT = 1 << 22
"""Bytes after which the log begins anew."""


def main() -> int:
    """Serve until the pipe closes."""
    requests, answers = _own_pipe()
    try:
        header, arrays = read_message(requests)
        from rendering.blender.scene import HandScene  # starts Blender, which prints

        scene = HandScene(_by_hand(arrays), header["device"], header["threads"])
    except Exception as error:  # the supervisor must learn why no scene stands
        traceback.print_exc()
        write_message(answers, *pack_error(_failure(error)))
        return 1
    write_message(answers, {"device": str(scene.device)}, {})
    return _serve(requests, answers, scene)


def _serve(requests: BinaryIO, answers: BinaryIO, scene: Any) -> int:
    log = _LogReader()
    while True:
        try:
            header, arrays = read_message(requests)
        except EOFError:
            return 0
        try:
            image = scene.render(unpack_job(header, arrays))
            if said := reported(log.new_lines()):
                raise said
            write_message(answers, *pack_image(image))
        except Exception as error:  # one image's error must not cost the process
            said = reported(log.new_lines())
            if not isinstance(error, RenderError):
                traceback.print_exc()
            write_message(answers, *pack_error(_failure(error, said)))
            log.new_lines()


def reported(log: bytes) -> RenderError | None:
    """The failure that Blender's log tells of, if any."""
    if found := NO_MEMORY.search(log):
        return RenderError(Failure.OUT_OF_MEMORY, _line_around(log, found))
    if found := CYCLES_FAILURE.search(log):
        return RenderError(Failure.CYCLES, f"Blender reported: {_line_around(log, found)}")
    return None


class _LogReader:
    """What was written to standard error since the last call, when that is a file."""

    def __init__(self) -> None:
        self.position = self._size()

    def new_lines(self) -> bytes:
        sys.stderr.flush()
        size = self._size()
        text = os.pread(2, size - self.position, self.position) if size > self.position else b""
        self.position = size
        if size > LOG_LIMIT:
            os.ftruncate(2, 0)
            self.position = os.lseek(2, 0, os.SEEK_SET)
        return text

    @staticmethod
    def _size() -> int:
        return os.fstat(2).st_size


def _own_pipe() -> tuple[BinaryIO, BinaryIO]:
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return requests, answers


def _by_hand(arrays: dict[str, np.ndarray]) -> dict[Side, dict[str, np.ndarray]]:
    """`right/faces` … as one dictionary for each hand."""
    hands: dict[Side, dict[str, np.ndarray]] = {side: {} for side in Side}
    for name, array in arrays.items():
        side, attribute = name.split("/")
        hands[Side(side)][attribute] = array
    return hands


def _failure(error: Exception, said: RenderError | None = None) -> RenderError:
    """An error by its class; what Blender's log says explains more than what followed from it."""
    if isinstance(error, MemoryError):
        return RenderError(Failure.OUT_OF_MEMORY, "Python had no memory left")
    if isinstance(error, InputError):
        return RenderError(Failure.BAD_INPUT, str(error))
    if isinstance(error, RenderError) and error.failure is not Failure.CYCLES:
        return error
    if said:
        return said
    return (
        error if isinstance(error, RenderError) else RenderError(Failure.CYCLES, f"{error.__class__.__name__}: {error}")
    )


def _line_around(log: bytes, found: re.Match[bytes]) -> str:
    start, end = log.rfind(b"\n", 0, found.start()) + 1, log.find(b"\n", found.end())
    return log[start : end if end >= 0 else None].decode(errors="replace").strip()[-300:]


if __name__ == "__main__":
    sys.exit(main())
