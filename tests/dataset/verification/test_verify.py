"""Verification: silent on a sound dataset, and it finds each kind of fault that was planted."""

import numpy as np
import pytest

from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.pictures import png_cell, values
from dataset.schema import IMAGES
from dataset.shards import iterate_rows, write_shard
from dataset.verification.labels import mask_box
from dataset.verification.verify import verify
from tests.dataset.synthetic import write_dataset


def test_sound_dataset_has_no_problem(dataset_dir, hands):
    report = verify(dataset_dir, hands)
    assert report.problems == ()
    assert report.ok
    assert report.rows == {"poses": 5, "plan": 5, "images": 5, "rejected": 5}
    assert "all labels and checksums agree" in str(report)


def repaint(row, column, change):
    """Replace a mask by a changed copy."""
    painted = values(row[column])
    change(painted)
    row[column] = png_cell(painted.astype(np.uint16 if column == "depth" else np.uint8), "changed")


def move_pixel(row):
    row["left"]["joints_2d"][6] += 0.05


def move_joint(row):
    row["right"]["joints_3d"][30] += 0.002


def turn_finger(row):
    row["left"]["hand_pose"][0] += 0.05


def shift_camera(row):
    row["camera"]["t"] = row["camera"]["t"] + [0.0, 0.0, 0.001]


def shear_camera(row):
    row["camera"]["R"] = row["camera"]["R"] * 1.01


def swap_hands(row):
    repaint(row, "mask_hands", lambda mask: np.copyto(mask, np.where(mask > 0, 3 - mask, 0)))


def erase_part(row):
    repaint(row, "mask_parts", lambda mask: mask.__setitem__(mask == 1, 0))


def invent_part(row):
    repaint(row, "mask_parts", lambda mask: mask.__setitem__(mask == 20, 40))


def cut_amodal(row):
    repaint(row, "mask_left_amodal", lambda mask: mask.__setitem__((slice(None), slice(0, 128)), 0))


def fill_depth(row):
    repaint(row, "depth", lambda depth: depth.__setitem__((0, 0), 5000))


def shrink_mask(row):
    row["depth"] = png_cell(values(row["depth"])[::2].astype(np.uint16), "small")


def break_png(row):
    row["mask_hands"] = {"bytes": row["mask_hands"]["bytes"][:60], "path": "cut.png"}


def unknown_state(row):
    row["right"]["joint_state"][4] = 9


def call_outside(row):
    row["right"]["joint_state"][4] = 3


def see_everything(row):
    """A joint of the right hand said to be visible where the left hand is drawn, far from the right one."""
    away = np.argwhere(values(row["mask_hands"]) == 0)[0]
    row["right"]["joint_state"][:] = 0
    row["right"]["joints_2d"][:2] = away[::-1]


def wrong_box(row):
    row["left"]["bbox"][2] += 5


def wrong_fraction(row):
    row["left"]["visible_fraction"] *= 0.5


def not_a_number(row):
    row["right"]["transl"][1] = np.nan


def orphan(row):
    row["pose_id"] = "nobody"


def unplanned(row):
    row["sample_id"] = "surprise"


def other_run(row):
    row["provenance"]["config_sha256"] = "f" * 64


FAULTS = {
    move_pixel: "from the projection",
    move_joint: "from joints_3d",
    turn_finger: "from joints_3d",
    shift_camera: "seen by this camera",
    shear_camera: "not a rotation",
    swap_hands: "mask_parts and mask_hands disagree",
    erase_part: "mask_parts and mask_hands disagree",
    invent_part: "mask_parts and mask_hands disagree",
    cut_amodal: "outside the amodal mask",
    fill_depth: "depth and mask_parts disagree",
    shrink_mask: "256×96 where the row says 256×192",
    break_png: "cannot be decoded",
    unknown_state: "outside 0–3",
    call_outside: "calls a joint inside the image outside",
    see_everything: "away from the hand's mask",
    wrong_box: "bbox",
    wrong_fraction: "visible_fraction",
    not_a_number: "not a number",
    orphan: "not in poses",
    unplanned: "not in the plan",
    other_run: "another configuration",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_planted_fault_is_found_in_its_row_only(broken_dataset, hands, fault):
    problems = verify(broken_dataset(fault), hands).problems
    assert any(FAULTS[fault] in problem.message for problem in problems), problems
    assert {problem.row for problem in problems} <= {"000001-0", "surprise"}
    assert {problem.table for problem in problems} == {"images"}


def test_changed_lost_and_foreign_files(samples, hands, tmp_path):
    manifest = write_dataset(tmp_path / "d", samples)
    path = manifest.path("plan", "00000")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    manifest.path("rejected", "00001").unlink()
    (tmp_path / "d" / "poses" / "extra.parquet").write_bytes(b"PAR1")
    found = {(problem.table, problem.row): problem.message for problem in verify(tmp_path / "d", hands).problems}
    assert "checksum" in found["plan", "00000"] or "damaged" in found["plan", "00000"]
    assert "missing" in found["rejected", "00001"]
    assert "not in the manifest" in found["poses", "extra"]


def test_damage_to_picture_bytes_is_reported_not_raised(samples, hands, tmp_path):
    manifest = write_dataset(tmp_path / "d", samples)
    path = manifest.path("images", "00000")
    content = bytearray(path.read_bytes())
    content[2000:2400] = bytes(400)
    path.write_bytes(content)
    problems = verify(tmp_path / "d", hands).problems
    assert any("checksum" in problem.message for problem in problems)


def test_repeated_sample_and_other_columns(samples, hands, tmp_path):
    manifest = write_dataset(tmp_path / "d", samples)
    first = list(iterate_rows([manifest.path("images", "00000")]))
    manifest.add("images", write_shard(manifest.path("images", "copy"), first[:1], IMAGES))
    narrow = IMAGES.remove(IMAGES.get_field_index("depth"))
    rows = [{name: row[name] for name in narrow.names} for row in first[1:2]]
    manifest.add("images", write_shard(manifest.path("images", "narrow"), rows, narrow))
    messages = [str(problem) for problem in verify(tmp_path / "d", hands).problems]
    assert any("sample_id occurs 2 times" in message for message in messages)
    assert any("depth is missing" in message for message in messages)


def test_empty_tables_are_sound(hands, tmp_path):
    assert verify(write_dataset(tmp_path / "d", []).folder, hands).ok
    with pytest.raises(InputError, match="is not a dataset"):
        verify(tmp_path, hands)


def test_other_hand_model_is_noticed(dataset_dir, hands):
    """Labels are checked against geometry, not against themselves."""
    import dataclasses

    from hands.model import HandModel

    longer = {
        side: HandModel(dataclasses.replace(h.arrays, v_template=h.arrays.v_template * 1.02))
        for side, h in hands.items()
    }
    assert len(verify(dataset_dir, longer).problems) >= 2 * len(Manifest.read(dataset_dir).paths("images"))


def test_mask_box():
    mask = np.zeros((5, 7), dtype=bool)
    assert mask_box(mask).tolist() == [0, 0, 0, 0]
    mask[2, 3] = mask[4, 6] = True
    assert mask_box(mask).tolist() == [3, 2, 4, 3]
