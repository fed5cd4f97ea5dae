"""A trained network used: what it is shown is what its training shows, and its hands lie where the picture has them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dataset.errors import InputError
from dataset.training.augmentation import Augmentation, augmented
from dataset.training.resample import resampled
from dataset.training.similarity import square_crop
from hands.joints import Side
from hands.model import HandModel
from models.transhand.frames import JointRegressors
from tasks.transhand.prediction.cutting import Crops, Square, cut, square_of
from tasks.transhand.prediction.dataset_pictures import DatasetPictures, around_both
from tasks.transhand.prediction.predictor import Predictor, SeenHand, SeenHands
from tasks.transhand.prediction.table import Looked, filled, is_plausible, table_of
from tests.tasks.learnt_images import dataset, images
from tests.tasks.seeing_network import FILL, SIZE, checkpoint, network, predictor, write


def noise(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


# --- what the network is shown


def test_it_is_shown_what_the_training_shows_without_chance():
    batch = images()
    shown = augmented(batch, Augmentation.none(SIZE, FILL), torch.Generator())
    assert torch.equal(predictor().cut(batch).image, shown.image)


def test_a_dataset_read_one_image_at_a_time_is_cut_as_in_batches():
    batch, pictures = images(), DatasetPictures(dataset(), "train")
    read = [picture for part in range(len(pictures.parts)) for picture in pictures.read(part)]
    assert [picture.name for picture in read] == batch.sample_ids and sum(pictures.parts) == len(batch)
    whole = predictor().cut(batch)
    for row, picture in enumerate(read):
        one = cut(picture.image, square_of(picture.box, picture.image.size, FILL), SIZE)
        torch.testing.assert_close(one.image[0], whole.image[row], atol=1e-4, rtol=0)
        torch.testing.assert_close(one.matrix[0], whole.matrix[row], atol=1e-4, rtol=1e-5)


def test_an_image_without_hands_is_looked_at_whole():
    batch = images()
    nowhere = replace(batch.right, bbox=torch.zeros_like(batch.right.bbox))
    empty = replace(batch, right=nowhere, left=replace(batch.left, bbox=nowhere.bbox))
    picture = Image.fromarray(batch.image[0].permute(1, 2, 0).numpy())
    one = cut(picture, square_of((0.0, 0.0, *picture.size), picture.size, FILL), SIZE)
    torch.testing.assert_close(one.image[0], predictor().cut(empty).image[0], atol=1e-4, rtol=0)
    assert around_both(np.zeros((2, 4))) is None
    assert around_both(np.array([[4.0, 5, 10, 20], [0, 0, 0, 0]])) == (4, 5, 10, 20)
    assert around_both(np.array([[4.0, 5, 10, 20], [2, 9, 20, 4]])) == (2, 5, 20, 20)


@pytest.mark.parametrize(
    "square", [Square(400, 150, 60), Square(20, 280, 90), Square(255, 140, 126), Square(256, 150, 20)]
)
def test_a_part_of_a_picture_is_cut_as_out_of_the_whole(square):
    picture = noise(511, 300)
    whole = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255
    matrix = square_crop(
        torch.tensor([square[:2]]).float(),
        torch.tensor([square.side]).float(),
        torch.zeros(1),
        torch.zeros(1) > 0,
        SIZE,
    )
    torch.testing.assert_close(cut(picture, square, SIZE).image, resampled(whole, matrix, SIZE), atol=1e-3, rtol=0)


def test_a_large_picture_is_averaged_and_stays_in_its_place():
    """16 pixels become one."""
    square, (y, x) = Square(505, 395, 512), np.mgrid[0:800, 0:1000]
    values = np.stack([(x - 249) / 2, (y - 139) / 2, 255 * (x % 2)], axis=-1).clip(0, 255)
    shown = cut(Image.fromarray(values.astype(np.uint8)), square, SIZE).image[0]
    expected = (torch.arange(SIZE) + 0.5) / SIZE * 256 / 255
    for values, middle in (
        (shown[0].mean(0), expected),
        (shown[1].mean(1), expected),
        (shown[2].mean(0), 0.5 + 0 * expected),
    ):
        torch.testing.assert_close(values[1:-1], middle[1:-1], atol=0.006, rtol=0)


def test_the_square_without_a_box_is_the_largest_amid_the_picture():
    assert square_of(None, (90, 60), FILL) == Square(45, 30, 60)
    assert square_of((10, 20, 30, 15), (90, 60), 0.5) == Square(25, 27.5, 60)
    assert Square(25, 27.5, 60).box == (-5, -2.5, 60, 60)


# --- what it answers


def test_places_in_the_picture_follow_the_papers_camera():
    """uv = scale · s · xy + t · s/2 + s/2 in the crop; then by hand to the picture."""
    square, picture = Square(70, 40, 48), noise(96, 72)
    crop = cut(picture, square, SIZE)
    seen, answer = predictor().look(crop), network()(crop.image)
    for side in Side:
        own, (scale, *shift) = answer.side(side), answer.side(side).camera[0].tolist()
        in_crop = scale * SIZE * own.vertices[0, :, :2] + torch.tensor(shift) * SIZE / 2 + SIZE / 2
        expected = in_crop * 48 / SIZE + torch.tensor([70 - 24, 40 - 24])
        found = seen.side(side).in_picture(seen.side(side).vertices)[0]
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
        torch.testing.assert_close(seen.side(side).vertices, own.vertices)


def test_joints_are_those_of_the_surfaces(hands):
    regressors = JointRegressors.of({side: hands[side].arrays for side in Side})
    seen = predictor().look(predictor().cut(images()))
    for side in Side:
        torch.testing.assert_close(seen.side(side).joints_3d, regressors(side, seen.side(side).vertices))


def test_a_batch_gives_what_each_image_gives():
    batch, one = images(), predictor()
    whole = one(batch)
    assert whole[Side.LEFT].shape == (len(batch), 778, 3) and whole[Side.LEFT].std(0).max() > 0
    for row in range(len(batch)):
        alone = one(batch[row : row + 1])
        for side in Side:
            torch.testing.assert_close(alone[side][0], whole[side][row], atol=1e-4, rtol=0)


@pytest.mark.parametrize(("box", "shift"), [((30, 20, 20, 14), (17, 5)), ((20, 10, 60, 50), (24, 36))])
def test_a_picture_moved_inside_a_larger_one_has_the_same_hands(box, shift):
    small, large = noise(96, 72), Image.new("RGB", (260, 190))
    large.paste(small, shift)
    moved = (box[0] + shift[0], box[1] + shift[1], *box[2:])
    one, other = (
        predictor().look(cut(picture, square_of(where, picture.size, FILL), SIZE))
        for picture, where in ((small, box), (large, moved))
    )
    for here, there in zip(one, other, strict=True):
        torch.testing.assert_close(here.vertices, there.vertices, atol=1e-4, rtol=0)
        apart = there.in_picture(there.vertices) - here.in_picture(here.vertices)
        torch.testing.assert_close(apart, torch.tensor(shift).expand_as(apart).float(), atol=1e-2, rtol=0)


# --- what is said of doubtful answers


def hand_across(metres: float, scale: float = 100.0) -> SeenHand:
    vertices = torch.zeros(1, 3, 3)
    vertices[0, 1, 0] = metres
    return SeenHand(vertices, torch.zeros(1, 21, 3), torch.tensor([[scale, 10.0, 10.0]]))


@pytest.mark.parametrize(
    ("across", "scale", "fill", "plausible"),
    [(0.8, 100, 0.8, True), (0.3, 100, 0.3, False), (1.5, 100, 1.5, False), (0.8, -100, 0.8, False)],
)
def test_hands_that_do_not_fill_the_square_are_doubtful(across, scale, fill, plausible):
    seen = SeenHands(hand_across(across, scale), hand_across(across / 2, 100.0))
    found = filled(seen, torch.tensor([100.0]))
    expected = fill if scale > 0 else 1.2  # 0.8 to the left and 0.4 to the right
    assert found.item() == pytest.approx(expected) and is_plausible(seen, found).tolist() == [plausible]


def test_an_answer_that_is_no_number_is_refused():
    seen = SeenHands(hand_across(0.8), hand_across(float("nan")))
    with pytest.raises(InputError, match=r"a\.jpg: the network's answer is no number"):
        table_of([Looked("a.jpg", (9, 9), Square(4, 4, 8), True)], seen)


# --- which networks


def test_the_share_of_the_square_is_that_of_the_training(tmp_path):
    assert Predictor.load(checkpoint()).ranges == Augmentation.none(SIZE, FILL)
    for number, notes in enumerate(({"config": 3}, {"config": {"augmentation": {"fill": "wide"}}})):
        path = write(tmp_path / f"{number}.safetensors", **notes)
        assert Predictor.load(path).ranges == Augmentation.none(SIZE, 0.8)


def test_a_trainings_folder_will_do_and_nothing_is_left_to_train(hands):
    loaded = Predictor.load(checkpoint().parent, hands)
    assert not loaded.network.training and not any(weight.requires_grad for weight in loaded.network.parameters())
    assert torch.equal(loaded(images())[Side.LEFT], predictor()(images())[Side.LEFT])


def test_networks_of_other_hands_are_refused(hands, tmp_path):
    other = write(tmp_path / "other.safetensors", hands="0123")
    with pytest.raises(InputError, match=r"other\.safetensors: was trained on another hand model"):
        Predictor.load(other, hands)
    assert Predictor.load(other).ranges.size == SIZE, "its own hands are in it"
    arrays = {side: hands[side].arrays for side in Side}
    turned = {side: HandModel(replace(arrays[side], faces=arrays[side].faces[::-1].copy())) for side in Side}
    with pytest.raises(InputError, match=r"its right hand has 778 vertices and triangles of its own"):
        Predictor.load(write(tmp_path / "silent.safetensors", hands=None), turned)


def test_what_is_no_network_is_refused(tmp_path):
    for name, content in (("missing", None), ("empty", b""), ("pickle", b"\x80\x04K\x01.")):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=f"{name}.*`render-ih train transhand` makes one") as refusal:
            Predictor.load(path)
        assert "\n" not in str(refusal.value)


def test_it_is_told_what_must_be_installed(monkeypatch):
    monkeypatch.setattr("tasks.transhand.prediction.predictor.find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=r"needs transformers, which is not installed; pip install 'render-ih\[train\]'"
    ):
        Predictor.load(Path("anything"))


def test_crops_are_joined_in_order():
    picture = noise(96, 72)
    crops = [cut(picture, Square(x, 30, 40), SIZE) for x in (20, 60)]
    both = Crops.joined(crops)
    assert torch.equal(both.image[1], crops[1].image[0]) and torch.equal(both.matrix[0], crops[0].matrix[0])
