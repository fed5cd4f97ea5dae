"""The Blender process, `python -m rendering.worker`: jobs come by standard input, answers go to standard output.

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
from rendering.job import RenderError
from rendering.messages import pack_image, read_message, unpack_job, write_message

CYCLES_FAILURE = re.compile(
    rb"(out of memory|CUDA error|OptiX error|(?:failed to|cannot) (?:load|open|allocate|read)[^\n]*|Error: [^\n]*)",
    re.IGNORECASE,
)
"""What Cycles and Blender print when a picture may be wrong although rendering goes on."""


def main() -> int:
    """Serve until the pipe closes."""
    requests, answers = _own_pipe()
    try:
        header, arrays = read_message(requests)
        from rendering.scene import HandScene  # starts Blender, which prints

        scene = HandScene(_by_hand(arrays), header["device"], header["threads"])
    except Exception as error:  # the supervisor must learn why no scene stands
        write_message(answers, {"error": _reason(error), "kind": "RenderError"}, {})
        return 1
    write_message(answers, {"device": scene.device}, {})
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
            if failure := CYCLES_FAILURE.search(log.new_lines()):
                raise RenderError(f"Blender reported: {failure.group(0).decode(errors='replace').strip()}")
            write_message(answers, *pack_image(image))
        except Exception as error:  # one image's error must not cost the process
            log.new_lines()
            if not isinstance(error, RenderError | InputError):
                traceback.print_exc()
            write_message(answers, {"error": _reason(error), "kind": error.__class__.__name__}, {})


class _LogReader:
    """What was written to standard error since the last call, when that is a file."""

    def __init__(self) -> None:
        self.position = self._size()

    def new_lines(self) -> bytes:
        sys.stderr.flush()
        size = self._size()
        text = os.pread(2, size - self.position, self.position) if size > self.position else b""
        self.position = size
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


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, RenderError | InputError) else f"{error.__class__.__name__}: {error}"


if __name__ == "__main__":
    sys.exit(main())
