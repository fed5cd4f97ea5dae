"""The page: one file that holds the rows' own values and needs nothing else."""

import copy
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dataset.viewer
from dataset.errors import InputError
from dataset.inspection.overlay import HAND_COLOURS, mask_layer
from dataset.manifest import Manifest
from dataset.pictures import png_cell, values
from dataset.rows import camera_of, joints_2d, joints_3d
from dataset.viewer.page import page, write_view
from dataset.viewer.samples import choose_samples
from dataset.viewer.scene import surface
from hands.joints import JOINTS_21, JointState, Side
from tests.dataset.viewer.reading import array, contained, decoded, modules

ROOM = Path(dataset.viewer.__file__).parent


@pytest.fixture(scope="module")
def manifest(dataset_dir):
    return Manifest.read(dataset_dir)


@pytest.fixture(scope="module")
def rows(manifest):
    return choose_samples(manifest, most=3)


@pytest.fixture(scope="module")
def text(manifest, rows, hands):
    return page(manifest, rows, hands)


@pytest.fixture(scope="module")
def content(text):
    return contained(text)


def test_pictures_are_the_bytes_of_the_dataset(content, rows):
    for shown, row in zip(content["samples"], rows, strict=True):
        assert shown["id"] == row["sample_id"] and shown["size"] == [row["width"], row["height"]]
        assert decoded(shown["photo"]) == row["image"]["bytes"] and shown["photo"].startswith("data:image/jpeg")
        assert set(shown["labels"]) == {"hands", "parts", "right_amodal", "left_amodal"}
        for name, uri in shown["labels"].items():
            assert decoded(uri) == row[f"mask_{name}"]["bytes"] and uri.startswith("data:image/png")


def test_depth_survives_eight_bits_a_channel(content, rows):
    channels = np.asarray(Image.open(io.BytesIO(decoded(content["samples"][0]["depth"]))), dtype=int)
    depth = values(rows[0]["depth"])
    assert depth.max() > 255 and (256 * channels[..., 0] + channels[..., 1] == depth).all()


def test_hands_are_those_of_the_row_in_the_world(content, rows, hands):
    for shown, row in zip(content["samples"], rows, strict=True):
        camera = camera_of(row)
        for side in Side:
            hand = shown["hands"][side]
            vertices = array(hand["vertices"], "<f4").reshape(-1, 3).astype(float)
            np.testing.assert_allclose(camera.to_camera(vertices), surface(row, hands[side]), atol=1e-6)
            np.testing.assert_allclose(camera.to_camera(np.array(hand["world"])), joints_3d(row[side]), atol=1e-4)
            np.testing.assert_allclose(hand["camera"], joints_3d(row[side]), atol=1e-5)
            np.testing.assert_allclose(hand["pixels"], joints_2d(row[side]), atol=0.005)
            assert hand["states"] == list(row[side]["joint_state"]) and hand["contact"] == list(row[side]["contact"])


def test_matrices_bring_vertices_to_the_pixels_of_the_row(content, rows):
    for shown, row in zip(content["samples"], rows, strict=True):
        view, projection = (np.array(matrix).reshape(4, 4) for matrix in (shown["camera"]["view"], shown["projection"]))
        joints = np.array(shown["hands"]["left"]["world"])
        clip = np.column_stack([joints, np.ones(21)]) @ (projection @ view).T
        x, y = (clip[:, :2] / clip[:, 3:]).T
        drawn = np.column_stack([(x + 1) / 2 * row["width"], (1 - y) / 2 * row["height"]])
        np.testing.assert_allclose(drawn, joints_2d(row["left"]), atol=0.02)


def test_touching_vertices_have_pixels_and_say_whether_they_are_seen(content, rows, hands):
    seen = []
    for shown, row in zip(content["samples"], rows, strict=True):
        for side in Side:
            touches = np.array(shown["hands"][side]["touches"])
            points = surface(row, hands[side])[row[side]["contact"]]
            np.testing.assert_allclose(touches[:, :2], camera_of(row).project(points), atol=0.06)
            seen += touches[:, 2].tolist()
    assert set(seen) == {0.0, 1.0}, "the samples must show both kinds"


def test_names_and_colours_are_those_of_the_contact_sheet(content, rows):
    assert content["joints"] == list(JOINTS_21) and len(content["states"]) == len(JointState)
    assert content["handColours"] == {str(side): list(colour) for side, colour in HAND_COLOURS.items()}
    painted, numbers = np.asarray(mask_layer(rows[0], "mask_parts"))[..., :3], values(rows[0]["mask_parts"])
    there = numbers > 0
    assert (np.array(content["partColours"])[numbers][there] == painted[there]).all()
    assert content["parts"][1:3] == ["right wrist", "right index_1"] and content["parts"][17] == "left wrist"
    assert content["parts"][33:] == ["right forearm", "left forearm"]


def test_triangles_are_those_of_the_hands(content, hands):
    for side in Side:
        assert (array(content["faces"][side], "<u2").reshape(-1, 3) == hands[side].arrays.faces).all()
        assert len(array(content["faceParts"][side], "u1")) == len(hands[side].arrays.faces)


def test_other_views_of_the_pose_stand_in_the_scene(manifest, rows, hands):
    twin = rows[0] | {"sample_id": "twin"}
    shown = contained(page(manifest, [twin], hands))["samples"][0]
    assert [view["id"] for view in shown["views"]] == [rows[0]["sample_id"]]
    np.testing.assert_allclose(shown["views"][0]["position"], camera_of(rows[0]).position, atol=1e-6)
    assert contained(page(manifest, rows[:1], hands))["samples"][0]["views"] == []


def test_fields_say_what_the_row_says(content, rows):
    fields = dict(content["samples"][0]["fields"])
    assert fields["split"] == "train" and fields["environment"] == rows[0]["render"]["hdri"]
    assert fields["contact"] == f"{rows[0]['interaction']['contact_vertices']} vertices"
    assert fields["visible fraction"].startswith(f"right {rows[0]['right']['visible_fraction']:.0%}")


def test_the_page_loads_nothing_and_says_so(text):
    markup = re.sub(r"<script.*?</script>|<style>.*?</style>|<!--.*?-->", "", text, flags=re.S)
    assert not re.findall(r"(?:src|href|url)\s*[=(]", markup)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', markup)
    assert policy.startswith("default-src 'none';") and "http" not in policy and "*" not in policy
    assert "url(" not in (ROOM / "viewer.css").read_text()


def test_scripts_are_the_files_beside_them(text):
    scripts = modules(text)
    assert scripts["three"] == (ROOM / "three" / "three.module.min.js").read_text()
    own = [(ROOM / f"{name}.js").read_text() for name in ("data", "picture", "scene", "viewer")]
    assert (ROOM / "viewer.js").read_text() in text
    wanted = {name for script in own for name in re.findall(r'^import .* from "(.+)";', script, flags=re.M)}
    assert wanted == set(scripts)
    assert "Permission is hereby granted" in text


def test_names_cannot_break_out_of_the_page(manifest, rows, hands):
    hostile = "</script><script>alert(1)</script><!--"
    written = page(manifest, [rows[0] | {"sample_id": hostile}], hands)
    assert hostile not in written and "<script>alert" not in written
    assert contained(written)["samples"][0]["id"] == hostile


def test_a_png_picture_is_called_one(manifest, rows, hands):
    row = rows[0] | {"image": png_cell(np.zeros((192, 256, 3), dtype=np.uint8), "black")}
    assert contained(page(manifest, [row], hands))["samples"][0]["photo"].startswith("data:image/png")


def test_the_page_is_written_inside_the_dataset_or_where_asked(samples, rows, hands, tmp_path):
    from tests.dataset.synthetic import write_dataset

    manifest = write_dataset(tmp_path / "small", samples)
    assert write_view(manifest, rows[:1], hands) == tmp_path / "small" / "view.html"
    other = write_view(manifest, rows[:1], hands, tmp_path / "deep" / "other.html")
    assert other.stat().st_size < 1_300_000
    assert Manifest.read(tmp_path / "small").rows("images") == 5


def test_a_picture_that_cannot_be_decoded_is_named(manifest, rows, hands):
    broken = copy.deepcopy(rows[0])
    broken["depth"]["bytes"] = broken["depth"]["bytes"][:60]
    with pytest.raises(InputError, match=rf"{broken['sample_id']}: a picture cannot be decoded"):
        page(manifest, [broken], hands)
