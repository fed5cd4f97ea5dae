"""Contact sheet, inspection and card: they show what the dataset holds and need nothing else."""

import base64
import io
import json
import re

import numpy as np
import pytest
import yaml
from PIL import Image

from dataset.documents.card import write_card
from dataset.errors import InputError
from dataset.inspection.charts import bars, histogram
from dataset.inspection.contact_sheet import choose_rows, html_cards, write_html, write_png
from dataset.inspection.overlay import FINGER_COLOURS, HAND_COLOURS, annotated, draw_joints, draw_mask, joint_colour
from dataset.inspection.page import write_report
from dataset.inspection.statistics import inspect
from dataset.manifest import Manifest
from dataset.pictures import photo, values
from dataset.rows import camera_of, joints_2d
from hands.joints import JointState, Side
from tests.dataset.synthetic import make_sample, write_dataset


def near(pixel, colour, tolerance):
    return np.abs(np.asarray(pixel, dtype=int) - colour).max() <= tolerance


def test_visible_joints_are_full_and_hidden_ones_hollow(image_rows):
    row, tried = image_rows[2], {True: 0, False: 0}
    drawn = np.asarray(draw_joints(photo(row["image"]).resize((1024, 768)), row))
    for side in Side:
        points = joints_2d(row[side]) * 4
        for joint in range(1, 21):
            distances = np.linalg.norm(points - points[joint], axis=1)
            others = np.concatenate([joints_2d(row[s]) * 4 for s in Side])
            if (np.linalg.norm(others - points[joint], axis=1) < 18).sum() > 1 or np.sort(distances)[1] < 18:
                continue
            x, y = np.floor(points[joint]).astype(int)
            visible = row[side]["joint_state"][joint] == JointState.VISIBLE
            assert near(drawn[y, x], joint_colour(joint), 40) == visible
            tried[bool(visible)] += 1
    assert min(tried.values()) > 0, "the sample must show both kinds"


def test_mask_colours_each_hand_and_leaves_the_rest(image_rows):
    row = image_rows[0]
    plain, masked = (
        np.asarray(photo(row["image"]), dtype=int),
        np.asarray(draw_mask(photo(row["image"]), row), dtype=int),
    )
    mask = values(row["mask_hands"])
    assert (plain == masked)[mask == 0].all()
    for side, number in ((Side.RIGHT, 1), (Side.LEFT, 2)):
        before = np.abs(plain[mask == number] - HAND_COLOURS[side]).mean()
        assert np.abs(masked[mask == number] - HAND_COLOURS[side]).mean() < 0.6 * before
    assert annotated(row, "mask_parts").size == (256, 192)


def test_fingers_have_distinct_colours():
    colours = [*FINGER_COLOURS.values(), *HAND_COLOURS.values()]
    gaps = [np.linalg.norm(np.subtract(a, b)) for i, a in enumerate(colours) for b in colours[:i]]
    assert min(gaps) > 50


def test_contact_sheet_picks_every_base_pose_and_is_repeatable(dataset_dir):
    manifest = Manifest.read(dataset_dir)
    three = choose_rows(manifest, 3)
    assert {row["provenance"]["base_pose"] for row in three} == {"palms", "cross", "apart"}
    assert len(choose_rows(manifest, 12)) == 5
    assert [r["sample_id"] for r in choose_rows(manifest, 4)] == [r["sample_id"] for r in choose_rows(manifest, 4)]


def test_contact_sheet_of_many_base_poses_spreads_over_them(hands, tmp_path, samples):
    many = [
        {
            t: r | ({"provenance": r["provenance"] | {"base_pose": f"b{n:02d}"}} if t == "images" else {})
            for t, r in s.items()
        }
        for n, s in enumerate(samples)
    ]
    rows = choose_rows(write_dataset(tmp_path / "d", many), 2)
    assert [row["provenance"]["base_pose"] for row in rows] == ["b00", "b02"]


def test_png_sheet(dataset_dir, tmp_path):
    rows = choose_rows(Manifest.read(dataset_dir))
    write_png(rows, tmp_path / "sheet.png")
    sheet = Image.open(tmp_path / "sheet.png")
    assert 2000 < sheet.width <= 2400
    assert len(np.unique(np.asarray(sheet).reshape(-1, 3), axis=0)) > 500


def test_html_sheet_is_self_contained(dataset_dir, tmp_path):
    rows = choose_rows(Manifest.read(dataset_dir))
    write_html(rows, tmp_path / "sheet.html", "A <title>")
    text = (tmp_path / "sheet.html").read_text()
    assert "A &lt;title&gt;" in text
    assert not re.findall(r"""(?:src|href)=["'](?!data:)|url\(|https?://|<script""", text)
    pictures = re.findall(r'src="data:image/(jpeg|png);base64,([^"]+)"', text)
    assert [kind for kind, _ in pictures].count("jpeg") == len(rows)
    assert all(Image.open(io.BytesIO(base64.b64decode(data))).size == (256, 192) for _, data in pictures)
    for row in rows:
        assert row["sample_id"] in text
    for mode in ("plain", "joints", "hands", "parts"):
        assert f'id="{mode}"' in text
    assert text.count("<circle") == 42 * len(rows)


def test_captions_are_escaped(image_rows):
    row = image_rows[0] | {"sample_id": "<b>&"}
    assert "&lt;b&gt;&amp;" in html_cards([row])


def test_inspection_counts_what_was_written(dataset_dir, image_rows):
    found = inspect(dataset_dir)
    assert found.rows == {"poses": 5, "plan": 5, "images": 5, "rejected": 5}
    assert found.base_poses == {"palms": 2, "cross": 2, "apart": 1}
    assert found.environments == {"studio": 2, "forest": 2, "sunset": 1}
    assert found.skins.total() == 10
    assert found.rejected == {"validate: penetration": 3, "validate: joint_limit": 2}
    assert found.acceptance == 0.5
    assert found.contact_vertices.tolist() == [0, 5, 10, 15, 20]
    states = np.array([[row[side]["joint_state"] for side in Side] for row in image_rows])
    assert found.joint_states[:, JointState.VISIBLE].tolist() == (states == 0).sum((0, 1)).tolist()
    assert found.joint_states.sum() == 5 * 42


def test_viewpoints_are_where_the_cameras_stand(dataset_dir, image_rows):
    found = inspect(dataset_dir)
    for index, row in enumerate(image_rows):
        camera = camera_of(row)
        joints = np.concatenate([np.reshape(row[side]["joints_3d"], (21, 3)) for side in Side])
        centre = (joints - camera.t) @ camera.R
        offset = camera.position - centre.mean(0)
        assert found.distance[index] == pytest.approx(np.linalg.norm(offset), rel=1e-4)
        assert found.elevation[index] == pytest.approx(
            np.degrees(np.arcsin(offset[2] / np.linalg.norm(offset))), abs=0.01
        )
        azimuth = np.radians(found.azimuth[index])
        np.testing.assert_allclose(
            [np.sin(azimuth), -np.cos(azimuth)], offset[:2] / np.linalg.norm(offset[:2]), atol=1e-4
        )


def test_inspection_reads_no_picture(samples, tmp_path):
    """Pictures replaced by one byte: the figures are the same."""
    blank = [
        {
            t: r | ({k: {"bytes": b"", "path": ""} for k in ("image", "depth", "mask_hands")} if t == "images" else {})
            for t, r in s.items()
        }
        for s in samples
    ]
    assert inspect(write_dataset(tmp_path / "d", blank).folder).rows["images"] == 5


def test_inspection_page(dataset_dir, tmp_path):
    found = inspect(dataset_dir)
    write_report(dataset_dir, found, tmp_path / "inspect.html")
    text = (tmp_path / "inspect.html").read_text()
    assert found.name in text
    for word in ("palms", "forest", "skin-1", "validate: penetration", "index tip", "Samples", "data:image/jpeg"):
        assert word in text
    assert not re.findall(r"""(?:src|href)=["'](?!data:)|https?://""", text)


def test_empty_dataset(tmp_path, hands):
    folder = write_dataset(tmp_path / "d", []).folder
    found = inspect(folder)
    assert found.visible_joints == 0
    assert found.rows["images"] == 0
    assert "0 of 0 planned" in found.text()
    assert "0 images of 0 poses" in write_report(folder, found).read_text()
    with pytest.raises(InputError, match="holds no images yet"):
        choose_rows(Manifest.read(folder))


def test_summary_for_the_terminal(dataset_dir):
    text = inspect(dataset_dir).text()
    assert "5 of 5 planned, train 5" in text
    assert "50% of those judged" in text
    assert "palms 2, cross 2, apart 1" in text
    assert "0.4 mm at most" in text


def test_charts_show_all_names_and_sum_up_the_rest():
    drawn = bars({f"name{n}": n + 1 for n in range(20)}, most=5)
    assert "name19" in drawn
    assert "16 others" in drawn
    assert f">{sum(range(1, 17))}<" in drawn
    assert "&lt;x&gt;" in bars({"<x>": 1})
    assert "none" in histogram(np.zeros(0), "mm")
    assert "median 2 mm" in histogram(np.array([1.0, 2.0, 9.0]), "mm")


def test_card_has_readable_metadata(samples, tmp_path):
    folder = write_dataset(tmp_path / "d", samples).folder
    text = write_card(folder).read_text()
    _, front, body = text.split("---\n", 2)
    metadata = yaml.safe_load(front)
    assert metadata["size_categories"] == ["n<1K"]
    assert [config["config_name"] for config in metadata["configs"]] == ["images", "poses", "plan", "rejected"]
    files = [path for split in metadata["configs"][0]["data_files"] for path in split["path"]]
    assert files == ["images/00000.parquet", "images/00001.parquet"]
    assert all((folder / file).is_file() for file in files)
    assert "| train | 5 |" in body
    assert "`right.joints_2d`" in body
    assert json.loads(body.split("```json\n")[1].split("```")[0]) == Manifest.read(folder).config


def test_card_of_mixed_splits_points_to_all_files(hands, samples, tmp_path):
    mixed = [*samples[:1], make_sample(9, hands)]
    mixed[1]["images"]["split"] = "test"
    text = write_card(write_dataset(tmp_path / "d", mixed).folder).read_text()
    assert yaml.safe_load(text.split("---\n")[1])["configs"][0]["data_files"] == "images/*.parquet"
