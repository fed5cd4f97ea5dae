"""Pictures as browsers get them: labels where they belong, kept as long as they are true, sentences instead of failures."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image

from dashboard.pages.pictures import picture_address
from dashboard.pictures.cells import Cells
from dashboard.pictures.kept import KeptPictures
from dashboard.pictures.layers import LAYERS, WIDTHS, columns_of, drawn, known_layers, known_width
from dashboard.rows.listing import spot_of
from dashboard.rows.spot import Spot
from dataset.errors import InputError
from dataset.pictures import photo, png_cell, values
from dataset.rows import joints_2d
from dataset.shards import write_shard
from hands.joints import JointState, Side
from tests.dashboard.serving import client_of, desk_of, look
from tests.dataset.synthetic import TABLES, write_dataset

ADDRESS = "/runs/finished/pictures/000004-0.jpg"
HOSTILE = (
    "../../etc/passwd",
    "%2e%2e%2f%2e%2e%2fmanifest",
    "x" * 5000,
    "' OR 1=1 --",
    "%00",
    '"<script>',
    "%ff%fe",
    "",
)


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def at_own_size(row: dict, *layers: str) -> np.ndarray:
    return pixels(drawn(row, layers, row["width"]))


@pytest.fixture(scope="module")
def row(shown_samples) -> dict:
    return shown_samples[4]["images"]


def test_a_picture_is_the_one_of_the_row_at_the_width_asked_for(client, row):
    answer = client.get(f"{ADDRESS}?width=240")
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/jpeg"
    expected = np.asarray(photo(row["image"]).resize((240, 180), Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(pixels(answer.content) - expected).mean() < 4
    other = pixels(client.get("/runs/finished/pictures/000005-0.jpg?width=240").content)
    assert np.abs(other - expected).mean() > 8


def test_joints_are_drawn_at_the_joints_and_nowhere_else(row):
    changed = np.abs(at_own_size(row, "joints") - at_own_size(row)).sum(-1) > 60
    near = np.zeros(changed.shape, dtype=bool)
    for side in Side:
        for x, y in np.floor(joints_2d(row[str(side)])).astype(int):
            inside = 0 <= x < row["width"] and 0 <= y < row["height"]
            assert not inside or changed[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].any()
        left, top = joints_2d(row[str(side)]).min(0).astype(int).clip(8) - 8
        right, bottom = joints_2d(row[str(side)]).max(0).astype(int) + 9
        near[top:bottom, left:right] = True
    assert not changed[~near].any()


@pytest.mark.parametrize("state", list(JointState))
def test_every_state_of_a_joint_looks_another_way(row, state):
    def with_state(number: int) -> np.ndarray:
        hands = {str(side): row[str(side)] | {"joint_state": [number] * 21} for side in Side}
        return at_own_size(row | hands, "joints")

    for other in JointState:
        assert (other == state) == (np.abs(with_state(state) - with_state(other)).max() < 40)


@pytest.mark.parametrize(("layer", "column"), [("hands", "mask_hands"), ("parts", "mask_parts"), ("depth", "depth")])
def test_areas_are_painted_where_their_label_is(row, layer, column):
    there = values(row[column]) > 0
    change = np.abs(at_own_size(row, layer) - at_own_size(row)).sum(-1)
    inner = there.copy()
    for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
        inner &= np.roll(there, step, axis)
    assert np.median(change[inner]) > 40 and np.median(change[~there]) < 12


def test_near_is_lighter_than_far(row):
    depth, painted = values(row["depth"]), at_own_size(row, "depth").sum(-1)
    there = depth > 0
    near = there & (depth < np.quantile(depth[there], 0.1))
    far = there & (depth > np.quantile(depth[there], 0.9))
    assert painted[near].mean() > painted[far].mean() + 150


def test_boxes_are_drawn_at_their_borders(row):
    plain, boxed = at_own_size(row), at_own_size(row, "boxes")
    x, y, _, height = (round(value) for value in row["right"]["bbox"])
    assert boxed[y + height // 2, x].tolist() == pytest.approx([255, 138, 61], abs=60)
    empty = {str(side): row[str(side)] | {"bbox": [0.0] * 4} for side in Side}
    assert np.abs(at_own_size(row | empty, "boxes") - plain).max() == 0


def test_amodal_shows_what_the_other_hand_covers(shown_samples):
    row = max((sample["images"] for sample in shown_samples), key=lambda row: -row["right"]["visible_fraction"])
    covered = (values(row["mask_right_amodal"]) > 0) & (values(row["mask_hands"]) == 2)
    assert covered.sum() > 50, "no hand of the test covers the other"
    nothing = png_cell(np.zeros_like(values(row["depth"]), dtype=np.uint8), "nothing")
    left_alone = at_own_size(row | {"mask_right_amodal": nothing}, "amodal")
    redder = (at_own_size(row, "amodal") - left_alone)[covered][:, 0]
    assert np.median(redder) > 25, "the right hand is orange, under the left one's blue"


def test_layers_and_widths_are_few_and_known():
    assert known_layers(["joints,hands", "depth", "nonsense,../x"]) == ("depth", "hands", "joints")
    assert [known_width(text) for text in ("1", "240", "241", "99999", "-4", "x", "", None)] == [
        240, 240, 360, WIDTHS[-1], 240, 480, 480, 480,
    ]  # fmt: skip
    assert set(columns_of([layer.name for layer in LAYERS])) <= set(TABLES["images"].names)


def test_a_large_picture_is_drawn_small_and_a_small_one_not_too_large(row):
    assert pixels(drawn(row, (), 2048)).shape == (1080, 1440, 3)
    assert pixels(drawn(row, ("joints",), 240)).shape == (180, 240, 3)


def without_pictures(row: dict, content: bytes = b"") -> dict:
    names = ("image", "mask_hands", "mask_parts", "mask_right_amodal", "mask_left_amodal", "depth")
    return row | {name: {"bytes": content, "path": "none"} for name in names}


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\nnonsense", b"\xff\xd8\xff\xe0half a JPEG"])
def test_without_pictures_joints_are_drawn_on_grey(row, content):
    everything = [layer.name for layer in LAYERS]
    grey = at_own_size(without_pictures(row, content))
    assert np.abs(grey[:100] - grey[0, 0]).max() < 6 and np.ptp(grey[0, 0]) < 20
    assert (np.abs(at_own_size(without_pictures(row, content), *everything) - grey)[:150] > 60).sum() > 200


def test_a_dataset_without_pictures_has_grey_ones(shown_samples, tmp_path):
    samples = [sample | {"images": without_pictures(sample["images"])} for sample in shown_samples[:2]]
    manifest = write_dataset(tmp_path / "bare", samples)
    with desk_of(manifest.folder) as desk:
        answer = client_of(desk).get("/runs/bare/pictures/000001-0.jpg?layers=hands,depth")
        assert answer.status_code == 200 and pixels(answer.content).shape == (360, 480, 3)


def test_a_browser_keeps_a_picture_as_long_as_its_file_is_the_same(client, desk):
    run = desk.run("finished")
    address = picture_address(run, spot_of(desk.index(run), "000004-0"), ("joints",), 240)
    for_good = client.get(address)
    assert for_good.status_code == 200 and "immutable" in for_good.headers["cache-control"]
    plain = client.get(f"{ADDRESS}?width=240&layers=joints")
    assert plain.content == for_good.content and plain.headers["cache-control"] == "private, no-cache"
    etag = plain.headers["etag"]
    again = client.get(f"{ADDRESS}?width=240&layers=joints", headers={"If-None-Match": etag})
    assert again.status_code == 304 and not again.content
    others = ("?width=480&layers=joints", "?width=240", "?width=240&layers=joints&of=another")
    tags = [client.get(ADDRESS + query).headers for query in others]
    assert etag not in [tag["etag"] for tag in tags[:2]]
    assert "immutable" not in tags[2]["cache-control"]


def test_a_wrong_hint_where_a_row_is_misleads_nobody(client):
    true = client.get(f"{ADDRESS}?width=240").content
    for row in ("00000:0", "00001:99", "00001:-1", "../../x:1", "gone:0", ":", "00001:١", "00001:" + "9" * 30):
        answer = client.get(ADDRESS, params={"width": "240", "row": row})
        assert answer.status_code == 200 and answer.content == true, row


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_are_no_sample_get_a_sentence(client, name):
    answer = client.get(f"/runs/finished/pictures/{name}.jpg", headers={"Accept": "image/*"})
    assert answer.status_code == 404 and len(answer.text) < 400
    assert client.get(f"/runs/{name or 'none'}/pictures/000004-0.jpg").status_code == 404


def test_a_file_that_is_gone_or_replaced_gets_a_sentence(finished, shown_samples, tmp_path):
    folder = tmp_path / "moving"
    shutil.copytree(finished, folder)
    with desk_of(folder) as desk:
        client, address = client_of(desk), "/runs/moving/pictures/000004-0.jpg"
        file = folder / "images" / "00001.parquet"
        file.rename(folder / "aside")
        answer = client.get(address)
        assert (
            answer.status_code == 503 and "images/00001.parquet: is missing or was replaced" in answer.json()["error"]
        )
        picture = client.get(address, headers={"Accept": "image/avif,image/*,*/*;q=0.8"})
        assert picture.status_code == 503 and picture.headers["content-type"] == "image/svg+xml"
        assert "is missing" in picture.text and picture.headers["cache-control"] == "no-store"
        file.write_bytes(b"x" * (folder / "aside").stat().st_size)
        answer = client.get(address)
        assert answer.status_code == 503 and "cannot be read" in answer.json()["error"]
        assert str(tmp_path) not in answer.text
        (folder / "aside").rename(file)
        assert client.get(address).status_code == 200


def test_another_row_in_the_same_place_is_not_shown(finished, shown_samples, tmp_path):
    """The manifest lists a new file, and the index still knows the old one."""
    folder = tmp_path / "changing"
    shutil.copytree(finished, folder)
    with desk_of(folder) as desk:
        run, cells = desk.run("changing"), Cells()
        spot = spot_of(desk.index(run), "000004-0")
        assert cells.row(run, spot, ("width",))["width"] == 256
        images = [shown_samples[number]["images"] for number in (9, 10, 11)]
        shard = write_shard(folder / "images" / "00001.parquet", images, TABLES["images"])
        run.state.manifest.shards["images"]["00001"] = shard
        with pytest.raises(InputError, match="holds other rows by now"):
            cells.row(run, spot, ("width",))
        with pytest.raises(InputError, match="has no row 7"):
            cells.row(run, Spot("000004-0", "00001", 7), ("width",))
        del run.state.manifest.shards["images"]["00001"]
        with pytest.raises(InputError, match="no part of the dataset"):
            cells.row(run, spot, ("width",))
        look(desk)


def test_what_is_kept_is_bounded():
    kept = KeptPictures(most_bytes=100)
    drawings = []

    def draw(name: str) -> bytes:
        drawings.append(name)
        return b"x" * 40

    for name in "abcacb":
        kept.get(name, lambda name=name: draw(name))
    assert kept.bytes <= 100
    assert drawings == ["a", "b", "c", "a", "b"]
    kept.get("large", lambda: b"x" * 101)
    assert kept.bytes <= 100


def test_pieces_of_files_are_read_once_and_bounded(desk, monkeypatch):
    run = desk.run("finished")
    opened = []
    plain_open = run.store.open
    monkeypatch.setattr(run.store, "open", lambda name: opened.append(name) or plain_open(name))
    cells = Cells()
    for name in ("000003-0", "000004-0", "000005-0"):
        assert cells.row(run, spot_of(desk.index(run), name), ("width", "image"))["sample_id"] == name
    assert opened == ["images/00001.parquet"]
    small = Cells(most_bytes=10)
    small.row(run, spot_of(desk.index(run), "000003-0"), ("image",))
    assert small._bytes <= 10
