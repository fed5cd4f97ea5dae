"""Textures of the user's: what is read and refused, where they lie, and that Cycles shows them there."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from test_skins import _pixels

from dataset.errors import InputError
from hands.joints import Side
from rendering.skin.colour import albedo
from rendering.skin.textures import (
    choose_skins,
    load_texture_skins,
    skin_checksums,
    subdivided,
    texture_coordinates,
    with_coordinates,
)
from rendering.surface import LEVELS

CELLS = 8


@pytest.fixture
def folder(tmp_path):
    """A checker of strong red and blue."""
    cells = np.indices((CELLS, CELLS)).sum(0) % 2
    colours = np.where(cells[..., None] == 1, [200, 40, 40], [40, 40, 200]).astype(np.uint8)
    Image.fromarray(colours.repeat(32, axis=0).repeat(32, axis=1)).save(tmp_path / "checker.png")
    return tmp_path


@pytest.fixture
def coordinates(hands):
    return texture_coordinates(None, hands[Side.RIGHT].arrays)


def write_obj(file, arrays, faces=None, uv_faces=None):
    faces, corners = arrays.faces if faces is None else faces, arrays.uv_faces if uv_faces is None else uv_faces
    lines = [f"vt {u:.6f} {v:.6f}" for u, v in arrays.uv]
    lines += [
        "f " + " ".join(f"{a + 1}/{b + 1}" for a, b in zip(*f, strict=True)) for f in zip(faces, corners, strict=True)
    ]
    file.write_text("\n".join(lines))


def test_a_texture_becomes_a_skin_with_its_mean_tone(folder, coordinates):
    colour = albedo(0.3, 0.5, 0.2)
    encoded = np.where(colour <= 0.0031308, 12.92 * colour, 1.055 * colour ** (1 / 2.4) - 0.055)
    Image.fromarray(np.full((64, 64, 3), np.round(255 * encoded), dtype=np.uint8)).save(folder / "even.jpg", quality=98)
    skin = load_texture_skins(folder, coordinates)["even"]
    assert (skin.melanin, skin.haemoglobin, skin.carotene) == pytest.approx((0.3, 0.5, 0.2), abs=0.06)
    assert skin.texture.endswith("even.jpg") and skin.normal == ""


def test_maps_belong_to_their_texture(folder, coordinates):
    for kind in ("normal", "roughness"):
        Image.new("RGB", (8, 8), (128, 128, 255)).save(folder / f"checker_{kind}.png")
    skins = load_texture_skins(folder, coordinates)
    assert list(skins) == ["checker"]
    assert skins["checker"].normal.endswith("checker_normal.png") and skins["checker"].rough.endswith(
        "checker_roughness.png"
    )


def test_names_choose_among_textures_and_built_in_skins(folder, coordinates):
    assert len(choose_skins(None, (), None)) >= 30
    assert list(choose_skins(folder, (), coordinates)) == ["checker"]
    assert list(choose_skins(folder, ("tan", "checker"), coordinates)) == ["tan", "checker"]
    with pytest.raises(InputError, match="no skin 'tartan'"):
        choose_skins(None, ("tartan",), None)


def test_checksums_follow_content_not_place(folder, coordinates, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("moved")
    (elsewhere / "checker.png").write_bytes((folder / "checker.png").read_bytes())
    sums = [skin_checksums(load_texture_skins(f, coordinates), {Side.RIGHT: coordinates}) for f in (folder, elsewhere)]
    assert sums[0] == sums[1]
    (elsewhere / "checker.png").write_bytes((folder / "checker.png").read_bytes() + b" ")
    assert skin_checksums(load_texture_skins(elsewhere, coordinates), {Side.RIGHT: coordinates}) != sums[0]
    moved = skin_checksums(load_texture_skins(folder, coordinates), {Side.RIGHT: coordinates + 0.1})
    assert moved != sums[0]


@pytest.mark.parametrize("side", list(Side))
def test_an_obj_is_matched_by_its_faces_vertices(folder, hands, side):
    right = hands[Side.RIGHT].arrays
    order = np.random.default_rng(3).permutation(len(right.faces))
    write_obj(
        folder / "uv.obj", right, np.roll(right.faces[order], 1, axis=1), np.roll(right.uv_faces[order], 1, axis=1)
    )
    found = texture_coordinates(folder, hands[side].arrays)
    np.testing.assert_allclose(found, texture_coordinates(None, hands[side].arrays), atol=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3", "has 1 faces, the hand 1538"),
        ("vt 0 0\nf 1/1 2/2 3/9", "place that is not there"),
        ("vt 0 0\nf 1 2 3", "cannot be read"),
        ("vt 0 zero", "cannot be read"),
        ("", "place that is not there"),
    ],
)
def test_bad_coordinates_are_refused_in_one_sentence(folder, hands, text, message):
    (folder / "uv.obj").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        texture_coordinates(folder, hands[Side.RIGHT].arrays)
    assert "uv.obj" in str(error.value) and "\n" not in str(error.value)


def test_bad_folders_are_refused_in_one_sentence(folder, coordinates, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    for place, uv, message in (
        (folder / "nowhere", coordinates, "no such folder"),
        (empty, coordinates, "no skin textures here"),
        (folder, None, "no texture coordinates"),
    ):
        with pytest.raises(InputError, match=message):
            load_texture_skins(place, uv)
    (folder / "text.png").write_text("not a picture")
    with pytest.raises(InputError, match=r"text\.png: this skin texture is not a picture"):
        load_texture_skins(folder, coordinates)


def test_fine_coordinates_are_linear_on_the_fine_faces(hands, surfaces, coordinates):
    """Where a fine corner is a coarse vertex it has that vertex's place; areas in the texture stay the same."""
    surface, arrays = surfaces[Side.RIGHT], hands[Side.RIGHT].arrays
    fine = subdivided(coordinates, LEVELS)
    np.testing.assert_allclose(surface.attributes["uv"].reshape(-1, 3, 3)[: len(fine), :, :2], fine, atol=1e-6)
    assert not surface.attributes["uv"].reshape(-1, 3, 3)[len(fine) :].any()
    for face in (0, 700, 1537):
        block = surface.faces[16 * face : 16 * face + 16]
        for corner, vertex in enumerate(arrays.faces[face]):
            places = fine[16 * face : 16 * face + 16][block == vertex]
            np.testing.assert_allclose(places, np.broadcast_to(coordinates[face, corner], places.shape), atol=1e-12)
    area = lambda c: np.abs(np.linalg.det(c[:, 1:] - c[:, :1]))  # noqa: E731
    np.testing.assert_allclose(area(fine).reshape(-1, 16).sum(1), area(coordinates), atol=1e-12)


def test_replaced_coordinates_are_the_hands_own(hands, coordinates):
    moved = with_coordinates(hands[Side.RIGHT].arrays, coordinates[:, ::-1] * 0.5)
    np.testing.assert_allclose(texture_coordinates(None, moved), coordinates[:, ::-1] * 0.5)


@pytest.mark.render
def test_cycles_shows_the_texture_where_it_lies(renderer, surfaces, job, folder, coordinates):
    """Faces that look at the camera: the checker's colour at each one's centre is the colour of its pixel."""
    skin = replace(load_texture_skins(folder, coordinates)["checker"], subsurface=0.0)
    image = renderer.render(replace(job, skin_right=skin, skin_left=skin))
    pixels, right = _pixels(image), 0
    for number, (side, vertices) in enumerate(((Side.RIGHT, job.right), (Side.LEFT, job.left)), start=1):
        surface = surfaces[side]
        red, blue = _colours_of_faces(surface, vertices, job.camera, pixels, image.hands == number)
        assert len(red) > 30 and len(blue) > 30
        right += (red[:, 0] > red[:, 2]).sum() + (blue[:, 2] > blue[:, 0]).sum()
        right -= 0.97 * (len(red) + len(blue))
    assert right > 0


@pytest.mark.render
def test_a_texture_leaves_nothing_behind(renderer, job, folder, coordinates):
    K = np.diag([0.25, 0.25, 1.0]) @ job.camera.K
    small = replace(job, camera=replace(job.camera, K=K, width=128, height=84), samples=2)
    before = _pixels(renderer.render(small))
    textured = load_texture_skins(folder, coordinates)["checker"]
    assert (_pixels(renderer.render(replace(small, skin_left=textured))) != before).any()
    assert (_pixels(renderer.render(small)) == before).all()


def _colours_of_faces(surface, vertices, camera, pixels, mask) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of faces seen from the front, by what the checker says: red, blue."""
    corners = camera.to_camera(vertices[surface.faces].astype(float))
    uv = surface.attributes["uv"].reshape(-1, 3, 3)[..., :2]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    centre, place = corners.mean(1), uv.mean(1) * CELLS
    seen = (normal * centre / np.linalg.norm(centre, axis=1, keepdims=True)).sum(1) < -0.85
    seen &= surface.attributes["lines"][surface.faces, 2].min(1) > 0.99
    seen &= (np.abs(place - np.round(place)) > 0.2).all(1)  # away from the checker's edges
    column, row = np.floor(camera.project(centre)).astype(int).T
    inside = seen & (column > 2) & (column < camera.width - 3) & (row > 2) & (row < camera.height - 3)
    column, row, place = column[inside], row[inside], place[inside]
    alone = np.array([mask[r - 2 : r + 3, c - 2 : c + 3].all() for r, c in zip(row, column, strict=True)])
    red = (np.floor(place[:, 0]) + CELLS - 1 - np.floor(place[:, 1])) % 2 == 1
    colours = pixels[row, column]
    return colours[alone & red], colours[alone & ~red]
