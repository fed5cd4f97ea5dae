"""Keeps one Blender process alive and gives it jobs: time limits, restarts, recycling. Its death costs one attempt."""

import ctypes
import os
import select
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from dataset.errors import InputError
from hands.joints import Side
from rendering.devices import library_hint
from rendering.job import RenderedImage, RenderError, RenderJob
from rendering.messages import pack_job, read_message, unpack_image, write_message
from rendering.surface import HandSurface

PR_SET_PDEATHSIG = 1
MAGIC = {".exr": (b"\x76\x2f\x31\x01",), ".hdr": (b"#?RADIANCE", b"#?RGBE")}
LOG_TAIL = 2000


class _ProcessGone(Exception):
    """The Blender process died or was too slow; the message says which."""


class Renderer:
    """Draws jobs in a Blender process of its own; use it as a context manager, from one thread."""

    def __init__(
        self,
        surfaces: dict[Side, HandSurface],
        device: str = "AUTO",
        job_timeout: float = 300.0,
        start_timeout: float = 120.0,
        memory_limit: int = 6 << 30,
        threads: int = 0,
    ) -> None:
        """Nothing starts before the first job.

        Args:
            surfaces: both hands; jobs bring their posed vertices.
            device: AUTO (a GPU where there is one), CPU, CUDA or OPTIX.
            job_timeout: seconds for one image; also bounds the first one, when kernels load.
            start_timeout: seconds for starting Blender and building the scene.
            memory_limit: resident bytes above which the process is replaced after an image.
            threads: CPU threads of Cycles, 0 for all.
        """
        self.surfaces, self.device, self.threads = surfaces, device, threads
        self.job_timeout, self.start_timeout, self.memory_limit = job_timeout, start_timeout, memory_limit
        self.process: subprocess.Popen[bytes] | None = None
        self.log = tempfile.TemporaryFile(prefix="render-ih-log-")  # noqa: SIM115  closed by close()

    def __enter__(self) -> "Renderer":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def render(self, job: RenderJob) -> RenderedImage:
        """Draw one image. A process that dies or hangs is replaced and the job tried once more.

        Raises:
            InputError: the environment map is missing or not an OpenEXR or Radiance file, or Blender cannot start here.
            RenderError: the job cannot be drawn, or two processes in a row died of it.
        """
        check_hdri(job.hdri)
        try:
            return self._attempt(job)
        except _ProcessGone:
            try:
                return self._attempt(job)
            except _ProcessGone as again:
                raise RenderError(f"two Blender processes in a row failed on this image: {again}") from None

    def close(self) -> None:
        """End the Blender process."""
        if self.process is not None:
            self._kill()
        self.log.close()

    def _attempt(self, job: RenderJob) -> RenderedImage:
        try:
            if self.process is None:
                self._start()
            header, arrays = self._ask(*pack_job(job), self.job_timeout)
        except BaseException:
            self._kill()  # a half-read answer must not be taken for the next job's
            raise
        if "error" in header:
            raise (InputError if header["kind"] == "InputError" else RenderError)(header["error"])
        if _resident_bytes(self.process.pid) > self.memory_limit:
            self._kill()
        return unpack_image(header, arrays)

    def _start(self) -> None:
        self.log.seek(0)
        self.log.truncate()
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        root = str(Path(__file__).resolve().parent.parent)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH")]))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rendering.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=environment,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        arrays = {f"{side}/faces": surface.faces for side, surface in self.surfaces.items()}
        for side, surface in self.surfaces.items():
            arrays |= {f"{side}/{name}": values for name, values in surface.attributes.items()}
        try:
            header, _ = self._ask({"device": self.device, "threads": self.threads}, arrays, self.start_timeout)
        except _ProcessGone as gone:
            raise InputError(f"Blender could not start: {gone}; `render-ih doctor` says what is missing") from None
        if "error" in header:
            raise InputError(f"Blender could not start: {header['error']}{library_hint(header['error'])}")

    def _ask(self, header: dict[str, Any], arrays: dict[str, np.ndarray], timeout: float) -> tuple[dict, dict]:
        try:
            write_message(self.process.stdin, header, arrays)
            if not _readable(self.process.stdout, timeout):
                raise _ProcessGone(f"no answer within {timeout:g} s")
            return read_message(self.process.stdout)
        except (EOFError, BrokenPipeError):
            raise _ProcessGone(f"it ended with status {self.process.wait(10)}{self._last_words()}") from None

    def _last_words(self) -> str:
        self.log.seek(max(0, os.fstat(self.log.fileno()).st_size - LOG_TAIL))
        lines = [line for line in self.log.read().decode(errors="replace").splitlines() if line.strip()]
        return f"; its last line was: {lines[-1].strip()}" if lines else ""

    def _kill(self) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            _close_quietly(pipe)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def check_hdri(path: Path) -> None:
    """Refuse a missing or damaged environment map before it reaches Blender, which would draw pink.

    Raises:
        InputError: says which file and what to do.
    """
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        reason = error.strerror
        raise InputError(
            f"{path}: this environment map cannot be read ({reason}); replace the file (bundled ones: reinstall bpy)"
        ) from None
    known = MAGIC.get(path.suffix.lower())
    if known is None:
        raise InputError(f"{path}: an environment map must be an .exr or .hdr file")
    if not start.startswith(known):
        raise InputError(
            f"{path}: this environment map is damaged or misnamed; replace the file (bundled ones: reinstall bpy)"
        )


def _readable(pipe: BinaryIO, timeout: float) -> bool:
    return bool(select.select([pipe], [], [], timeout)[0])


def _close_quietly(pipe: BinaryIO) -> None:
    with suppress(BrokenPipeError):  # what was buffered can go nowhere any more
        pipe.close()


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


_LIBC = ctypes.CDLL(None, use_errno=True)


def _die_with_parent() -> None:
    """In the new process before Blender: be killed when the supervisor's thread is gone."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
