"""H2O-3D's images: axes turned round, the left hand that the file's joints tell, nothing executed."""

import os
import pickle
from dataclasses import replace

import numpy as np
import pytest

from dataset.errors import InputError
from dataset.readers.conventions import with_unmended_shapedirs
from dataset.recorded_images.reading import read_recording
from dataset.recorded_images.recorded_images import RecordedImages
from dataset.training.batching import Batching
from hands.joints import FROM_MANO_WITH_TIPS, Side
from hands.model import HandModel
from tests.dataset.readers.writers import example_poses
from tests.dataset.recorded_images.image_writers import (
    H2O3D_K,
    OPENGL,
    dot_of,
    h2o3d_meta,
    joints,
    save_h2o3d,
    tip_rows,
)


@pytest.fixture
def written(hands, tmp_path):
    return save_h2o3d(tmp_path, hands)


def batch_of(recording):
    return next(iter(RecordedImages(recording, Batching(len(recording), shuffle=False))))


def meta(folder, row: int = 1):
    return folder / "train" / "DSC1" / "meta" / f"{row:04d}.pkl"


def rewrite(folder, change, row: int = 1) -> None:
    content = pickle.loads(meta(folder, row).read_bytes())
    change(content)
    meta(folder, row).write_bytes(pickle.dumps(content, 2))


def test_hands_lie_before_the_camera_where_the_picture_shows_them(hands, written):
    folder, seen = written
    recording = read_recording("h2o3d", folder, hands)
    batch = batch_of(recording)
    assert batch.sample_ids == [f"h2o3d-train-DSC1-000{row}" for row in range(3)]
    for row in range(3):
        for side in Side:
            np.testing.assert_allclose(batch.hand(side).joints_3d[row], joints(seen, row, side, hands), atol=1e-5)
        dot = dot_of(batch.image[row].permute(1, 2, 0).numpy())
        assert np.abs(dot - batch.right.joints_2d[row, 0].numpy()).max() < 0.15


def test_the_file_s_joints_project_onto_the_labels(hands, written):
    """As its own viewer projects them: y and z negated, then `camMat`."""
    folder, _ = written
    recording = read_recording("h2o3d", folder, hands)
    batch = batch_of(recording)
    inner = [row for row in range(21) if row not in tip_rows()]
    for row in range(3):
        stored = pickle.loads(meta(folder, row).read_bytes())
        change = batch.K[row].double().numpy() @ np.linalg.inv(H2O3D_K)
        for side in Side:
            theirs = stored[f"{side}HandJoints3D"][list(FROM_MANO_WITH_TIPS)][inner] @ OPENGL @ H2O3D_K.T
            pixels = theirs[:, :2] / theirs[:, 2:] * change[0, 0] + change[:2, 2]
            assert np.abs(pixels - batch.hand(side).joints_2d[row, inner].numpy()).max() < 0.05


@pytest.mark.parametrize("sign", [1, -1])
def test_other_left_hands_are_recognised_and_the_nearest_of_ours_is_given(hands, tmp_path, sign):
    published = with_unmended_shapedirs(hands[Side.LEFT].arrays)
    theirs = HandModel(replace(published, shapedirs=sign * published.shapedirs))
    folder, seen = save_h2o3d(tmp_path, hands, models=hands | {Side.LEFT: theirs})
    recording = read_recording("h2o3d", folder, hands)
    assert len(recording) == 3 and not recording.told.counts
    betas = recording.parameters[:, 1, 48:58]
    assert np.abs(betas - seen.left.betas.numpy()).max() > 0.05, "other coefficients"
    np.testing.assert_allclose(recording.parameters[:, 0, 48:58], seen.right.betas.numpy(), atol=1e-6)
    wrists = np.stack([pickle.loads(meta(folder, row).read_bytes())["leftHandJoints3D"][0] for row in range(3)])
    np.testing.assert_allclose(recording.joints[:, 1, 0], wrists @ OPENGL, atol=1e-5)


def test_joints_that_no_hand_gives_are_a_fault(hands, written):
    folder, _ = written
    rewrite(folder, lambda c: c.update(rightHandJoints3D=c["rightHandJoints3D"] + [0.0, 0.008, 0.0]))
    recording = read_recording("h2o3d", folder, hands)
    (fault,) = recording.told.faults
    assert (fault.reason, fault.key, fault.limit) == ("gives other joints than the file's", "rightHandPose", 1)
    assert fault.value == pytest.approx(8, abs=0.01) and fault.file == "train/DSC1/meta/0001.pkl"
    assert len(recording) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: [c.update({f"{side}HandPose": None}) for side in Side], "without an annotation"),
        (lambda c: c.update(jointValidLeft=np.zeros(21)), "without both hands"),
    ],
)
def test_frames_without_hands_are_left_out(hands, written, change, reason):
    folder, _ = written
    rewrite(folder, change)
    recording = read_recording("h2o3d", folder, hands)
    assert (len(recording), recording.told.left_out, recording.told.counts) == (2, {reason: 1}, {})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c.pop("camMat"), "missing key"),
        (lambda c: c.pop("leftHandPose"), "missing key"),
        (lambda c: c.update(handBeta=c["handBeta"][:9]), "wrong length"),
        (lambda c: c.update(rightHandTrans=1000 * c["rightHandTrans"]), "wrong unit"),
        (lambda c: c["leftHandPose"].__setitem__(5, np.nan), "not a finite number"),
        (lambda c: c.update(leftHandJoints3D="none"), "wrong type"),
    ],
)
def test_spoilt_files_are_named(hands, written, change, reason):
    folder, _ = written
    rewrite(folder, change)
    recording = read_recording("h2o3d", folder, hands)
    assert len(recording) == 2
    assert [(fault.reason, fault.file) for fault in recording.told.faults] == [(reason, "train/DSC1/meta/0001.pkl")]


def test_missing_and_cut_off_files_are_named(hands, written):
    folder, _ = written
    meta(folder, 0).write_bytes(meta(folder, 0).read_bytes()[:200])
    (folder / "train" / "DSC1" / "rgb" / "0001.jpg").unlink()
    meta(folder, 2).unlink()
    with pytest.raises(InputError, match="no image of h2o3d can be used \\(1 fault\\(s\\): unreadable file, 2 fault"):
        read_recording("h2o3d", folder, hands)


class Touches:
    """Pickles as a command."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.path}",)


def test_nothing_that_a_pickle_asks_for_is_executed(hands, written, tmp_path):
    folder, _ = written
    victim = tmp_path / "victim"
    meta(folder).write_bytes(pickle.dumps({"camMat": Touches(victim)}, 2))
    assert read_recording("h2o3d", folder, hands).told.counts == {"unreadable file": 1}
    assert not victim.exists()


def test_only_the_train_split_has_poses(hands, written):
    with pytest.raises(InputError, match="only train is published"):
        read_recording("h2o3d", written[0], hands, "evaluation")
    (written[0] / "train.txt").unlink()
    with pytest.raises(InputError, match="holds no train"):
        read_recording("h2o3d", written[0], hands)


def test_the_writer_puts_hands_on_the_other_side_of_the_camera(hands):
    """So that the test above could fail: in OpenGL's axes what is seen has negative z."""
    content = h2o3d_meta(example_poses(hands, 1), 0, hands)
    assert content["rightHandJoints3D"][:, 2].max() < 0
