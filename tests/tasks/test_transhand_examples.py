"""What TransHand is shown and what it should answer: by projection, with gaps, in parts, and from several sources."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from dataset.errors import InputError
from dataset.training.augmentation import Augmentation, augmented
from hands.joints import Side
from hands.random_streams import torch_stream
from models.transhand.frames import ROOT, to_camera, to_pixels
from models.two_hand_metrics.measuring import HandPoints, TwoHands
from models.two_hand_metrics.measuring import measured as metrics_of
from tasks.lightning_training.places import Place
from tasks.transhand.pictures import Drawn, crop_picture, painted_over
from tasks.transhand.training.learner import Learner, new_network
from tasks.transhand.training.looking import Look
from tasks.transhand.training.preparing import Examples, Preparation
from tasks.transhand.training.sources import Sources, Steps
from tests.dataset.recorded_images.image_writers import save_ego3dhands
from tests.tasks.learnt_images import dataset, images, tiny

RANGES = Augmentation(size=64)
TIPS = (4, 8, 12, 16, 20)


@pytest.fixture(scope="module")
def preparation(hands) -> Preparation:
    return Preparation.on("cpu", hands, 0.095)


def without_hand(batch, side: Side, rows: int = 1):
    """The first images have only the joints of that hand."""
    hand = batch.hand(side)
    gaps = {}
    for name in ("global_orient", "hand_pose", "betas", "transl"):
        gaps[name] = getattr(hand, name).clone()
        gaps[name][:rows] = torch.nan
    return replace(batch, **{side.value: replace(hand, **gaps)})


# --- examples


@pytest.mark.parametrize("seed", range(3))
def test_places_in_the_picture_are_the_projection_of_the_surfaces(preparation, hands, seed):
    """The whole way round: loaded, turned, mirrored, posed, framed, and back to where the labels say the joints are."""
    batch = images()
    found = preparation(batch, RANGES, torch_stream(seed, "draws")).targets
    shown = augmented(batch, RANGES, torch_stream(seed, "draws"))
    for side in Side:
        target, labels = found.hand(side), shown.hand(side)
        pixels = to_pixels(target.joints_2d, RANGES.size)
        assert (pixels[:, TIPS] - labels.joints_2d[:, TIPS]).abs().max() < 0.01  # tips are vertices
        assert (pixels - labels.joints_2d).norm(dim=-1).mean() < 0.5  # the others are told from the surface
        root = preparation.regressors(Side.LEFT, shown.left.pose.pose(hands[Side.LEFT]).vertices)[:, ROOT, None]
        surface = to_camera(target.vertices, found.scale) + root
        projected = surface @ shown.K.mT
        again = projected[..., :2] / projected[..., 2:]
        assert (again - to_pixels(target.vertices_2d, RANGES.size)).abs().max() < 0.01
        assert (surface[:, hands[side].arrays.tips[0]] - labels.joints_3d[:, 4]).abs().max() < 1e-5
        inside = (target.vertices_2d.abs() <= 1.0).float().mean()
        assert inside > 0.95  # the crop holds both hands


def test_the_crop_is_filled_by_both_hands(preparation):
    """As released: the longer side of the box around both surfaces is 0.8 of the crop's."""
    found = preparation(images(), Augmentation.none(64), torch.Generator()).targets
    places = torch.cat([found.right.vertices_2d, found.left.vertices_2d], dim=1)
    extent = (places.amax(1) - places.amin(1)).amax(-1)
    torch.testing.assert_close(extent, torch.full_like(extent, 1.6), rtol=0.02, atol=0)


def test_a_hand_of_joints_alone_teaches_its_joints_and_nothing_becomes_nan(hands, preparation):
    batch = without_hand(images(), Side.LEFT)
    found = preparation(batch, replace(RANGES, flip=0.0), torch_stream(1, "draws"))
    whole = preparation(images(), replace(RANGES, flip=0.0), torch_stream(1, "draws"))
    assert found.targets.left.has_vertices.tolist() == [False, True, True, True]
    assert found.targets.left.has_joints.all() and found.targets.right.has_vertices.all()
    apart = (found.targets.right.joints - whole.targets.right.joints).norm(dim=-1)
    assert apart[0].max() < 5e-3 and apart[1:].max() < 1e-6  # the origin is a labelled joint instead of a told one
    config = tiny("network.image_size=64")
    learner = Learner(config, new_network(config, hands), hands, 4)
    learner.trainer = None
    prediction = learner.network(found.image)
    terms = learner.losses(prediction, found.targets)
    sum(terms.values()).backward()
    slopes = [weight.grad for weight in learner.network.parameters()]
    assert all(term.isfinite() for term in terms.values()) and all(slope.isfinite().all() for slope in slopes)


def test_parts_are_the_whole_in_order(preparation):
    whole = preparation(images(), RANGES, torch_stream(1, "draws"))
    for count in (1, 2, 3, 9):
        parts = whole.parts(count)
        assert len(parts) == min(count, 4) and {len(part) for part in parts} <= {4 // min(count, 4), -(-4 // count)}
        joined = Examples.joined(parts)
        assert torch.equal(joined.image, whole.image) and torch.equal(joined.targets.scale, whole.targets.scale)
        assert torch.equal(joined.targets.right.vertices_2d, whole.targets.right.vertices_2d)


def test_the_loss_of_a_batch_in_parts_is_that_of_the_batch(hands, preparation):
    """With labels missing in one part only."""
    config = tiny("network.image_size=64")
    learner = Learner(config, new_network(config, hands), hands, 4)
    learner.network.eval()  # else the backbone normalises by the part
    whole = preparation(without_hand(images(), Side.RIGHT), RANGES, torch_stream(2, "draws"))
    total = learner.losses(learner.network(whole.image), whole.targets)
    parts = [(len(part) / 4, learner.losses(learner.network(part.image), part.targets)) for part in whole.parts(3)]
    for name, value in total.items():
        assert sum(share * terms[name] for share, terms in parts).item() == pytest.approx(value.item(), rel=1e-5)


# --- sources


def steps_of(config, place: Place, first: int, total: int, source: str = "") -> list[list[list[str]]]:
    """Names in each step, by source."""
    sources = Sources(source or str(dataset()), config, dataset().parent / "kept")
    learnt = sources.learnt(place, sources.hands())
    return [[batch.sample_ids for batch in batches] for batches in Steps(learnt.mixture, first, total)]


def test_every_epoch_shows_each_image_once_and_a_later_start_is_the_same_order():
    config = tiny()
    whole = steps_of(config, Place(0, 1), 0, 6)
    assert len(whole) == 6 and all(len(step) == 1 and len(step[0]) == 2 for step in whole)
    for epoch in range(3):
        assert len({name for step in whole[2 * epoch : 2 * epoch + 2] for name in step[0]}) == 4
    for first in (1, 2, 5):
        assert steps_of(config, Place(0, 1), first, 6) == whole[first:]


def test_devices_share_a_step_and_their_number_may_change():
    config = tiny("optimiser.batch=4")
    shared = [steps_of(config, Place(rank, 2), 0, 3) for rank in range(2)]
    for one, other in zip(*shared, strict=True):
        assert len({*one[0], *other[0]}) == 4
    assert len(steps_of(config, Place(0, 1), 1, 3)) == 2
    with pytest.raises(InputError, match="has 4 images to learn from for 5 devices"):
        steps_of(config, Place(0, 5), 0, 1)


def test_a_part_of_the_images_is_learnt_from():
    few = steps_of(tiny("data.most=2"), Place(0, 1), 0, 4)
    assert len({name for step in few for name in step[0]}) == 2
    half = steps_of(tiny("data.share=0.5"), Place(0, 1), 0, 4)
    assert {name for step in half for name in step[0]} == {name for step in few for name in step[0]}


def test_recorded_images_with_joints_alone_are_mixed_in(hands, tmp_path):
    folder, _ = save_ego3dhands(tmp_path / "ego", hands, 4)  # three of them show two hands
    mix = json.dumps([{"place": f"ego3dhands={folder}", "ratio": 1}])
    config = tiny("optimiser.batch=4", "data.ratio=3", f"data.mix={mix}")
    sources = Sources(str(dataset()), config, tmp_path / "out")
    learnt = sources.learnt(Place(0, 1), hands)
    assert learnt.images == [4, 3] and learnt.samples == round(4 / 0.75)
    learner = Learner(config, new_network(config, hands), hands, learnt.samples)
    (batches,) = Steps(learnt.mixture, 0, 1)
    assert [len(batch) for batch in batches] == [3, 1] and batches[1].sample_ids[0].startswith("ego3dhands")
    ranges = config.augmentation.ranges(32)
    examples = Examples.joined([learner.prepare(batch, ranges, torch_stream(0, "draws")) for batch in batches])
    assert examples.targets.right.has_vertices.tolist() == [True, True, True, False]
    assert examples.targets.right.has_joints.all()
    assert list((tmp_path / "out" / "recordings").glob("ego3dhands-*.npz"))
    assert steps_of(config, Place(0, 1), 2, 4) == steps_of(config, Place(0, 1), 0, 4)[2:]


def test_sources_that_cannot_be_used_are_one_sentence(tmp_path):
    for place, sentence in (
        (str(tmp_path), "is not a dataset"),
        (f"hands={tmp_path}", "images of 'hands' cannot be read"),
        (f"interhand26m={tmp_path / 'nowhere'}", "there is no such folder"),
    ):
        with pytest.raises(InputError, match=sentence) as refused:
            Sources(place, tiny(), tmp_path / "out").hands()
        assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match="holds no"):
        sources = Sources(f"interhand26m={tmp_path}", tiny(), tmp_path / "out")
        sources.learnt(Place(0, 1), sources.hands())


# --- a look


def test_a_look_tells_the_errors_that_the_evaluation_tells(hands, tmp_path):
    config = tiny("report.validation_images=8", "report.pictures=3")
    sources = Sources(str(dataset()), config, tmp_path)
    held = sources.validation(hands)
    learner = Learner(config, new_network(config, hands), hands, 4)
    learner.network.eval()
    found = Look(held)(learner, 7, tmp_path)
    examples = learner.prepare(images("validation"), Augmentation.none(32), torch.Generator())
    with torch.no_grad():
        prediction = learner.network(examples.image)
    points = lambda side, vertices: HandPoints(learner.losses.regressors(side, vertices), vertices)  # noqa: E731
    truth = {side: to_camera(examples.targets.hand(side).vertices, examples.targets.scale) for side in Side}
    expected = metrics_of(
        TwoHands(*(points(side, prediction.side(side).vertices) for side in Side)),
        TwoHands(*(points(side, truth[side]) for side in Side)),
    )
    named = {"MPJPE_mm": "mpjpe_middle_mm", "SMPJPE_mm": "smpjpe_middle_mm", "PA_MPJPE_mm": "pa_mpjpe_mm"}
    named |= {"MPVPE_mm": "mpvpe_middle_mm", "MRRPE_mm": "mrrpe_wrist_mm"}
    for ours, theirs in named.items():
        assert found[ours] == pytest.approx(expected[theirs].mean().item(), rel=1e-3), ours
    assert found["loss"] == pytest.approx(sum(value for name, value in found.items() if name.startswith("loss/")))
    made = sorted(path.name for path in (tmp_path / "pictures" / "00000007").iterdir())
    assert made == ["00.ground_truth.jpg", "00.input.jpg", "00.prediction.jpg", "about.json"]
    about = json.loads((tmp_path / "pictures" / "00000007" / "about.json").read_text())
    assert about[0]["caption"] == images("validation").sample_ids[0] and about[1]["caption"].startswith("MPJPE ")
    assert Look(None)(learner, 8, tmp_path) == {} and not (tmp_path / "pictures" / "00000008").exists()


def test_a_painted_truth_lies_over_the_hand_that_it_is_of(hands, preparation):
    """The painted pixels are those that the synthetic pictures have in colours of skin."""
    examples = preparation(images(), Augmentation.none(256), torch.Generator())
    for row in range(2):
        blank = examples.image[row].new_zeros(3, 256, 256)
        drawn = [
            Drawn(
                examples.targets.hand(side).vertices[row].numpy(),
                to_pixels(examples.targets.hand(side).vertices_2d[row], 256).numpy(),
                hands[side].arrays.faces,
            )
            for side in Side
        ]
        painted = np.asarray(painted_over(crop_picture(blank), drawn, 256)).sum(-1) > 0
        seen = examples.image[row].permute(1, 2, 0).numpy() * 255
        skin = np.abs(seen - (70, 82, 96)).max(-1) > 30  # their ground
        common, either = (painted & skin).sum(), (painted | skin).sum()
        assert common / either > 0.85
