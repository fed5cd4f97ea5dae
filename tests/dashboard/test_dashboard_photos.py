"""What is told of pictures, and that looking at them is bounded and honest."""

import io

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dashboard.rows import light
from dashboard.rows.index import Database, RowIndex
from dashboard.rows.light import measure
from dashboard.rows.photos import EACH, Photos
from dataset.manifest import Manifest
from dataset.storage.folder import FolderStore
from rendering.checks import picture
from tests.dashboard.serving import desk_of, look
from tests.dataset.synthetic import make_sample, write_dataset

SIZE = (128, 96)


def encoded(pixels: np.ndarray, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def plain(level: int, size=SIZE) -> np.ndarray:
    return np.full((size[1], size[0], 3), level, dtype=np.uint8)


def mask_of(right_half: int = 1, size=SIZE) -> bytes:
    mask = np.zeros((size[1], size[0]), dtype=np.uint8)
    mask[:, size[0] // 2 :] = right_half
    return encoded(mask)


def test_black_and_white():
    black, white = measure(encoded(plain(0)), None), measure(encoded(plain(255)), None)
    assert (black.light, black.contrast, black.sharpness) == (0, 0, 0)
    assert black.black and black.dark_share == 1 and black.bright_share == 0 and black.hand_light is None
    assert not white.black and white.light == pytest.approx(1) and (white.bright_share, white.dark_share) == (1, 0)


def test_light_is_luminance_and_that_of_the_hands_alone():
    pixels = plain(100)
    pixels[:, SIZE[0] // 2 :] = (200, 20, 60)
    photo = measure(encoded(pixels), mask_of())
    on_hands = (0.2126 * 200 + 0.7152 * 20 + 0.0722 * 60) / 255
    assert photo.hand_light == pytest.approx(on_hands, abs=1e-4)
    assert photo.light == pytest.approx((on_hands + 100 / 255) / 2, abs=1e-4)
    assert photo.contrast == pytest.approx(abs(on_hands - 100 / 255) / 2, abs=1e-4)


def test_a_backlit_hand_is_black_though_the_picture_is_light():
    pixels = plain(250)
    pixels[:, SIZE[0] // 2 :] = 10
    assert measure(encoded(pixels), mask_of()).black
    assert not measure(encoded(pixels), None).black
    assert not measure(encoded(pixels), mask_of(0)).black, "no hand, nothing to judge"


def test_sharpness_tells_noise_from_a_smooth_slope(generator):
    noise = generator.integers(0, 256, (96, 128, 1), dtype=np.uint8).repeat(3, axis=2)
    slope = np.linspace(0, 255, 128).astype(np.uint8)[None, :, None].repeat(96, axis=0).repeat(3, axis=2)
    checker = (255 * (np.indices((96, 128)).sum(0) % 2)).astype(np.uint8)[..., None].repeat(3, axis=2)
    found = [measure(encoded(pixels), None).sharpness for pixels in (slope, noise, checker)]
    assert found[0] < 0.05 and found[1] == pytest.approx(1, abs=0.05) and found[2] == pytest.approx(2**0.5, abs=0.02)


def test_a_large_jpeg_is_looked_at_small_and_told_alike(generator):
    coarse = generator.integers(30, 220, (6, 8, 3), dtype=np.uint8)
    pixels = coarse.repeat(200, axis=0).repeat(200, axis=1)
    exact = (pixels @ picture.LUMA) / 255
    photo = measure(encoded(pixels, "JPEG", quality=95), mask_of(size=(1600, 1200)))
    assert photo.light == pytest.approx(exact.mean(), abs=0.01)
    assert photo.hand_light == pytest.approx(exact[:, 800:].mean(), abs=0.01)


def test_the_levels_are_those_by_which_rendering_refuses():
    assert (light.BLACK_LEVEL, light.BLACK_HANDS) == (picture.LEAST_LEVEL, picture.LEAST_HAND_LEVEL)
    assert np.array_equal(light.LUMA, picture.LUMA)


@pytest.mark.parametrize("content", [b"", b"no picture", encoded(plain(9))[:60], encoded(plain(9), "JPEG")[:200]])
def test_what_is_no_picture_is_said(content):
    with pytest.raises(ValueError, match="no picture that can be decoded"):
        measure(content, None)


def test_a_mask_that_is_none_is_left_out():
    for mask in (b"", b"no mask", encoded(plain(1))):
        assert measure(encoded(plain(90)), mask).hand_light is None


def test_a_picture_too_large_is_not_decoded(monkeypatch):
    monkeypatch.setattr(light, "_MOST_PIXELS", 99)
    with pytest.raises(ValueError, match="are too many"):
        measure(encoded(plain(0)), None)


def changed(hands, pictures: list[bytes | None]) -> list[dict]:
    """Samples with other pictures, None for the picture that is there."""
    samples = [make_sample(number, hands, 64, 48) for number in range(len(pictures))]
    for sample, content in zip(samples, pictures, strict=True):
        if content is not None:
            sample["images"]["image"] = sample["images"]["image"] | {"bytes": content}
    return samples


def test_pictures_of_every_shard_are_looked_at(desk, finished):
    index, photos = desk.index(desk.run("finished")), desk.keeper.photos("finished")
    rows = index.ask("SELECT photos.*, samples.arrived FROM photos JOIN samples USING (sample_id, shard, number)")
    assert len(rows) == photos.seen == 12 and (photos.empty, photos.broken, photos.waiting) == (0, 0, 0)
    assert all(row[3] == row[-1] for row in rows)
    (told,) = index.ask("SELECT light, hand_light FROM photos WHERE sample_id = '000004-0'")
    table = pq.read_table(Manifest.read(finished).path("images", "00001"))
    row = next(row for row in table.to_pylist() if row["sample_id"] == "000004-0")
    levels = np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")) @ picture.LUMA / 255
    hands = np.asarray(Image.open(io.BytesIO(row["mask_hands"]["bytes"]))) > 0
    assert told == pytest.approx((levels.mean(), levels[hands].mean()), abs=0.005)


def test_few_of_a_large_shard(hands, tmp_path):
    write_dataset(tmp_path / "one", [make_sample(number, hands, 32, 24) for number in range(11)], rows_per_shard=11)
    with desk_of(tmp_path / "one") as desk:
        numbers = [n for (n,) in desk.keeper.index("one").ask("SELECT number FROM photos ORDER BY number")]
    assert len(numbers) == EACH and numbers[0] < 3 and numbers[-1] > 7


def test_empty_and_broken_pictures_are_counted(hands, tmp_path):
    write_dataset(tmp_path / "some", changed(hands, [b"", b"no picture", None]))
    with desk_of(tmp_path / "some") as desk:
        photos = desk.keeper.photos("some")
        assert (photos.seen, photos.empty, photos.broken) == (1, 1, 1)
        assert desk.keeper.index("some").ask("SELECT sample_id FROM photos") == [("000002-0",)]


def test_a_shard_that_is_gone_or_another_is_forgotten(hands, tmp_path):
    manifest = write_dataset(tmp_path / "moving", changed(hands, [None, None]), rows_per_shard=1)
    with desk_of(tmp_path / "moving") as desk:
        index, photos, store = (
            desk.keeper.index("moving"),
            desk.keeper.photos("moving"),
            FolderStore(tmp_path / "moving"),
        )
        assert photos.seen == 2
        manifest.shards["images"].pop("00001")
        index.take_in(manifest, store, ())
        assert photos.look(manifest, store) and photos.seen == 1
        assert index.ask("SELECT sample_id FROM photos") == [("000000-0",)]


def test_a_file_that_is_missing_costs_nothing_else(hands, tmp_path):
    write_dataset(tmp_path / "holes", changed(hands, [None, None]), rows_per_shard=1)
    (tmp_path / "holes" / "images" / "00000.parquet").unlink()
    with desk_of(tmp_path / "holes") as desk:
        assert desk.keeper.photos("holes").seen == 1
        assert not desk.keeper.turn(), "it is not tried again and again"


def test_a_file_that_fails_later_is_put_off(finished, monkeypatch):
    database = Database()
    index, manifest, store = RowIndex(database), Manifest.read(finished), FolderStore(finished)
    photos = Photos(index)
    while index.take_in(manifest, store, ()):
        pass
    tries = []
    monkeypatch.setattr(
        FolderStore, "open", lambda self, name: tries.append(name) or (_ for _ in ()).throw(OSError("gone"))
    )
    assert not photos.look(manifest, store) and not photos.look(manifest, store)
    assert len(tries) == len(manifest.shards["images"]) == photos.waiting
    database.close()


def test_rows_come_first_and_a_turn_is_bounded(finished):
    database = Database()
    index, manifest, store = RowIndex(database), Manifest.read(finished), FolderStore(finished)
    photos = Photos(index)
    index.waiting = 1
    assert not photos.look(manifest, store) and photos.seen == 0
    while index.take_in(manifest, store, ()):
        pass
    assert photos.look(manifest, store, seconds=0) and photos.seen == 3 and photos.waiting == 3
    before = index.version
    while photos.look(manifest, store, seconds=0):
        pass
    assert photos.seen == 12 and index.version == before + 1, "the rows' version goes up once, at the end"
    database.close()


def test_the_page_is_renewed_when_pictures_have_been_looked_at(finished):
    with desk_of(finished) as desk:
        before = desk.keeper.versions
        desk.keeper.photos("finished").version += 1
        assert desk.keeper.versions != before
        version = desk.watcher.version
        look(desk)
        assert desk.watcher.version > version
