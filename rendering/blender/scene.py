"""The Blender scene: built once, then only moved, lit and coloured. Runs in the worker process alone."""

import time
from typing import Any

import bpy
import numpy as np
from jaxtyping import Float
from mathutils import Matrix

from hands.camera import Camera
from hands.forearm import FOREARM
from hands.joints import Side
from rendering import stages
from rendering.blender.capture import Capture
from rendering.blender.device import drawn_on, use_device
from rendering.blender.lighting import Lighting
from rendering.failures import Failure, RenderError
from rendering.job import RenderedImage, RenderJob
from rendering.skin.material import COVERAGE_PASS, make_skin_material, set_skin

SENSOR_MM = 36.0
BLUR_OF_INFINITY = 0.012
"""Diameter in radians of the disk that a far point becomes: a photographer's shallow focus."""
BLUR_OF_HANDS = 0.2
"""The largest such disk on the hands themselves, in pixels."""
COVERAGE = {Side.RIGHT: (1.0, 0.0, 0.0, 1.0), Side.LEFT: (0.0, 1.0, 0.0, 1.0)}
"""What each hand's faces write into the coverage pass; forearms write nothing."""
ADAPTIVE_THRESHOLD = 0.04
"""Noise below which a pixel gets no more samples."""
ADAPTIVE_MINIMUM = 4
"""Samples that every pixel gets before it may be judged."""


class HandScene:
    """Two hands, a camera and an environment."""

    def __init__(self, surfaces: dict[Side, dict[str, np.ndarray]], device: str, threads: int = 0) -> None:
        """`surfaces`: faces (m, 3), their parts (m,) and vertex attributes (n, 3) of each hand; `device`: see `use_device`.

        Raises:
            InputError: the device is not here.
        """
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.scene = bpy.context.scene
        self.device = use_device(self.scene, device)
        set_quality(self.scene)
        if threads:
            self.scene.render.threads_mode, self.scene.render.threads = "FIXED", threads
        self.hands = {side: _make_hand(self.scene, side, arrays) for side, arrays in surfaces.items()}
        self.of_hand = {side: np.unique(a["faces"][a["part"] < FOREARM]) for side, a in surfaces.items()}
        self.camera = _make_camera(self.scene)
        self.lighting, self.capture = Lighting(self.scene), Capture(self.scene)

    def render(self, job: RenderJob) -> RenderedImage:
        """Draw one job.

        Raises:
            RenderError: the environment map is refused, or no sound picture came out.
        """
        clock = [time.perf_counter()]
        tick = lambda: clock.append(time.perf_counter()) or clock[-1] - clock[-2]  # noqa: E731
        spent = {stages.PIPE: 0.0}
        self.lighting.load(job.hdri)
        spent[stages.ENVIRONMENT] = tick()
        self._arrange(job)
        spent[stages.PREPARE] = tick()
        bpy.ops.render.render(write_still=True)
        command = tick()
        self._assert_device()
        got = self.capture.read()
        spent[stages.COLLECT] = tick()
        spent |= {stages.SYNC: got.sync, stages.RENDER: got.render, stages.BLENDER: command - got.sync - got.render}
        return RenderedImage(
            got.pixels, got.hands, clock[-1] - clock[0], str(self.device), bpy.app.version_string, spent
        )

    def _arrange(self, job: RenderJob) -> None:
        for side, vertices, skin in ((Side.RIGHT, job.right, job.skin_right), (Side.LEFT, job.left, job.skin_left)):
            _move_hand(self.hands[side], vertices)
            set_skin(self.hands[side].material_slots[0].material, skin)
        in_focus = [job.right[self.of_hand[Side.RIGHT]], job.left[self.of_hand[Side.LEFT]]]
        _place_camera(self.scene, self.camera, job.camera, np.concatenate(in_focus))
        self.lighting.set(job.hdri_rotation, job.hdri_strength)
        settings = self.scene.cycles
        settings.samples, settings.seed, settings.use_denoising = job.samples, job.seed & 0x7FFFFFFF, job.denoise
        settings.adaptive_min_samples = min(job.samples, ADAPTIVE_MINIMUM)
        self.scene.view_settings.exposure = job.exposure

    def _assert_device(self) -> None:
        """Blender falls back to the CPU in silence."""
        used = drawn_on(self.scene)
        if used != [self.device.id]:
            raise RenderError(Failure.CYCLES, f"drawn on {', '.join(used) or 'nothing'} instead of {self.device}")


def set_quality(scene: Any) -> None:
    """How Cycles samples, bounces and denoises; docs/rendering.md says why."""
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    render.use_persistent_data = True
    scene.view_settings.view_transform, scene.view_settings.look = "Filmic", "Medium High Contrast"
    cycles.use_adaptive_sampling, cycles.adaptive_threshold = True, ADAPTIVE_THRESHOLD
    # without the accurate prefilter, noise in the albedo and normal passes stays as specks on nails and grazing highlights
    cycles.denoiser, cycles.denoising_prefilter, cycles.denoising_quality = "OPENIMAGEDENOISE", "ACCURATE", "HIGH"
    cycles.denoising_use_gpu = cycles.device == "GPU"
    cycles.sampling_pattern = "BLUE_NOISE"  # what noise the denoiser leaves is fine-grained, at no cost
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces, cycles.transmission_bounces = 4, 3, 2, 1
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 4.0
    cycles.blur_glossy = 0.5
    cycles.filter_width = 1.0  # a wider filter mixes a hand's outline into pixels that the labels call background


def _make_hand(scene: Any, side: Side, arrays: dict[str, np.ndarray]) -> Any:
    faces, attributes = arrays["faces"], {k: v for k, v in arrays.items() if k not in ("faces", "part", "uv")}
    mesh = bpy.data.meshes.new(side)
    count = len(next(iter(attributes.values())))
    mesh.vertices.add(count)
    mesh.loops.add(faces.size)
    mesh.polygons.add(len(faces))
    mesh.loops.foreach_set("vertex_index", faces.ravel().astype(np.int32))
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(faces), dtype=bool))
    for name, values in attributes.items():
        mesh.attributes.new(name, "FLOAT_VECTOR", "POINT").data.foreach_set("vector", values.ravel())
    if "uv" in arrays:
        mesh.uv_layers.new(name="uv").data.foreach_set("uv", arrays["uv"][:, :2].ravel())
    coverage = np.where(arrays["part"][:, None] < FOREARM, COVERAGE[side], 0.0).astype(np.float32)
    mesh.attributes.new(COVERAGE_PASS, "FLOAT_COLOR", "FACE").data.foreach_set("color", coverage.ravel())
    mesh.materials.append(make_skin_material(bpy, f"skin_{side}"))
    mesh.update(calc_edges=True)
    hand = bpy.data.objects.new(side, mesh)
    scene.collection.objects.link(hand)
    return hand


def _move_hand(hand: Any, vertices: Float[np.ndarray, "n 3"]) -> None:
    hand.data.vertices.foreach_set("co", np.ascontiguousarray(vertices, dtype=np.float32).ravel())
    hand.data.update()


def _make_camera(scene: Any) -> Any:
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    data = camera.data
    data.sensor_fit, data.sensor_width = "HORIZONTAL", SENSOR_MM
    data.clip_start, data.clip_end = 0.01, 100.0
    data.dof.use_dof = True
    return camera


def _place_camera(scene: Any, camera: Any, view: Camera, points: Float[np.ndarray, "n 3"]) -> None:
    """An OpenCV camera in Blender's terms: it looks along -z with y up, and shifts by widths of the image."""
    (fx, _, cx), (_, fy, cy), _ = view.K
    data, render = camera.data, scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = view.width, view.height, 100
    render.pixel_aspect_x, render.pixel_aspect_y = max(1.0, fy / fx), max(1.0, fx / fy)
    data.lens = fx * SENSOR_MM / view.width
    aspect = fx / fy
    data.shift_x = (view.width / 2 - cx) / view.width
    data.shift_y = (cy - view.height / 2) / view.width * aspect
    pose = np.eye(4)
    pose[:3, :3] = view.R.T * np.array([1.0, -1.0, -1.0])
    pose[:3, 3] = view.position
    camera.matrix_world = Matrix(pose.tolist())
    depth = view.to_camera(points)[:, 2]
    data.dof.focus_distance = 2 / (1 / depth.min() + 1 / depth.max())
    sharp = 2 * BLUR_OF_HANDS / fx / (1 / depth.min() - 1 / depth.max())
    aperture = min(BLUR_OF_INFINITY * data.dof.focus_distance, sharp)
    data.dof.aperture_fstop = data.lens / 1000 / aperture
