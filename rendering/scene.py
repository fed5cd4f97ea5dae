"""The Blender scene: built once, then only moved, lit and coloured. Runs in the worker process alone."""

import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from jaxtyping import Float, UInt8
from mathutils import Matrix
from PIL import Image

from dataset.errors import InputError
from hands.camera import Camera
from hands.joints import Side
from rendering.job import RenderedImage, RenderError, RenderJob
from rendering.skin_material import COVERAGE_PASS, make_skin_material, set_skin

SENSOR_MM = 36.0
BLUR_OF_INFINITY = 0.012
"""Diameter in radians of the disk that a far point becomes: a photographer's shallow focus."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
METERED_RADIANCE = 0.75
"""Mean radiance of an environment that needs no correction."""
METERING = 0.85
"""1 would make noon and night equally bright."""
BLUR_OF_HANDS = 0.2
"""The largest such disk on the hands themselves, in pixels."""
COVERAGE = {Side.RIGHT: (1.0, 0.0, 0.0), Side.LEFT: (0.0, 1.0, 0.0)}


class HandScene:
    """Two hands, a camera and an environment."""

    def __init__(self, surfaces: dict[Side, dict[str, np.ndarray]], device: str, threads: int = 0) -> None:
        """`surfaces`: faces (m, 3) and vertex attributes (n, 3) of each hand; `device`: AUTO, CPU, CUDA, OPTIX."""
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.scene = bpy.context.scene
        self.folder = tempfile.TemporaryDirectory(prefix="render-ih-")
        self.device = _use_device(self.scene, device)
        _set_quality(self.scene)
        if threads:
            self.scene.render.threads_mode, self.scene.render.threads = "FIXED", threads
        self.hands = {side: _make_hand(self.scene, side, arrays) for side, arrays in surfaces.items()}
        self.camera = _make_camera(self.scene)
        self.world, self.metered = _make_world(self.scene), 1.0
        self._make_outputs()

    def render(self, job: RenderJob) -> RenderedImage:
        """Draw one job.

        Raises:
            InputError: the environment map is damaged.
            RenderError: the job does not fit the scene, or no picture came out.
        """
        started = time.perf_counter()
        for side, vertices, skin in ((Side.RIGHT, job.right, job.skin_right), (Side.LEFT, job.left, job.skin_left)):
            _move_hand(self.hands[side], vertices)
            set_skin(self.hands[side].material_slots[0].material, skin)
        _place_camera(self.scene, self.camera, job.camera, np.concatenate([job.right, job.left]))
        self._light(job)
        settings = self.scene.cycles
        settings.samples, settings.seed, settings.use_denoising = job.samples, job.seed & 0x7FFFFFFF, job.denoise
        settings.adaptive_min_samples = min(job.samples, 4)
        self.scene.view_settings.exposure = job.exposure
        bpy.ops.render.render(write_still=True)
        png, hands = self._collect()
        return RenderedImage(png, hands, time.perf_counter() - started, self.device, bpy.app.version_string)

    def _light(self, job: RenderJob) -> None:
        image = _load_image(job.hdri)
        if image != self.world["image"].image:
            self.world["image"].image = image
            self.metered = _metered_strength(image)
        self.world["mapping"].inputs["Rotation"].default_value[2] = job.hdri_rotation
        self.world["background"].inputs["Strength"].default_value = job.hdri_strength * self.metered

    def _make_outputs(self) -> None:
        """The picture, and beside it the share of each pixel that each hand covers."""
        scene, layer = self.scene, self.scene.view_layers[0]
        coverage = layer.aovs.add()
        coverage.name, coverage.type = COVERAGE_PASS, "COLOR"
        scene.use_nodes = True
        tree = scene.node_tree
        tree.nodes.clear()
        layers = tree.nodes.new("CompositorNodeRLayers")
        picture = tree.nodes.new("CompositorNodeComposite")
        masks = tree.nodes.new("CompositorNodeOutputFile")
        masks.base_path = self.folder.name
        masks.format.file_format, masks.format.color_mode = "PNG", "RGB"
        masks.file_slots[0].path, masks.file_slots[0].save_as_render = "coverage", False
        tree.links.new(layers.outputs["Image"], picture.inputs["Image"])
        tree.links.new(layers.outputs[COVERAGE_PASS], masks.inputs[0])
        scene.render.filepath = str(Path(self.folder.name) / "picture.png")

    def _collect(self) -> tuple[bytes, UInt8[np.ndarray, "h w"]]:
        folder = Path(self.folder.name)
        picture, coverage = folder / "picture.png", next(folder.glob("coverage*.png"), None)
        if coverage is None or not picture.exists():
            raise RenderError("Cycles wrote no picture")
        png, shares = _plain_png(picture), np.asarray(Image.open(coverage).convert("RGB"))
        picture.unlink(), coverage.unlink()
        return png, _most_covering(shares)


def _plain_png(file: Path) -> bytes:
    """The picture alone: Blender's durations in the PNG's header would make equal pictures differ."""
    buffer = BytesIO()
    Image.fromarray(np.asarray(Image.open(file).convert("RGB"))).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def _most_covering(shares: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w"]:
    """Which of none, right and left fills most of a pixel; the file's sRGB curve is undone first."""
    encoded = shares[..., :2].astype(float) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    none = 1 - linear.sum(axis=-1, keepdims=True)
    return np.concatenate([none, linear], axis=-1).argmax(axis=-1).astype(np.uint8)


def _use_device(scene: Any, wanted: str) -> str:
    """Choose and name the device. AUTO takes the first GPU that works, or the CPU."""
    bpy.ops.preferences.addon_enable(module="cycles")
    preferences = bpy.context.preferences.addons["cycles"].preferences
    for kind in ("OPTIX", "CUDA") if wanted == "AUTO" else (wanted,) if wanted != "CPU" else ():
        try:
            preferences.compute_device_type = kind
        except TypeError:
            continue
        preferences.get_devices()
        found = [d for d in preferences.devices if d.type == kind]
        for device in preferences.devices:
            device.use = device.type == kind
        if found:
            scene.cycles.device = "GPU"
            return f"{kind} {found[0].name}"
    if wanted not in ("AUTO", "CPU"):
        raise RenderError(f"Blender finds no {wanted} device here; choose device AUTO or CPU")
    scene.cycles.device = "CPU"
    return "CPU"


def _set_quality(scene: Any) -> None:
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    render.use_persistent_data = True
    render.image_settings.file_format, render.image_settings.color_mode = "PNG", "RGB"
    render.image_settings.compression = 0
    render.dither_intensity = 0.0
    scene.view_settings.view_transform, scene.view_settings.look = "Filmic", "Medium High Contrast"
    cycles.use_adaptive_sampling, cycles.adaptive_threshold = True, 0.04
    # with the fast prefilter, noise in the albedo pass stays as specks on nails and fingertips
    cycles.denoiser, cycles.denoising_prefilter, cycles.denoising_quality = "OPENIMAGEDENOISE", "ACCURATE", "BALANCED"
    cycles.denoising_use_gpu = cycles.device == "GPU"
    cycles.sampling_pattern = "TABULATED_SOBOL"
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces, cycles.transmission_bounces = 4, 3, 2, 1
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 4.0
    cycles.blur_glossy = 0.5
    cycles.filter_width = 1.0  # a wider filter mixes a hand's outline into pixels that the labels call background


def _make_hand(scene: Any, side: Side, arrays: dict[str, np.ndarray]) -> Any:
    faces, attributes = arrays["faces"], {k: v for k, v in arrays.items() if k != "faces"}
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
    mesh.materials.append(make_skin_material(bpy, f"skin_{side}", COVERAGE[side]))
    mesh.update(calc_edges=True)
    hand = bpy.data.objects.new(side, mesh)
    scene.collection.objects.link(hand)
    return hand


def _move_hand(hand: Any, vertices: Float[np.ndarray, "n 3"]) -> None:
    if len(vertices) != len(hand.data.vertices):
        raise RenderError(f"the {hand.name} hand has {len(vertices)} vertices, the scene's {len(hand.data.vertices)}")
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


def _make_world(scene: Any) -> dict[str, Any]:
    scene.world = bpy.data.worlds.new("environment")
    scene.world.use_nodes = True
    # the automatic importance map takes a second an image; half its resolution still finds the sun
    scene.world.cycles.sampling_method, scene.world.cycles.sample_map_resolution = "MANUAL", 512
    tree = scene.world.node_tree
    background = tree.nodes["Background"]
    image = tree.nodes.new("ShaderNodeTexEnvironment")
    image.interpolation = "Cubic"  # small maps would show their texels behind the hands
    mapping, position = tree.nodes.new("ShaderNodeMapping"), tree.nodes.new("ShaderNodeTexCoord")
    tree.links.new(position.outputs["Generated"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs["Vector"], image.inputs["Vector"])
    tree.links.new(image.outputs["Color"], background.inputs["Color"])
    return {"background": background, "image": image, "mapping": mapping}


def _metered_strength(image: Any) -> float:
    """What a light meter would set: maps come in any unit, from night to noon. Dark places stay a little darker."""
    width, height = image.size
    pixels = np.empty(width * height * 4, dtype=np.float32)
    image.pixels.foreach_get(pixels)
    luminance = pixels.reshape(height, width, 4)[..., :3] @ LUMINANCE
    solid_angle = np.cos(np.linspace(-np.pi / 2, np.pi / 2, height))
    mean = float(np.average(np.nan_to_num(luminance).mean(axis=1), weights=solid_angle))
    return (METERED_RADIANCE / max(mean, 1e-4)) ** METERING


def _load_image(path: Path) -> Any:
    """The environment's image, loaded once; others are dropped so that memory stays bounded."""
    for image in list(bpy.data.images):
        if image.source == "FILE" and image.filepath != str(path):
            bpy.data.images.remove(image)
    image = bpy.data.images.load(str(path), check_existing=True)
    if len(image.pixels) == 0 or not image.has_data:
        bpy.data.images.remove(image)
        raise InputError(f"{path}: Blender cannot read this environment map; download it again or remove it")
    image.colorspace_settings.name = "Linear Rec.709"
    return image
