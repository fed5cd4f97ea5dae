"""The page in a real Chromium: the surfaces lie on the picture, pointing tells, keys work, nothing is loaded."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from dataset.manifest import Manifest
from dataset.pictures import jpeg_cell, photo, png_cell, values
from dataset.rows import joints_2d, joints_3d
from dataset.viewer.page import write_view
from hands.joints import JOINTS_21, Side

pytest.importorskip("websockets", reason="speaks to the browser over a websocket")

from tests.browser import Tab, browser, chromium

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium is installed (apt-get install chromium)")

LEFT, TOP, RIGHT, BOTTOM = 23, 11, 229, 192
"""The part of a picture that a camera with its principal point off the middle would have taken."""


def cropped(row: dict) -> dict:
    """The row of a camera that sees only a part of the picture: its principal point is not in the middle."""
    box, name = np.s_[TOP:BOTTOM, LEFT:RIGHT], "cut"
    cut = row | {"sample_id": name, "width": RIGHT - LEFT, "height": BOTTOM - TOP}
    cut["image"] = jpeg_cell(np.asarray(photo(row["image"]))[box], name)
    for label in ("mask_hands", "mask_parts", "mask_right_amodal", "mask_left_amodal"):
        cut[label] = png_cell(values(row[label])[box].astype(np.uint8), name)
    cut["depth"] = png_cell(values(row["depth"])[box].astype(np.uint16), name)
    K = np.array(row["camera"]["K"], dtype=float)
    cut["camera"] = row["camera"] | {"K": K - [0, 0, LEFT, 0, 0, TOP, 0, 0, 0]}
    for side in Side:
        cut[str(side)] = row[str(side)] | {"joints_2d": (joints_2d(row[side]) - [LEFT, TOP]).ravel()}
    return cut


@pytest.fixture(scope="module")
def shown(image_rows) -> list[dict]:
    return [image_rows[0], cropped(image_rows[2]), image_rows[0] | {"sample_id": "twin"}]


@pytest.fixture(scope="module")
def view(dataset_dir, shown, hands, tmp_path_factory):
    path = tmp_path_factory.mktemp("view") / "view.html"
    return write_view(Manifest.read(dataset_dir), shown, hands, path)


@pytest.fixture(scope="module")
def tab(tmp_path_factory) -> Tab:
    with browser(chromium(), tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def camera_view(tab: Tab, row: dict) -> np.ndarray:
    """What the scene draws over the picture, at the picture's size: (height, width, RGBA)."""
    uri, width, height = tab.value(
        "(c => [c.toDataURL(), c.clientWidth, c.clientHeight])(document.querySelector('#scene'))"
    )
    drawn = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).resize((width, height))
    scale = min(width / row["width"], height / row["height"])
    left, top = (width - scale * row["width"]) / 2, (height - scale * row["height"]) / 2
    box = (left, top, left + scale * row["width"], top + scale * row["height"])
    return np.asarray(drawn.resize((row["width"], row["height"]), Image.Resampling.BOX, box)).astype(int)


def grown(mask: np.ndarray) -> np.ndarray:
    """With the pixels above, below, left and right of it."""
    edge = np.pad(mask, 1, mode="edge")
    return mask | edge[2:, 1:-1] | edge[:-2, 1:-1] | edge[1:-1, 2:] | edge[1:-1, :-2]


def agrees(drawn: np.ndarray, mask: np.ndarray) -> bool:
    """Whether two outlines lie within a pixel of each other, but for specks."""
    beyond, short = drawn & ~grown(mask), mask & ~grown(drawn)
    return mask.sum() > 1000 and beyond.sum() + short.sum() < 0.01 * mask.sum()


def lonely_joint(row: dict) -> tuple[Side, int]:
    """The joint inside the picture that is farthest from all others."""
    names = [(side, joint) for side in Side for joint in range(21)]
    pixels = np.concatenate([joints_2d(row[side]) for side in Side])
    gaps = np.linalg.norm(pixels[:, None] - pixels, axis=-1) + 1e9 * np.eye(42)
    outside = ((pixels < 5) | (pixels > np.array([row["width"], row["height"]]) - 5)).any(1)
    return names[np.where(outside, -1, gaps.min(1)).argmax()]


@pytest.mark.parametrize("width", [1500, 800], ids=["scene as wide as the picture", "scene of another shape"])
@pytest.mark.parametrize("number", [0, 1], ids=["whole", "principal point off the middle"])
def test_surfaces_lie_on_the_picture_in_the_camera_view(tab, view, shown, number, width):
    row = shown[number]
    tab.open(view, width=width, height=1400, hash=f"#{row['sample_id']}")
    tab.click("[data-flag=skeletons]")
    tab.click("#eye")
    drawn = camera_view(tab, row)
    covered, mask, is_orange = drawn[..., 3] > 127, values(row["mask_hands"]), drawn[..., 0] > drawn[..., 2]
    assert agrees(covered, mask > 0)
    assert agrees(covered & is_orange, mask == 1) and agrees(covered & ~is_orange, mask == 2)
    assert not agrees(np.roll(covered, 2, axis=1), mask > 0), "two pixels off must show"


def test_the_camera_view_is_kept_where_a_drag_begins(tab, view, shown):
    tab.open(view, hash=f"#{shown[1]['sample_id']}")
    tab.click("[data-flag=cameras]")
    tab.click("[data-flag=ground]")
    tab.click("#eye")
    before = camera_view(tab, shown[1])[..., 3] > 127
    x, y = tab.value(
        "(b => [b.x + b.width / 2, b.y + b.height / 2])(document.querySelector('#scene').getBoundingClientRect())"
    )
    tab.mouse(x, y, "mousePressed", button="left", buttons=1, clickCount=1)
    tab.mouse(x, y, "mouseReleased", button="left", clickCount=1)
    tab.settle()
    assert tab.value("document.querySelector('#eye').getAttribute('aria-pressed')") == "false"
    after = camera_view(tab, shown[1])[..., 3] > 127
    assert 0.5 * before.sum() < after.sum() < 2 * before.sum()


def test_pointing_at_a_joint_tells_about_it_in_the_picture_and_in_the_scene(tab, view, shown):
    tab.open(view)
    row = shown[0]
    side, joint = lonely_joint(row)
    pixel = joints_2d(row[side])[joint]
    told = []
    for selector in ("#frame", "#scene"):
        if selector == "#scene":
            tab.click("#eye")
        box = tab.value(
            f"(b => [b.x, b.y, b.width, b.height])(document.querySelector('{selector}').getBoundingClientRect())"
        )
        scale = min(box[2] / row["width"], box[3] / row["height"])
        x = box[0] + (box[2] - scale * row["width"]) / 2 + scale * pixel[0]
        y = box[1] + (box[3] - scale * row["height"]) / 2 + scale * pixel[1]
        tab.mouse(x, y)
        tab.settle()
        told.append(
            tab.value("document.querySelector('#tip').hidden ? '' : document.querySelector('#tip').textContent")
        )
        assert tab.value("document.querySelector('[data-joint].on')?.dataset.joint") == f"{side}/{joint}"
        tab.mouse(2, 2)
        tab.settle()
        assert tab.value("document.querySelector('#tip').hidden")
    names = told[0].splitlines()
    assert names[0] == f"{side} {JOINTS_21[joint]}" and told[1] == told[0]
    assert names[-1] == f"pixel {pixel[0]:.1f}, {pixel[1]:.1f}"
    millimetres = [float(number) for number in names[3].removeprefix("camera ").removesuffix(" mm").split(", ")]
    assert millimetres == pytest.approx(1000 * joints_3d(row[side])[joint], abs=0.06)


def test_the_pixel_under_the_pointer_is_read_from_the_labels(tab, view, shown):
    tab.open(view)
    row = shown[0]
    depth = values(row["depth"])
    y, x = (int(place) for place in np.argwhere(values(row["mask_parts"]) == 1)[40])
    box = tab.value("(b => [b.x, b.y, b.width, b.height])(document.querySelector('#frame').getBoundingClientRect())")
    tab.mouse(box[0] + (x + 0.5) * box[2] / row["width"], box[1] + (y + 0.5) * box[3] / row["height"])
    tab.settle()
    assert tab.value("document.querySelector('#pixel').textContent") == (
        f"pixel {x}, {y}: right wrist, depth {depth[y, x] / 10:.1f} mm"
    )


def test_every_layer_paints_where_its_label_is(tab, view, shown):
    tab.open(view)
    tab.key("ArrowRight")
    row = shown[1]
    touching = sum(len(row[side]["contact"]) for side in Side)
    assert touching > 0
    amodal = values(row["mask_right_amodal"]) + values(row["mask_left_amodal"])
    wanted = {"hands": values(row["mask_hands"]), "parts": values(row["mask_parts"]), "depth": values(row["depth"])}
    for layer, numbers in (wanted | {"amodal": amodal, "plain": np.zeros_like(amodal)}).items():
        tab.click(f"[data-choice=layer] [value={layer}]")
        uri = tab.value("document.querySelector('#layer').toDataURL()")
        painted = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))[..., 3] > 0
        assert (painted == (numbers > 0)).all(), layer
    tab.click("[data-choice=layer] [value=contact]")
    assert tab.value("document.querySelectorAll('#drawing circle:not([data-joint])').length") == touching


def test_arrows_go_round_and_the_address_names_the_sample(tab, view, shown):
    tab.open(view)
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        tab.key(key)
        assert tab.value("document.querySelector('#photo').alt") == tab.value(
            "document.querySelector('#fields dd').textContent"
        )
        seen.append(tab.value("decodeURIComponent(location.hash.slice(1))"))
    names = [row["sample_id"] for row in shown]
    assert seen == [names[1], names[2], names[0], names[2]]


def test_a_click_on_another_camera_of_the_pose_shows_its_image(tab, view, shown):
    tab.open(view, hash="#twin")
    sweep = """(() => {
      const scene = document.querySelector("#scene"), box = scene.getBoundingClientRect();
      const send = (kind, x, y) => scene.dispatchEvent(new PointerEvent(kind, { clientX: x, clientY: y, pointerId: 1 }));
      const hits = [];
      for (let y = box.top + 3; y < box.bottom; y += 6) for (let x = box.left + 3; x < box.right; x += 6) {
        send("pointermove", x, y);
        if (document.querySelector("#tip").textContent.startsWith("camera of")) hits.push([x, y]);
      }
      return hits[Math.floor(hits.length / 2)];
    })()"""
    x, y = tab.value(sweep)
    tab.mouse(x, y)
    assert tab.value("document.querySelector('#tip').textContent") == "camera of 000000-0\nclick to show it"
    for kind, buttons in (("mousePressed", 1), ("mouseReleased", 0)):
        tab.mouse(x, y, kind, button="left", buttons=buttons, clickCount=1)
    tab.settle()
    assert tab.value("document.querySelector('#photo').alt") == "000000-0"


def test_without_webgl_the_picture_still_works(tab, view, shown):
    hide = """const get = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
      return kind.startsWith("webgl") ? null : get.call(this, kind, ...more);
    };"""
    script = tab.call("Page.addScriptToEvaluateOnNewDocument", source=hide)["identifier"]
    tab.open(view)
    tab.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
    assert not tab.value("document.querySelector('#blank').hidden")
    tab.key("ArrowRight")
    tab.click("[data-choice=layer] [value=hands]")
    assert tab.value("document.querySelector('#photo').alt") == shown[1]["sample_id"]
    assert (
        tab.value("new Set(document.querySelector('#layer').getContext('2d').getImageData(0, 0, 206, 181).data).size")
        > 2
    )


def test_a_narrow_page_fits_its_window(tab, view):
    for width in (360, 1500):
        tab.open(view, width=width, height=800)
        assert tab.value("document.documentElement.scrollWidth") <= width


def test_dark_and_light_differ_and_nothing_complains(tab, view):
    papers = []
    for dark in (False, True):
        tab.open(view, dark=dark)
        papers.append(np.asarray(Image.open(io.BytesIO(tab.screenshot())))[3, 3, :3].mean())
    assert papers[0] > 200 and papers[1] < 60
    assert tab.complaints == []
