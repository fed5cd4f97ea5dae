"""Real pictures from a real Blender process, kept few and small."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from hands.joints import Side
from rendering import stages
from rendering.labelling.labels import make_labels
from rendering.messages import pack_job, unpack_job

pytestmark = pytest.mark.render


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
    assert image.pixels.shape == (334, 512, 3) and image.device == "CPU"


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
    brighter = renderer.render(small(job, exposure=1.0))
    assert brighter.pixels.mean() > 1.1 * plain.pixels.mean()
    np.testing.assert_array_equal(brighter.hands, plain.hands)
    other = renderer.render(small(job, skin_right=replace(job.skin_right, melanin=0.95))).pixels.astype(float)
    change = np.abs(other - plain.pixels).mean(axis=2)
    assert change[plain.hands == 1].mean() > 5 * change[plain.hands == 2].mean()


def test_the_file_holds_the_pixels(renderer, job):
    image = renderer.render(small(job))
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(image.png))), image.pixels)


def test_every_second_of_an_image_is_accounted_for(renderer, job):
    image = renderer.render(replace(small(job), samples=32))
    assert set(image.stages) == set(stages.STAGES) and min(image.stages.values()) >= -0.02
    assert sum(image.stages.values()) - image.stages[stages.PIPE] == pytest.approx(image.seconds, abs=1e-6)
    assert image.stages[stages.RENDER] > 0.3 * image.seconds, "Cycles' own clock was read"
    assert stages.outside_share(image.stages) < 0.7


def test_a_job_survives_the_pipe(job):
    back = unpack_job(*pack_job(job))
    for name in ("right", "left"):
        np.testing.assert_array_equal(getattr(back, name), getattr(job, name))
    np.testing.assert_array_equal(back.camera.K, job.camera.K)
    assert (back.hdri, back.skin_right, back.seed, back.samples) == (job.hdri, job.skin_right, job.seed, job.samples)
