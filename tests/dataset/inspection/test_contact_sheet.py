"""Contact sheets show samples spread over the base poses, as one picture and as one page."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from dataset.errors import InputError
from dataset.inspection.contact_sheet import choose_rows, html_cards, write_html, write_png
from dataset.manifest import Manifest
from dataset.shards import Shard
from tests.dataset.inspection.conftest import copied


def names(rows):
    return [row["sample_id"] for row in rows]


def test_every_base_pose_is_shown_and_the_choice_is_repeatable(dataset_dir):
    manifest = Manifest.read(dataset_dir)
    three = choose_rows(manifest, 3)
    assert {row["provenance"]["base_pose"] for row in three} == {"palms", "cross", "apart"}
    assert len(choose_rows(manifest, 12)) == 5
    assert names(choose_rows(manifest, 4)) == names(choose_rows(manifest, 4))


def test_many_base_poses_are_shown_evenly_by_name(written, samples):
    many = [copied(samples[n % 5], n, base_pose=f"b{n:02d}") for n in range(12)]
    rows = choose_rows(Manifest.read(written(many)), 3)
    assert [row["provenance"]["base_pose"] for row in rows] == ["b00", "b04", "b08"]


def test_base_poses_give_rows_in_turn(written, samples):
    rows = [copied(samples[0], n, base_pose="often" if n else "once") for n in range(9)]
    chosen = choose_rows(Manifest.read(written(rows)), 4)
    assert len(set(names(chosen))) == 4
    assert sorted(row["provenance"]["base_pose"] for row in chosen) == ["often"] * 3 + ["once"]


def test_png_sheet(dataset_dir, tmp_path):
    write_png(choose_rows(Manifest.read(dataset_dir)), tmp_path / "sheet.png")
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
    assert all(row["sample_id"] in text for row in rows)
    assert all(f'id="{mode}"' in text for mode in ("plain", "joints", "hands", "parts"))
    assert text.count("<circle") == 42 * len(rows)
    assert "$" not in text


def test_captions_are_escaped(image_rows):
    assert "&lt;b&gt;&amp;" in html_cards([image_rows[0] | {"sample_id": "<b>&"}])


def test_a_dataset_without_images_is_refused(written):
    with pytest.raises(InputError, match="holds no images yet"):
        choose_rows(Manifest.read(written([])))


def test_a_missing_shard_is_refused(written, samples):
    manifest = Manifest.read(written(samples[:1]))
    manifest.add("images", Shard("lost", 1, 1, "0" * 64))
    with pytest.raises(InputError, match=r"lost\.parquet: this shard is missing"):
        choose_rows(Manifest.read(manifest.folder))
