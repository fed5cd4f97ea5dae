"""Keeps one Blender process alive and gives it jobs: time limits, restarts, recycling. Its death costs one attempt."""

import time
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import TracebackType

import numpy as np

from dataset.errors import InputError
from hands.joints import Side
from rendering import stages
from rendering.checks.job import check_job
from rendering.devices import library_hint
from rendering.failures import Failure, RenderError
from rendering.job import RenderedImage, RenderJob
from rendering.messages import Message, pack_job, unpack_error, unpack_image
from rendering.process import BlenderProcess
from rendering.surface import HandSurface


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
            device: AUTO (a GPU where there is one), CPU, or a kind of `rendering.devices.GPU_KINDS` with an optional
                index, such as CUDA:1.
            job_timeout: seconds for one image; also bounds the first one, when kernels load.
            start_timeout: seconds for starting Blender and building the scene.
            memory_limit: resident bytes above which the process is replaced after an image.
            threads: CPU threads of Cycles, 0 for all.
        """
        self.surfaces, self.device, self.threads = surfaces, device, threads
        self.job_timeout, self.start_timeout, self.memory_limit = job_timeout, start_timeout, memory_limit
        self.process: BlenderProcess | None = None
        self.drawing_on = ""
        """The device's name, once a process has started."""
        self.refused: dict[Path, RenderError] = {}
        """Environment maps that were refused; asking again would load them again."""

    def __enter__(self) -> "Renderer":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def render(self, job: RenderJob) -> RenderedImage:
        """Draw one image; what may succeed in a new process is tried there again (`Failure.tries`).

        Raises:
            InputError: Blender cannot start here, or the device is not here.
            RenderError: the job cannot be drawn; the error's class says why.
        """
        if refused := self.refused.get(job.hdri):
            raise refused
        check_job(job, {side: len(surface.of_hand) for side, surface in self.surfaces.items()})
        for number in count(1):
            try:
                return self._attempt(job)
            except RenderError as error:
                if error.failure is Failure.ENVIRONMENT:
                    self.refused[job.hdri] = error
                if number >= error.failure.tries:
                    times = {1: "", 2: "twice in a row, "}.get(number, f"{number} times in a row, ")
                    raise RenderError(error.failure, times + error.detail, error.value, error.limit) from None
        raise AssertionError

    def close(self) -> None:
        """End the Blender process."""
        process, self.process = self.process, None
        if process is not None:
            process.end()

    def _attempt(self, job: RenderJob) -> RenderedImage:
        try:
            if self.process is None:
                self._start()
            started = time.perf_counter()
            header, arrays = self.process.ask(pack_job(job), self.job_timeout)
        except BaseException:
            self.close()  # a half-read answer must not be taken for the next job's
            raise
        if error := unpack_error(header):
            if error.failure.tries > 1:  # what the process holds may be broken
                self.close()
            raise error
        if self.process.resident_bytes() > self.memory_limit:
            self.close()
        image = unpack_image(header, arrays)
        return replace(image, stages=image.stages | {stages.PIPE: time.perf_counter() - started - image.seconds})

    def _start(self) -> None:
        self.process = BlenderProcess()
        try:
            header, _ = self.process.ask(self._scene(), self.start_timeout)
        except RenderError as gone:
            if self.process.was_killed:  # by somebody, or for want of memory: nothing is wrong with Blender
                raise
            raise InputError(
                f"Blender could not start: {gone.detail}; `render-ih doctor` says what is missing"
            ) from None
        if error := unpack_error(header):
            prefix = "" if error.failure is Failure.BAD_INPUT else "Blender could not start: "
            raise InputError(f"{prefix}{error.detail}{library_hint(error.detail)}")
        self.drawing_on = header["device"]

    def _scene(self) -> Message:
        arrays: dict[str, np.ndarray] = {}
        for side, surface in self.surfaces.items():
            arrays |= {f"{side}/faces": surface.faces, f"{side}/part": surface.part}
            arrays |= {f"{side}/{name}": values for name, values in surface.attributes.items()}
        return {"device": self.device, "threads": self.threads}, arrays
