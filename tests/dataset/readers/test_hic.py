"""HIC: the file's own vertices decide how its numbers are meant, and nothing in its pickles is executed."""

import json
import os
import pickle

import numpy as np
import pytest

from dataset.errors import InputError
from dataset.readers import hic
from dataset.readers.conventions import FingerAngles, with_unmended_shapedirs
from dataset.readers.frame import Fault
from dataset.readers.source import Rules, read_source
from hands.joints import Side
from hands.model import HandModel
from tests.dataset.assets.test_mano_pickle import python2_pickle
from tests.dataset.readers.writers import UP, example_poses, hic_folder, in_recording, save_hic, surfaces


@pytest.fixture
def folder(hands, tmp_path):
    return save_hic(tmp_path, example_poses(hands, 3), hands, FingerAngles.PCA)


def read(folder, hands) -> list:
    return list(hic.read(folder, "train", hands))


def faults(folder, hands) -> list[tuple[str, str, str]]:
    return [(f.reason, f.file, f.key) for f in read(folder, hands) if isinstance(f, Fault)]


def rewrite(path, change) -> None:
    """Change the arrays of a fit."""
    content = pickle.loads(path.read_bytes(), encoding="latin1")
    change(content)
    path.write_bytes(python2_pickle(content))


@pytest.mark.parametrize("angles", FingerAngles)
def test_whatever_the_angles_mean_the_stored_vertices_tell(hands, tmp_path, angles):
    poses = example_poses(hands, 3)
    raw = read_source("hic", save_hic(tmp_path, poses, hands, angles), "train", hands, Rules())
    assert raw.names == ["hic-01-000", "hic-01-001", "hic-01-002"] and not raw.faults
    assert (surfaces(raw.poses, hands) - surfaces(poses, hands)).abs().max() < 1e-5


def test_left_shapedirs_as_published_are_recognised_and_the_nearest_mended_hand_is_given(hands, tmp_path):
    poses = example_poses(hands, 2, betas=1.0)
    published = hands | {Side.LEFT: HandModel(with_unmended_shapedirs(hands[Side.LEFT].arrays))}
    folder = save_hic(tmp_path, poses, hands, FingerAngles.PCA, models=published)
    found = [frame.hands[Side.LEFT] for frame in read(folder, hands)]
    world = in_recording(poses, hands).left
    wanted = world.to(poses.left.transl.dtype).pose(published[Side.LEFT])
    for row, hand in enumerate(found):
        assert not np.allclose(hand.betas, poses.left.betas[row].numpy(), atol=0.1), "other coefficients"
        rest = hands[Side.LEFT].arrays
        wrist = rest.J_regressor[0] @ (rest.v_template + rest.shapedirs @ hand.betas) + hand.transl
        np.testing.assert_allclose(wrist, wanted.joints[row, 0].numpy(), atol=1e-5)


def test_a_fit_that_no_convention_explains_is_a_fault(folder, hands):
    path = hic_folder(folder, Side.RIGHT) / "001.pkl"
    rewrite(path, lambda content: content.update(v=content["v"] + [0.0, 0.01, 0.0]))
    (fault,) = (item for item in read(folder, hands) if isinstance(item, Fault))
    assert (fault.reason, fault.key) == ("gives other vertices than the file's", "pose")
    assert fault.value == pytest.approx(10, abs=0.5) and fault.limit == 1
    assert fault.file == f"{path.parent.name}/001.pkl"


def test_another_hand_model_than_the_fits_own_is_refused(folder, hands):
    bigger = {s: HandModel(with_unmended_shapedirs(hands[s].arrays)) for s in Side}
    bigger = {
        s: HandModel(type(m.arrays)(**(vars(m.arrays) | {"v_template": 1.1 * m.arrays.v_template})))
        for s, m in bigger.items()
    }
    with pytest.raises(InputError, match="3 gives other vertices than the file's"):
        read_source("hic", folder, "train", bigger, Rules())


@pytest.mark.parametrize(
    ("change", "reason", "key"),
    [
        (lambda c: c["pose"].__setitem__(4, np.nan), "not a finite number", "pose"),
        (lambda c: c.update(pose=c["pose"][:48 - 30]), "wrong length", "pose"),
        (lambda c: c.update(v=c["v"][:700]), "wrong length", "v"),
        (lambda c: c.update(trans=1000 * c["trans"]), "wrong unit", "trans"),
        (lambda c: c.update(betas="none"), "wrong type", "betas"),
        (lambda c: c.pop("v"), "missing key", "v"),
        (lambda c: c.pop("trans"), "missing key", "trans"),
    ],
)  # fmt: skip
def test_a_spoilt_fit_costs_its_frame_and_is_named(folder, hands, change, reason, key):
    path = hic_folder(folder, Side.LEFT) / "002.pkl"
    rewrite(path, change)
    assert faults(folder, hands) == [(reason, f"{path.parent.name}/002.pkl", key)]
    assert len(read_source("hic", folder, "train", hands, Rules()).names) == 2


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_truncated_pickles_are_named(folder, hands, share):
    path = hic_folder(folder, Side.LEFT) / "002.pkl"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert [(reason, key) for reason, _, key in faults(folder, hands)] == [("unreadable file", "")]


class Touches:
    """Pickles as a command."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.path}",)


def test_nothing_that_a_pickle_asks_for_is_executed(folder, hands, tmp_path):
    victim = tmp_path / "victim"
    (hic_folder(folder, Side.LEFT) / "002.pkl").write_bytes(pickle.dumps({"pose": Touches(victim)}, 2))
    assert [reason for reason, *_ in faults(folder, hands)] == ["unreadable file"]
    assert not victim.exists()


def test_chumpy_free(folder, hands, monkeypatch):
    """Importing chumpy, or anything below it, would raise here."""
    import sys

    monkeypatch.setitem(sys.modules, "chumpy", None)
    assert len(read(folder, hands)) == 3


def test_frames_with_one_fit_are_single_hands(folder, hands):
    (hic_folder(folder, Side.LEFT) / "001.pkl").unlink()
    raw = read_source("hic", folder, "train", hands, Rules())
    assert raw.left_out == {"not interacting": 1} and not raw.faults


def index(folder, types: dict[int, str]) -> None:
    """InterWild's `HIC.json` beside the fits."""
    fit = lambda side, number: str((hic_folder(folder, side) / f"{number:03d}.ply").relative_to(folder))  # noqa: E731
    annotations = [
        {"id": number, "hand_type": kind, "right_mano_path": fit(Side.RIGHT, number), "left_mano_path": left}
        for number, kind in types.items()
        for left in (fit(Side.LEFT, number) if kind == "interacting" else None,)
    ]
    (folder / "HIC.json").write_text(json.dumps({"images": [], "annotations": annotations}))


def test_hic_json_says_which_frames_interact(folder, hands):
    index(folder, {0: "interacting", 1: "right", 2: "interacting"})
    (hic_folder(folder, Side.LEFT) / "002.pkl").unlink()
    raw = read_source("hic", folder, "train", hands, Rules())
    assert raw.names == ["hic-01-000"] and raw.left_out == {"not interacting": 1}
    assert [(f.reason, f.name, f.key) for f in raw.faults] == [("missing hand", "hic-01-002", "left")]
    assert "HIC.json" in hic.files(folder, "train")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"annotations": [{"id": 1', "unreadable file"),
        ('{"annotations": [5]}', "wrong type"),
        ('{"annotations": [{}]}', "missing key"),
    ],
)
def test_a_spoilt_hic_json_is_named(folder, hands, content, reason):
    (folder / "HIC.json").write_text(content)
    assert [(r, file) for r, file, _ in faults(folder, hands)] == [(reason, "HIC.json")]


def test_the_camera_s_up_is_the_vertical(folder, hands):
    assert {frame.up for frame in read(folder, hands)} == {UP}


def test_a_folder_without_fits_is_one_sentence(tmp_path, hands):
    with pytest.raises(InputError, match="holds no IJCV16___Results"):
        read(tmp_path, hands)
