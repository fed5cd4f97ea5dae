"""Files that people have: what becomes of their pixels, and one sentence for what is no picture or no box."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from dataset.errors import InputError
from tasks.transhand.prediction import photos
from tasks.transhand.prediction.boxes import box_of, read_boxes
from tasks.transhand.prediction.folder import file_stem
from tasks.transhand.prediction.photos import Photos, cut_by_borders, photos_in, read_photo


def pixels(path) -> np.ndarray:
    picture = read_photo(path)
    assert picture.mode == "RGB"
    return np.asarray(picture)


def saved(path, picture: Image.Image, **options):
    picture.save(path, **options)
    return path


COLOURS = np.random.default_rng(5).integers(0, 256, (6, 8, 3), dtype=np.uint8)
GREY = COLOURS[..., 0]


# --- pixels


def test_rgb_is_as_it_is(tmp_path):
    assert np.array_equal(pixels(saved(tmp_path / "a.png", Image.fromarray(COLOURS))), COLOURS)
    assert np.array_equal(pixels(saved(tmp_path / "a.webp", Image.fromarray(COLOURS), lossless=True)), COLOURS)
    close = pixels(saved(tmp_path / "a.jpg", Image.new("RGB", (8, 6), (200, 100, 50)), quality=95))
    assert np.abs(close.astype(int) - (200, 100, 50)).max() <= 3


def test_grey_becomes_rgb(tmp_path):
    assert np.array_equal(pixels(saved(tmp_path / "grey.png", Image.fromarray(GREY))), np.stack([GREY] * 3, -1))
    black_and_white = saved(tmp_path / "bits.png", Image.fromarray(GREY > 127))
    assert np.array_equal(pixels(black_and_white), np.stack([255 * (GREY > 127)] * 3, -1))


def test_what_is_transparent_lies_over_black(tmp_path):
    alpha = np.where(np.arange(8) < 3, 0, np.where(np.arange(8) < 6, 255, 128)).astype(np.uint8)
    layers = np.dstack([COLOURS, np.broadcast_to(alpha, (6, 8))])
    expected = COLOURS * (alpha[None, :, None] / 255.0)
    assert np.abs(pixels(saved(tmp_path / "a.png", Image.fromarray(layers))) - expected).max() <= 1
    grey = np.dstack([GREY, np.broadcast_to(alpha, (6, 8))])
    assert np.abs(pixels(saved(tmp_path / "la.png", Image.fromarray(grey)))[..., 1] - expected[..., 0]).max() <= 1


def test_palettes_have_their_colours(tmp_path):
    palette = Image.fromarray((np.arange(48).reshape(6, 8) % 3).astype(np.uint8), "P")
    palette.putpalette([255, 0, 0, 0, 200, 0, 9, 9, 255])
    found = pixels(saved(tmp_path / "p.png", palette))
    assert found[0, :3].tolist() == [[255, 0, 0], [0, 200, 0], [9, 9, 255]]
    found = pixels(saved(tmp_path / "t.png", palette, transparency=1))
    assert found[0, :3].tolist() == [[255, 0, 0], [0, 0, 0], [9, 9, 255]]


def test_16_bits_are_scaled(tmp_path):
    values = np.array([[0, 257, 128, 65535, 32896, 65407]], dtype=np.uint16)
    found = pixels(saved(tmp_path / "deep.png", Image.fromarray(values)))
    assert found[0, :, 0].tolist() == [0, 1, 0, 255, 128, 255], "to the nearest of 0, 257 … 65535"
    assert np.array_equal(found[..., 0], found[..., 2])


def test_16_bits_of_colour_are_scaled(tmp_path):
    """Pillow writes none, so the file is put together here: PNG, colour type 2, depth 16."""
    values = np.array([[[65535, 0, 32896], [257, 51400, 65535]]], dtype=">u2")
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))  # noqa: E731
    header, rows = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0), b"".join(b"\0" + row.tobytes() for row in values)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    assert np.abs(pixels(tmp_path / "deep.png").astype(int)[0] - [[255, 0, 128], [1, 200, 255]]).max() <= 1


def test_cmyk_becomes_rgb(tmp_path):
    inks = Image.new("CMYK", (8, 6), (0, 255, 255, 0))
    assert np.abs(pixels(saved(tmp_path / "inks.jpg", inks, quality=95)).astype(int) - (255, 0, 0)).max() <= 8


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.transpose(1, 0, 2)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: a[::-1, ::-1].transpose(1, 0, 2)),
        (8, lambda a: np.rot90(a)),
    ],
)
def test_pictures_stand_upright(tmp_path, orientation, turn):
    """As the EXIF standard names the eight ways in which a camera may be held."""
    about = Image.Exif()
    about[0x0112] = orientation
    found = pixels(saved(tmp_path / "a.png", Image.fromarray(COLOURS), exif=about))
    assert np.array_equal(found, turn(COLOURS))


# --- files that are no pictures


def png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def jpeg() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is damaged or cannot be read (the file is empty)"),
        (b"%PDF-1.7", "is no picture that can be read here; give JPEG, PNG or WebP"),
        (b"BM" + bytes(60), "is no picture that can be read here"),
        (png()[:2000], "is damaged or cannot be read"),
        (png()[:30], "is "),
        (jpeg()[:1500], "is damaged or cannot be read"),
        (jpeg()[:3], "is "),
    ],
)
def test_what_is_no_picture_is_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(InputError) as refusal:
        read_photo(path)
    assert str(refusal.value).startswith(f"{path}: {sentence}") and "\n" not in str(refusal.value)


def test_too_many_pixels_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    (tmp_path / "a.png").write_bytes(png())
    with pytest.raises(InputError, match="has more pixels than any camera's picture"):
        read_photo(tmp_path / "a.png")


# --- folders


def test_a_folders_pictures_are_found_in_order(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(photos, "say", lambda sentence, **_: told.append(sentence))
    for name in ("b.JPG", "a/c.png", "a.webp", ".hidden.png", ".thumbs/d.png", "notes.txt", "x.heic"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"?")
    assert list(photos_in(tmp_path)) == ["a.webp", "a/c.png", "b.JPG"]
    assert len(told) == 1 and "2 files are no pictures" in told[0]
    assert list(photos_in(tmp_path / "notes.txt")) == ["notes.txt"], "a file that is named is tried"
    with pytest.raises(InputError, match="is no dataset and holds no picture"):
        photos_in(_empty(tmp_path))
    with pytest.raises(InputError, match="there is no such file or folder"):
        photos_in(tmp_path / "nowhere")


def _empty(tmp_path):
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def test_names_that_are_no_text_are_named_all_the_same(tmp_path):
    try:
        with open(os.fsencode(tmp_path) + b"/\xff.png", "wb") as file:  # noqa: PTH123 - bytes are the point
            file.write(png())
    except OSError:
        pytest.skip("this file system takes no such names")
    assert list(photos_in(tmp_path)) == ["\\xff.png"]


def test_a_bad_picture_is_left_out_of_a_folder_but_not_alone(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(photos, "say", lambda sentence, **_: told.append(sentence))
    (tmp_path / "bad.png").write_bytes(png()[:500])
    (tmp_path / "good.png").write_bytes(png())
    folder = Photos(tmp_path, photos_in(tmp_path), {})
    assert [picture.name for picture in folder.read(0)] == ["good.png"] and folder.parts == [2]
    assert len(told) == 1 and told[0].startswith("left out: ") and "bad.png: is damaged" in told[0]
    alone = Photos(tmp_path / "bad.png", photos_in(tmp_path / "bad.png"), {})
    with pytest.raises(InputError, match="is damaged"):
        list(alone.read(0))


def test_parts_hold_all_pictures_once(tmp_path, monkeypatch):
    monkeypatch.setattr(photos, "PART", 2)
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(png())
    folder = Photos(tmp_path, photos_in(tmp_path), {})
    assert folder.parts == [2, 2, 1]
    assert [p.name for part in range(3) for p in folder.read(part)] == [f"{number}.png" for number in range(5)]


def test_other_pictures_or_boxes_are_other_content(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    content = lambda boxes: Photos(tmp_path, photos_in(tmp_path), boxes).content  # noqa: E731
    first = content({})
    assert first == content({}) != content({"a.png": (1.0, 2.0, 3.0, 4.0)})
    (tmp_path / "a.png").write_bytes(png() + b"\0")
    assert content({}) != first


# --- boxes


def test_boxes_are_cut_by_the_pictures_borders(tmp_path):
    assert cut_by_borders((-10, 5, 30, 20), (64, 48)) == (0, 5, 20, 20)
    assert cut_by_borders((60, 40, 30, 20), (64, 48)) == (60, 40, 4, 8)
    assert cut_by_borders((64, 0, 5, 5), (64, 48)) is None
    (tmp_path / "a.png").write_bytes(png())
    read = lambda box: list(Photos(tmp_path / "a.png", photos_in(tmp_path / "a.png"), {"a.png": box}).read(0))  # noqa: E731
    (picture,) = read((-10.0, 5.0, 30.0, 20.0))
    assert picture.box == (0, 5, 20, 20) and picture.is_boxed
    with pytest.raises(InputError, match=r"a\.png: its box 70,0,9,9 lies outside the picture of 64×64"):
        read((70.0, 0.0, 9.0, 9.0))


def table(tmp_path, text: str, encoding: str = "utf-8"):
    (tmp_path / "boxes.csv").write_text(text, encoding=encoding)
    return tmp_path / "boxes.csv"


def test_boxes_are_read(tmp_path):
    text = 'x,y,width,height,file,score\n1,2,3.5,4,a.png,0.9\n\n-5,0,7,8,"b, c.png",1\n'
    found = read_boxes(table(tmp_path, text, "utf-8-sig"), ["a.png", "b, c.png"])
    assert found == {"a.png": (1, 2, 3.5, 4), "b, c.png": (-5, 0, 7, 8)}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no column file, x, y, width, height"),
        ("file,x,y,w,h\na.png,1,2,3,4\n", "has no column width, height; give file, x, y, width, height"),
        ("file,x,y,width,height\na.png,1,2,3,4\n", "has no box for 1 pictures (b.png); give one row for each picture"),
        (
            "file,x,y,width,height\na.png,1,2,3,4\nb.png,1,2,3,4\nc.png,1,2,3,4\n",
            "has boxes for 1 pictures (c.png) that are not there",
        ),
        ("file,x,y,width,height\na.png,1,2,3,4\na.png,1,2,3,4\n", "line 3: a.png has a box already"),
        ("file,x,y,width,height\na.png,1,2,3\n", "line 2 (a.png): ['1', '2', '3', None] is no box"),
        ("file,x,y,width,height\na.png,1,2,wide,4\n", "line 2 (a.png): ['1', '2', 'wide', '4'] is no box"),
        (
            "file,x,y,width,height\na.png,1,2,0,4\n",
            "line 2 (a.png): ['1', '2', '0', '4'] is no box; give x, y, width and height",
        ),
        ("file,x,y,width,height\na.png,1,nan,3,4\n", "line 2 (a.png): ['1', 'nan', '3', '4'] is no box"),
    ],
)
def test_what_is_wrong_with_boxes_is_one_sentence(tmp_path, text, sentence):
    with pytest.raises(InputError) as refusal:
        read_boxes(table(tmp_path, text), ["a.png", "b.png"])
    assert sentence in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_table_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.csv: cannot be read; give boxes as CSV"):
        read_boxes(tmp_path / "nowhere.csv", [])
    (tmp_path / "boxes.csv").write_bytes(b"file,x,y,width,height\n\xff\xfe\n")
    with pytest.raises(InputError, match="cannot be read"):
        read_boxes(tmp_path / "boxes.csv", [])


def test_a_box_on_the_command_line_is_four_numbers():
    assert box_of(["1", "2", "3", "4.5"], "--box") == (1, 2, 3, 4.5)
    for words in (["1", "2", "3"], ["a", "2", "3", "4"], ["1", "2", "-3", "4"], ["inf", "2", "3", "4"]):
        with pytest.raises(InputError, match="--box"):
            box_of(words, "--box")


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a/b.jpg", "a/b.jpg"), ("../../etc/x", "etc/x"), ("/abs", "abs"), ("..", "unnamed"), ("000000-0", "000000-0")],
)
def test_files_stay_in_their_folder(name, stem):
    assert file_stem(name) == stem


def test_long_names_still_make_files():
    stem = file_stem("a/" + "x" * 240)
    assert stem.startswith("a/") and len(stem) < 100 and stem != file_stem("a/" + "x" * 241)
