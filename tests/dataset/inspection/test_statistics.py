"""What inspection says of a dataset, against the rows that were written."""

import numpy as np
import pytest

from dataset.errors import InputError
from dataset.inspection.images import survey_images
from dataset.inspection.statistics import inspect, work
from dataset.inspection.storage import LISTS, column_bytes
from dataset.manifest import Manifest
from dataset.rows import camera_of
from dataset.schema import IMAGES
from hands.joints import JointState, Side
from tests.dataset.inspection.conftest import copied


@pytest.fixture(scope="module")
def found(dataset_dir):
    return inspect(dataset_dir)


def surveyed(folder, sample=100):
    return survey_images(Manifest.read(folder).paths("images"), lambda rows: None, sample)


def test_rows_and_acceptance(found):
    assert found.rows == {"poses": 5, "plan": 5, "images": 5, "rejected": 5}
    assert found.acceptance == 0.5
    assert found.tried == {"read": 3, "validate": 10, "plan": 5, "render": 5}
    assert sorted(found.poses.numbers["contact_vertices"].sample.tolist()) == [0, 5, 10, 15, 20]


def test_joint_states_are_those_of_the_rows(found, image_rows):
    states = np.array([[row[side]["joint_state"] for side in Side] for row in image_rows])
    assert found.images.joint_states[:, JointState.VISIBLE].tolist() == (states == 0).sum((0, 1)).tolist()
    assert found.images.joint_states.sum() == 5 * 42
    assert found.images.visible_joints == pytest.approx((states == 0).mean())


def test_sizes_are_those_of_the_boxes(found, image_rows):
    boxes = np.array([row[side]["bbox"] for row in image_rows for side in Side], dtype=np.float64)
    size, box = found.images.numbers["size_px"], found.images.numbers["box_px"]
    assert sorted(size.sample) == pytest.approx(sorted(np.sqrt(boxes[:, 2] * boxes[:, 3])))
    assert (box.count, box.high) == (10, boxes[:, 2:].max())


def test_cameras_are_where_they_stand(found, image_rows):
    """By the position of each camera in the world, joints brought there."""
    expected = []
    for row in image_rows:
        camera = camera_of(row)
        joints = np.concatenate([np.reshape(row[side]["joints_3d"], (21, 3)) for side in Side])
        expected.append(camera.position - ((joints - camera.t) @ camera.R).mean(0))
    distances = np.linalg.norm(expected, axis=1)
    assert sorted(found.images.numbers["distance"].sample) == pytest.approx(sorted(distances), rel=1e-5)
    directions = sorted((np.array(expected) / distances[:, None]).tolist())
    np.testing.assert_allclose(sorted(found.images.directions.tolist()), directions, atol=1e-5)


def test_viewpoints_and_interacting_hands_are_counted(written, samples):
    own, apart = copied(samples[0], 1), copied(samples[1], 2)
    own["images"]["viewpoint"] = "egocentric"
    apart["images"]["interaction"] |= {"min_distance_mm": 20.5}
    facts = surveyed(written([*samples[:2], own, apart]))
    assert facts.viewpoints == {"track": 3, "egocentric": 1}
    assert facts.egocentric.sum() == 1
    assert facts.interacting == 3


def test_a_sample_of_the_cameras_when_there_are_many(written, samples):
    facts = surveyed(written([copied(samples[0], n) for n in range(9)]), sample=4)
    assert len(facts.directions) == len(facts.egocentric) == 4
    assert facts.numbers["distance"].count == 9
    assert facts.numbers["distance"].is_thinned


def test_no_picture_is_read(samples, written):
    """Pictures replaced by nothing: the figures are the same."""
    blank = [copied(sample, n) for n, sample in enumerate(samples)]
    for sample in blank:
        sample["images"] |= {
            name: {"bytes": b"", "path": ""} for name in ("image", "depth", "mask_hands", "mask_parts")
        }
    assert inspect(written(blank)).rows["images"] == 5


def test_bytes_of_the_columns_are_those_of_the_files(dataset_dir, image_rows):
    paths = Manifest.read(dataset_dir).paths("images")
    found = column_bytes(paths, IMAGES)
    assert found.total() == sum(path.stat().st_size for path in paths)
    pictures = sum(len(row["image"]["bytes"]) for row in image_rows)
    assert pictures < found["image"] < 1.1 * pictures + 1000
    assert found[LISTS] > 0


def test_progress_counts_all_rows_that_are_read(dataset_dir):
    read = []
    inspect(dataset_dir, advance=read.append)
    assert sum(read) == work(Manifest.read(dataset_dir)) > 0


def test_hands_that_nobody_gave_leave_postures_out(written, samples):
    folder = written(samples[:2])
    manifest = (folder / "manifest.json").read_text()
    checksum = Manifest.read(folder).hands["left"]
    (folder / "manifest.json").write_text(manifest.replace(checksum, "0" * 64))
    assert inspect(folder).postures is None
    with pytest.raises(InputError):
        inspect(folder, mano_dir=folder)


def test_summary_for_the_terminal(found):
    text = found.text()
    assert "5 of 5 planned, train 5" in text
    assert "50% of those judged" in text
    assert "cross 2, palms 2, apart 1" in text
    assert "0.4 mm at most" in text
    assert "doubles       0 poses, 0 views; 0 % have another within 1 mm" in text
    assert "validate: penetration 3, validate: joint_limit 2" in text
    assert all(len(line.split(maxsplit=1)) == 2 for line in text.splitlines())


def test_an_empty_dataset_has_a_summary(written):
    text = inspect(written([])).text()
    assert "0 of 0 planned" in text
    assert "nan" not in text
