"""What goes wrong costs one image and has a class: with a real Blender process, killed, starved and given nonsense."""

import os
import signal
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from dataset.errors import InputError
from rendering import process as blender_process
from rendering.blender import capture
from rendering.blender.worker import reported
from rendering.failures import Failure, RenderError
from rendering.messages import pack_error, unpack_error
from rendering.process import BlenderProcess, ending
from rendering.supervisor import Renderer
from tests.rendering.test_render import small

pytestmark = pytest.mark.render


def refusal(renderer, job) -> RenderError:
    with pytest.raises(RenderError) as caught:
        renderer.render(job)
    return caught.value


def with_nan(vertices):
    changed = vertices.copy()
    changed[5, 1] = np.nan
    return changed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda job: {"right": job.right[:100], "left": job.left[:100]}, "the right hand has 100 vertices"),
        (lambda job: {"left": with_nan(job.left)}, "1 vertices of the left hand are not finite"),
        (lambda job: {"left": 1000 * job.left}, "m from the origin"),
        (lambda job: {"exposure": float("inf")}, "no finite number"),
    ],
)
def test_bad_input_never_reaches_blender(renderer, job, change, said):
    error = refusal(renderer, replace(job, **change(job)))
    assert error.failure is Failure.BAD_INPUT and said in str(error)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [("no.exr", None, "cannot be read"), ("a.exr", b"x" * 99, "damaged"), ("a.jpg", b"x", "neither")],
)
def test_unusable_environment_maps_never_reach_blender(renderer, job, tmp_path, name, content, said):
    if content:
        (tmp_path / name).write_bytes(content)
    error = refusal(renderer, replace(job, hdri=tmp_path / name))
    assert error.failure is Failure.ENVIRONMENT and said in str(error) and name in str(error)


def radiance_file(path, radiance):
    """A Radiance picture without compression (Ward 1991): each pixel three mantissas and their exponent."""
    height, width, _ = radiance.shape
    fraction, exponent = np.frexp(radiance.max(axis=2))
    scale = np.where(fraction > 0, fraction * 256 / np.maximum(radiance.max(axis=2), 1e-38), 0)
    pixels = np.concatenate([radiance * scale[..., None], (exponent + 128)[..., None]], axis=2).astype(np.uint8)
    path.write_bytes(f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {height} +X {width}\n".encode() + pixels.tobytes())
    return path


@pytest.mark.parametrize(
    ("shape", "level", "said"),
    [((128, 200), 0.5, "twice as wide"), ((32, 64), 0.5, "64 pixels wide"), ((128, 256), 1e-5, "too dark")],
)
def test_maps_that_are_no_surroundings_are_refused_and_cost_only_their_images(
    renderer, job, tmp_path, shape, level, said
):
    before = renderer.render(small(job))
    pid = renderer.process.pid
    map_file = radiance_file(tmp_path / "odd.hdr", np.full((*shape, 3), level))
    error = refusal(renderer, small(job, hdri=map_file))
    assert error.failure is Failure.ENVIRONMENT and said in str(error) and "odd.hdr" in str(error)
    started = time.perf_counter()
    assert str(refusal(renderer, small(job, hdri=map_file))) == str(error)
    assert time.perf_counter() - started < 0.05, "it is remembered"
    assert renderer.render(small(job)).png == before.png and renderer.process.pid == pid


def test_half_a_map_is_refused(renderer, job, tmp_path):
    damaged = tmp_path / "half.exr"
    damaged.write_bytes(job.hdri.read_bytes()[:50_000])
    error = refusal(renderer, small(job, hdri=damaged))
    assert error.failure is Failure.ENVIRONMENT and "half.exr" in str(error)


def test_a_sound_map_of_another_format_is_used(renderer, job, tmp_path):
    map_file = radiance_file(tmp_path / "even.hdr", np.full((128, 256, 3), 0.5))
    assert renderer.render(small(job, hdri=map_file)).pixels.mean() > 50


def test_values_that_an_eight_bit_picture_hides_are_seen(renderer, job):
    error = refusal(renderer, small(job, hdri_strength=1e39, denoise=False))
    assert error.failure is Failure.BAD_PICTURE and "infinite or no numbers" in str(error)


def test_a_dead_process_is_replaced(renderer, job):
    before = renderer.render(small(job))
    dead = renderer.process.pid
    os.kill(dead, signal.SIGKILL)
    assert renderer.render(small(job)).png == before.png
    assert renderer.process.pid != dead


def killer(renderer: Renderer, times: int) -> threading.Thread:
    """Kills the renderer's process as often as told, each time in the middle of an image."""

    def kill():
        seen = {None}
        for _ in range(times):
            while (process := renderer.process) in seen or b"| Sample" not in written_since(
                process, start.get(process)
            ):
                time.sleep(0.05)
            seen.add(process)
            os.kill(process.pid, signal.SIGKILL)

    start = {renderer.process: os.fstat(renderer.process.log.fileno()).st_size}
    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    return thread


def written_since(process: BlenderProcess, start: int | None) -> bytes:
    return os.pread(process.log.fileno(), 1 << 20, start or 0)


def test_a_process_killed_while_it_draws_costs_attempts_and_killed_again_and_again_the_image(
    renderer, job, monkeypatch
):
    monkeypatch.setattr(Failure, "tries", 3)
    before = renderer.render(small(job))
    long = replace(small(job), samples=4000, denoise=False, camera=job.camera)
    thread = killer(renderer, times=3)
    error = refusal(renderer, long)
    thread.join(10)
    assert error.failure is Failure.KILLED and "3 times in a row" in str(error) and "SIGKILL" in str(error)
    assert renderer.render(small(job)).png == before.png


def test_who_kills_processes_means_no_image():
    assert Failure.KILLED.tries > Failure.CRASH.tries > Failure.BAD_PICTURE.tries == 1


@pytest.mark.parametrize(("free", "failure"), [(0, Failure.NO_SPACE), (1 << 40, Failure.CYCLES)])
@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", None])
def test_a_picture_that_a_full_disk_has_cut_is_told_apart(tmp_path, monkeypatch, free, failure, content):
    outputs = capture.Capture.__new__(capture.Capture)
    outputs.folder = SimpleNamespace(name=str(tmp_path))
    if content is not None:
        (tmp_path / "picture.png").write_bytes(content)
    monkeypatch.setattr(capture.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    with pytest.raises(RenderError) as caught:
        outputs.read()
    assert caught.value.failure is failure


def test_a_process_killed_for_its_memory_is_told_apart(surfaces, job, monkeypatch):
    with Renderer(surfaces, device="CPU") as renderer:
        renderer.render(small(job))
        monkeypatch.setattr(blender_process, "_oom_kills", lambda: 10**6)
        os.kill(renderer.process.pid, signal.SIGKILL)
        with pytest.raises(RenderError) as caught:
            renderer._attempt(small(job))
        assert caught.value.failure is Failure.OUT_OF_MEMORY and renderer.process is None


def test_a_hanging_process_is_killed_and_its_image_not_tried_again(surfaces, job):
    with Renderer(surfaces, device="CPU", job_timeout=0.05) as hurried:
        error = refusal(hurried, small(job))
        assert error.failure is Failure.TIME_LIMIT and "no answer within 0.05 s" in str(error)
        assert hurried.process is None


def test_a_process_that_grew_too_large_is_given_up(surfaces, job):
    with Renderer(surfaces, device="CPU", memory_limit=1) as renderer:
        assert renderer.render(small(job)).hands.any()
        assert renderer.process is None


def test_a_worker_that_cannot_start_says_why(surfaces, job):
    with Renderer(surfaces, device="METAL") as renderer, pytest.raises(InputError, match="choose device AUTO or CPU"):
        renderer.render(small(job))


def test_a_process_that_is_killed_while_it_starts_is_started_again(surfaces, job, monkeypatch):
    scene, killed = Renderer._scene, []

    def deadly(renderer):
        if not killed:
            os.kill(renderer.process.pid, signal.SIGKILL)
            killed.append(renderer.process.pid)
        return scene(renderer)

    monkeypatch.setattr(Renderer, "_scene", deadly)
    with Renderer(surfaces, device="CPU") as renderer:
        assert renderer.render(small(job)).hands.any() and renderer.process.pid not in killed


def test_what_does_not_die_is_ended():
    process = BlenderProcess()
    process.end()
    assert process.popen.returncode == -signal.SIGKILL and process.resident_bytes() == 0


@pytest.mark.parametrize(
    ("line", "failure"),
    [
        (b"System is out of GPU and shared host memory", Failure.OUT_OF_MEMORY),
        (b"CUDA error: Out of memory in cuMemAlloc(&ptr, size)", Failure.OUT_OF_MEMORY),
        (b"terminate called after throwing an instance of 'std::bad_alloc'", Failure.OUT_OF_MEMORY),
        (b"Error: Failed to load image /maps/a.exr", Failure.CYCLES),
        (b"OptiX error OPTIX_ERROR_INVALID_VALUE in optixLaunch", Failure.CYCLES),
        (b"Fra:1 Mem:58.18M | Updating Lights | Importance map\nSaved: '/tmp/picture.png'", None),
    ],
)
def test_what_cycles_prints_is_understood(line, failure):
    said = reported(b"first line\n" + line + b"\nlast line")
    assert (said.failure if said else None) is failure
    if said:
        assert "first line" not in said.detail and "last line" not in said.detail


def test_failures_survive_the_pipe_and_are_named():
    error = RenderError(Failure.BAD_PICTURE, "black", 1.0, 2.0)
    back = unpack_error(pack_error(error)[0])
    assert (str(back), back.failure, back.value, back.limit) == ("bad picture: black", Failure.BAD_PICTURE, 1.0, 2.0)
    assert unpack_error({"device": "CPU"}) is None
    assert ending(-signal.SIGSEGV) == "SIGSEGV" and ending(3) == "exit status 3"
