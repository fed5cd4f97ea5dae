"""Verification: silent on a sound dataset, and it finds each kind of fault that was planted."""

import copy
from contextlib import contextmanager

import numpy as np
import pytest

from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.pictures import png_cell, values
from dataset.schema import IMAGES
from dataset.shards import iterate_rows, write_shard
from dataset.verification.labels import mask_box
from dataset.verification.verify import verify
from tests.dataset.synthetic import make_sample, write_dataset


def test_sound_dataset_has_no_problem(dataset_dir, hands):
    report = verify(dataset_dir, hands)
    assert report.problems == ()
    assert report.ok
    assert report.rows == {"poses": 5, "plan": 5, "images": 5, "rejected": 5}
    assert "all labels and checksums that were looked at agree" in str(report)
    assert (report.geometry, report.pictures) == (5, 5)


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


def scale_depth(row):
    """Millimetres taken for tenths of them."""
    row["depth"] = png_cell((values(row["depth"]) // 10).astype(np.uint16), "scaled")


def masks_of_another_image(row):
    """All of them, so that they agree with each other; the boxes and fractions too."""
    for column in ("mask_hands", "mask_parts", "mask_right_amodal", "mask_left_amodal", "depth"):
        turned = np.ascontiguousarray(values(row[column])[::-1, ::-1])
        row[column] = png_cell(turned.astype(np.uint16 if column == "depth" else np.uint8), "turned")
    for side in ("right", "left"):
        row[side]["bbox"] = mask_box(values(row[f"mask_{side}_amodal"]) > 0)
        row[side]["joint_state"] = np.where(np.asarray(row[side]["joint_state"]) == 3, 3, 1).astype(np.int8)


def swap_sides(row):
    row["right"], row["left"] = row["left"], row["right"]


def other_shape(row):
    """A person's betas that are not the pose's, with joints to match."""
    row["right"]["betas"][0] += 0.5


def bad_intrinsics(row):
    row["camera"]["K"][8] = 2.0


def other_environment(row):
    row["render"]["hdri"] = "elsewhere"


def other_base_pose(row):
    row["provenance"]["base_pose"] = "apart"


def invent_contact(row):
    row["right"]["contact"] = (*row["right"]["contact"], 700)


def unknown_split(row):
    row["split"] = "holdout"


def unknown_viewpoint(row):
    row["viewpoint"] = "drone"


def long_normals(row):
    there = np.where(values(row["depth"]) > 0, 255, 0).astype(np.uint8)
    row["normals"] = png_cell(np.dstack([there] * 3), "normals")


def normals_elsewhere(row):
    height, width = values(row["depth"]).shape
    row["normals"] = png_cell(np.full((height, width, 3), (127, 127, 255), dtype=np.uint8), "normals")


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
    scale_depth: "visible joints is not that of the hand",
    masks_of_another_image: "the projected hand overlap",
    swap_sides: "is not its pose",
    other_shape: "is not its pose",
    bad_intrinsics: "not an intrinsic matrix",
    other_environment: "is not the plan's",
    other_base_pose: "is not that of its pose",
    invent_contact: "vertices in contact where contact_vertices says 5",
    unknown_split: "has the split 'holdout'",
    unknown_viewpoint: "has the viewpoint 'drone'",
    long_normals: "not of unit length",
    normals_elsewhere: "not of the same pixels",
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
    of_images = [problem for problem in problems if problem.table == "images" and problem.row != "00000"]
    assert {problem.row for problem in of_images} <= {"000001-0", "surprise", "splits"}
    assert {problem.row for problem in problems if problem.table == "plan"} <= {"unfinished"}


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


def with_split(samples, number, split, **changes):
    """The samples with one moved to another split, in all its tables; `changes` are to its image's `render`."""
    moved = copy.deepcopy(samples)
    for table in ("poses", "plan", "images"):
        moved[number][table]["split"] = split
    moved[number]["images"]["render"] |= changes
    moved[number]["plan"] |= changes
    return moved


def shards_of_one_split(folder, samples):
    """Three rows a shard would mix them."""
    return write_dataset(folder, sorted(samples, key=lambda s: s["images"]["split"]), rows_per_shard=1)


def test_disjoint_splits_are_sound_and_recorded(samples, hands, tmp_path):
    alone = {"hdri": "desert", "skin_right": "skin-9", "skin_left": "skin-9"}
    own = with_split(samples, 4, "test", **alone)
    for other in (own[1], own[4]):  # both of the base pose that the other split may not have
        for table in ("poses", "images"):
            base = other[table]["provenance"] if table == "images" else other[table]
            base["base_pose"] = "bridge" if other is own[4] else "cross"
    manifest = shards_of_one_split(tmp_path / "d", own)
    assert verify(tmp_path / "d", hands).problems == ()
    test = manifest.splits["test"]
    assert (test["images"], test["poses"], test["shapes"]) == (1, 1, 1)
    assert (test["environments"], test["skins"], test["base_poses"]) == (["desert"], ["skin-9"], ["gestures/bridge"])


def test_assets_in_two_splits_are_named(samples, hands, tmp_path):
    shared = [*samples[:4], make_sample(4, hands, person=0)]
    shards_of_one_split(tmp_path / "d", with_split(shared, 4, "test"))
    found = "\n".join(problem.message for problem in verify(tmp_path / "d", hands).problems)
    for sentence in (
        "base pose 'gestures/cross' is in test and train",
        "skin 'skin-0' is in test and train",
        "environment 'forest' is in test and train",
        "the hand shape of 000000-0 is in test and train",
    ):
        assert sentence in found


def test_files_of_two_splits_and_a_manifest_of_other_splits(samples, hands, tmp_path):
    manifest = write_dataset(tmp_path / "d", with_split(samples, 4, "test"))
    assert any("a file is of one split" in str(problem) for problem in verify(tmp_path / "d", hands).problems)
    manifest.finish({"train": {**manifest.splits["train"], "images": 7}})
    messages = [str(problem) for problem in verify(tmp_path / "d", hands).problems]
    assert any("images of train are not those" in message for message in messages)
    assert any("images of test are not those" in message for message in messages)


def test_a_dataset_that_was_cut_in_the_middle_says_how_to_finish_it(samples, hands, tmp_path):
    manifest = write_dataset(tmp_path / "d", samples)
    manifest.path("images", "00001").unlink()
    del manifest.shards["images"]["00001"]
    manifest.splits = {}
    manifest.replace()
    (problem,) = verify(tmp_path / "d", hands).problems
    assert "2 planned images were neither rendered nor refused; give the command" in str(problem)


def test_a_sample_is_spread_and_the_same_every_time(samples, hands, tmp_path, broken_dataset):
    folder = broken_dataset(scale_depth)
    found = [verify(folder, hands, sample=count) for count in (1, 3, 3, 5)]
    assert [report.pictures for report in found] == [1, 3, 3, 5]
    assert found[1] == found[2] and len(found[3].problems) >= 1
    assert verify(folder, hands, pictures=False).problems == ()
    assert verify(broken_dataset(move_joint), hands, pictures=False).problems


def test_progress_covers_all_work(dataset_dir, hands):
    bars = {}

    @contextmanager
    def bar(title, total, unit):
        bars[title] = [0, total]
        yield lambda count: bars[title].__setitem__(0, bars[title][0] + count)

    verify(dataset_dir, hands, progress=bar)
    assert len(bars) == 4 and all(done == total > 0 for done, total in bars.values())


def test_endless_problems_are_cut(samples, hands, tmp_path, monkeypatch):
    monkeypatch.setattr("dataset.verification.verify.MOST", 3)
    broken = copy.deepcopy(samples)
    for sample in broken:
        move_joint(sample["images"])
    report = verify(write_dataset(tmp_path / "d", broken).folder, hands)
    assert len(report.problems) == 3 and report.cut and "3 problems or more" in str(report)
