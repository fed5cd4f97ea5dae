"""Real pictures from a real Blender process, kept few and small."""

import os
import signal
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from dataset.errors import InputError
from hands.joints import Side
from rendering.job import RenderedImage, RenderError
from rendering.labels import make_labels
from rendering.messages import pack_job, unpack_job
from rendering.supervisor import Renderer
from rendering.worker import CYCLES_FAILURE

pytestmark = pytest.mark.render


def pixels(image: RenderedImage) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(image.png)))


def small(job, **changes):
    K = np.diag([0.25, 0.25, 1.0]) @ job.camera.K
    return replace(job, camera=replace(job.camera, K=K, width=128, height=84), samples=2, **changes)


def off_centre(camera):
    """A cropped, stretched view: principal point off the centre, pixels not square."""
    change = np.array([[0, 0, 45.0], [0, 0.1 * camera.K[1, 1], -20.0], [0, 0, 0]])
    return replace(camera, K=camera.K + change)


@pytest.mark.parametrize("view", [lambda camera: camera, off_centre], ids=["centred", "off_centre"])
def test_cycles_sees_what_the_labels_say(renderer, surfaces, one_before_other, job, view):
    job = replace(job, camera=view(job.camera), samples=16)
    image = renderer.render(job)
    labels = make_labels(surfaces, one_before_other.vertices, one_before_other.joints, job.camera)
    for number, _ in enumerate((Side.RIGHT, Side.LEFT), start=1):
        drawn, labelled = image.hands == number, labels.mask_hands == number
        assert labelled.sum() > 2000
        assert (drawn & labelled).sum() / (drawn | labelled).sum() >= 0.99
    assert pixels(image).shape == (334, 512, 3) and image.device == "CPU"


def test_same_job_gives_same_bytes_and_other_choices_other_pictures(renderer, job):
    first = renderer.render(small(job))
    changed = [
        small(job, seed=8),
        small(job, hdri_rotation=2.0),
        small(job, skin_right=job.skin_left),
        small(job, exposure=1.0),
        small(job, hdri=job.hdri.with_name("forest.exr")),
    ]
    different = [renderer.render(other).png for other in changed]
    assert first.png == renderer.render(small(job)).png
    assert first.png not in different and len(set(different)) == len(different)


def test_exposure_brightens_and_right_skin_is_on_the_right_hand(renderer, job):
    plain = renderer.render(small(job))
    assert pixels(renderer.render(small(job, exposure=1.0))).mean() > 1.1 * pixels(plain).mean()
    other = pixels(renderer.render(small(job, skin_right=replace(job.skin_right, melanin=0.95)))).astype(float)
    change = np.abs(other - pixels(plain)).mean(axis=2)
    assert change[plain.hands == 1].mean() > 5 * change[plain.hands == 2].mean()


def test_a_bad_job_costs_only_itself(renderer, job, tmp_path):
    before = renderer.render(small(job))
    process = renderer.process.pid
    damaged = tmp_path / "half.exr"
    damaged.write_bytes(job.hdri.read_bytes()[:50_000])
    with pytest.raises(InputError, match=r"half\.exr"):
        renderer.render(small(job, hdri=damaged))
    with pytest.raises(RenderError, match="100 vertices"):
        renderer.render(small(job, right=job.right[:100], left=job.left[:100]))
    assert renderer.render(small(job)).png == before.png and renderer.process.pid == process


@pytest.mark.parametrize(
    ("name", "content", "message"), [("no.exr", None, "cannot be read"), ("a.exr", b"x" * 99, "damaged")]
)
def test_unusable_environment_maps_never_reach_blender(renderer, job, tmp_path, name, content, message):
    if content:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        renderer.render(replace(job, hdri=tmp_path / name))
    assert name in str(error.value)


def test_a_dead_process_is_replaced(renderer, job):
    before = renderer.render(small(job))
    dead = renderer.process.pid
    os.kill(dead, signal.SIGKILL)
    assert renderer.render(small(job)).png == before.png
    assert renderer.process.pid != dead


def test_a_hanging_process_is_killed_and_reported(surfaces, job):
    with Renderer(surfaces, device="CPU", job_timeout=0.05) as hurried:
        with pytest.raises(RenderError, match=r"no answer within 0\.05 s"):
            hurried.render(small(job))
        assert hurried.process is None


def test_a_process_that_grew_too_large_is_given_up(surfaces, job):
    with Renderer(surfaces, device="CPU", memory_limit=1) as renderer:
        assert renderer.render(small(job)).hands.any()
        assert renderer.process is None


def test_a_worker_that_cannot_start_says_why(surfaces, job):
    with Renderer(surfaces, device="METAL") as renderer, pytest.raises(InputError, match="choose device AUTO or CPU"):
        renderer.render(small(job))


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (b"System is out of GPU and shared host memory\nOut of memory", True),
        (b"Error: Failed to load image /maps/a.exr", True),
        (b"Fra:1 Mem:58.18M | Updating Lights | Importance map\nSaved: '/tmp/picture.png'", False),
    ],
)
def test_what_cycles_prints_is_understood(line, wrong):
    assert bool(CYCLES_FAILURE.search(line)) == wrong


def test_a_job_survives_the_pipe(job):
    back = unpack_job(*pack_job(job))
    for name in ("right", "left"):
        np.testing.assert_array_equal(getattr(back, name), getattr(job, name))
    np.testing.assert_array_equal(back.camera.K, job.camera.K)
    assert (back.hdri, back.skin_right, back.seed, back.samples) == (job.hdri, job.skin_right, job.seed, job.samples)
