"""What TransHand minimises: each term worked by hand on a mesh of one triangle, and its slopes by finite differences."""

import math

import pytest
import torch

from hands.joints import Side
from models.transhand.frames import HandTarget, JointRegressors, Targets
from models.transhand.losses import LossConfig, Losses
from models.transhand.network import HandPrediction, Prediction

FACES = dict.fromkeys(Side, torch.tensor([[0, 1, 2]]))
POOLING = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
TERMS = ("vertices", "vertices_2d", "joints", "joints_2d", "normal", "edge", "coarse", "coarse_2d")


@pytest.fixture
def regressors() -> JointRegressors:
    """Every joint is vertex 0, every fingertip vertex 2."""
    row = torch.zeros(16, 3, dtype=torch.float64)
    row[:, 0] = 1.0
    return JointRegressors(dict.fromkeys(Side, row), dict.fromkeys(Side, (2,) * 5))


def alone(name: str, norm_3d: str = "l1", norm_2d: str = "l1", **others) -> LossConfig:
    """A configuration in which one term has weight 1, and what a configuration must have besides has next to none."""
    weights = {term: 0.0 for term in TERMS} | {"vertices": 1e-12, "vertices_2d": 1e-12, name: 1.0}
    return LossConfig(norm_3d, norm_2d, **weights, **others)


def targets(vertices: torch.Tensor, places: torch.Tensor, has=True, front=True) -> Targets:
    """Both hands the same; joints and their places as `regressors` has them."""
    flag = lambda value: torch.full((len(vertices),), value)  # noqa: E731
    joints = lambda points: points[:, [0] * 4 + [2] + [*[0] * 3, 2] * 4]  # noqa: E731 - wrist, then five fingers of four
    hand = HandTarget(vertices, joints(vertices), places, joints(places), flag(has), flag(has), flag(front))
    return Targets(hand, hand, torch.ones(len(vertices)))


def prediction(vertices: torch.Tensor, camera: torch.Tensor, coarse: torch.Tensor | None = None) -> Prediction:
    hand = HandPrediction(vertices, POOLING @ vertices if coarse is None else coarse, camera)
    return Prediction(hand, hand)


TRUE = torch.tensor([[[0.0, 0, 0], [0.02, 0, 0], [0, 0.04, 0]]], dtype=torch.float64)
"""A triangle in the plane z = 0."""
CAMERA = torch.tensor([[5.0, 0.1, -0.1]], dtype=torch.float64)
PLACES = 2 * 5.0 * TRUE[..., :2] + torch.tensor([0.1, -0.1])
"""Where that camera sees it."""


def value(config: LossConfig, regressors, found: Prediction, true: Targets, name: str, done: float = 1.0) -> float:
    terms = Losses(config, FACES, regressors, POOLING.float())(found, true, done)
    return terms[name].item()


def float32(targets: Targets) -> Targets:
    return targets.map(lambda v: v.float() if v.is_floating_point() else v)


@pytest.mark.parametrize(
    ("name", "norms", "expected"),
    [
        # vertex 2 is 0.03 m too high (z): one of nine coordinates
        ("vertices", ("l1", "l1"), 0.03 / 9),
        ("vertices", ("smooth", "mse"), 0.03**2 / 2 / 9),
        ("vertices", ("mse", "l1"), 0.03**2 / 9),
        # five fingertips of 21 joints are that vertex
        ("joints", ("l1", "l1"), 5 * 0.03 / 63),
        ("joints", ("smooth", "mse"), 5 * 0.03**2 / 2 / 63),
        # nothing moves in the picture
        ("vertices_2d", ("l1", "l1"), 0.0),
        # edges 1-2 and 2-0 rise to 0.03 over lengths √(0.02² + 0.04² + 0.03²) and √(0.04² + 0.03²)
        ("normal", ("l1", "l1"), (0.03 / math.sqrt(0.0029) + 0.03 / 0.05) / 3),
        ("normal", ("smooth", "mse"), (0.0009 / 0.0029 + 0.0009 / 0.0025) / 2 / 3),
        ("edge", ("l1", "l1"), (math.sqrt(0.0029) - math.sqrt(0.002) + 0.05 - 0.04) / 3),
        # the second of two nodes is vertex 2
        ("coarse", ("l1", "l1"), 0.03 / 6),
    ],
)
def test_a_lifted_vertex_by_hand(regressors, name, norms, expected):
    lifted = TRUE.clone()
    lifted[0, 2, 2] += 0.03
    config = alone(name, *norms)
    found = value(config, regressors, prediction(lifted, CAMERA), float32(targets(TRUE, PLACES)), name)
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "norm", "expected"),
    [
        # a camera shifted by 0.2 in x moves every place in one of its two coordinates
        ("vertices_2d", "l1", 0.2 / 2),
        ("vertices_2d", "mse", 0.04 / 2),
        ("joints_2d", "l1", 0.2 / 2),
        ("coarse_2d", "mse", 0.04 / 2),
    ],
)
def test_a_shifted_camera_by_hand(regressors, name, norm, expected):
    shifted = CAMERA + torch.tensor([0.0, 0.2, 0.0])
    found = value(alone(name, "l1", norm), regressors, prediction(TRUE, shifted), float32(targets(TRUE, PLACES)), name)
    assert found == pytest.approx(expected, rel=1e-5)


def test_large_differences_of_the_smooth_norm_are_straight(regressors):
    far = TRUE.clone()
    far[0, 0, 0] += 3.0  # |x| − 1/2 beyond 1
    found = value(
        alone("vertices", "smooth"), regressors, prediction(far, CAMERA), float32(targets(TRUE, PLACES)), "vertices"
    )
    assert found == pytest.approx(2.5 / 9, rel=1e-6)


def test_the_truth_costs_nothing_under_either_preset(regressors):
    for config in (LossConfig.paper(), LossConfig.released()):
        terms = Losses(config, FACES, regressors, POOLING.float())(
            prediction(TRUE, CAMERA), float32(targets(TRUE, PLACES)), 1.0, torch.zeros(3, 2)
        )
        assert all(term.item() == pytest.approx(0.0, abs=1e-4) for term in terms.values())


@pytest.mark.parametrize(("weight", "wins"), [(50.0, "picture"), (5.0, "space")])
def test_perspective_sets_picture_and_space_at_odds(regressors, weight, wins):
    """No camera without perspective sees true points where a real one does: the weights decide which of both is learnt."""
    true = torch.tensor([[[0.06, 0.0, 0.5], [-0.06, 0.02, 0.45], [0.0, -0.06, 0.55]]], dtype=torch.float64)
    places = true[..., :2] / true[..., 2:] * 4  # its scale is about that of crops about hands: 2 · s = 8
    camera = torch.tensor([[4.0, 0.0, 0.0]], dtype=torch.float64)
    pulled = torch.cat([places / 8, true[..., 2:]], dim=-1)
    assert 0.004 < (pulled - true).norm(dim=-1).max() < 0.01
    config = LossConfig(normal=0.0, vertices_2d=weight, joints_2d=weight)
    losses = Losses(config, FACES, regressors, POOLING.float())
    cost = {
        name: sum(losses(prediction(points, camera), float32(targets(true, places))).values()).item()
        for name, points in (("space", true), ("picture", pulled))
    }
    assert min(cost, key=cost.get) == wins


def test_the_presets_are_those_of_paper_and_release(regressors):
    found, true = prediction(TRUE + 0.01, CAMERA), float32(targets(TRUE, PLACES))
    paper = Losses(LossConfig.paper(), FACES, regressors, POOLING.float())(found, true)
    assert set(paper) == {"vertices", "vertices_2d", "joints", "joints_2d", "normal"}
    assert paper["vertices"].item() == pytest.approx(100 * 0.01, rel=1e-5)
    assert paper["vertices_2d"].item() == pytest.approx(50 * 0.1, rel=1e-5)
    released = Losses(LossConfig.released(), FACES, regressors, POOLING.float())
    early, late = (set(released(found, true, done, torch.ones(3, 2))) for done in (0.24, 0.25))
    common = {"vertices", "vertices_2d", "joints", "normal", "coarse", "coarse_2d", "upsampling"}
    assert early == common and late == common | {"edge"}
    terms = released(found, true, 1.0, torch.ones(3, 2))
    assert terms["vertices"].item() == pytest.approx(100 * 0.01**2 / 2, rel=1e-4)
    assert terms["vertices_2d"].item() == pytest.approx(50 * 0.1**2, rel=1e-4)
    assert terms["upsampling"].item() == pytest.approx(0.5)


def test_both_hands_are_averaged_and_an_image_without_labels_counts_as_nothing(regressors):
    config = alone("vertices")
    moved, exact = prediction(TRUE + 0.01, CAMERA), prediction(TRUE, CAMERA)
    one = Prediction(moved.right, exact.left)
    assert value(config, regressors, one, float32(targets(TRUE, PLACES)), "vertices") == pytest.approx(0.005, rel=1e-5)
    two = Prediction(*(HandPrediction(*(torch.cat([v, v]) for v in hand)) for hand in moved))
    half = targets(torch.cat([TRUE, TRUE]), torch.cat([PLACES, PLACES]))
    half.right.has_vertices[1] = False  # the same hand is the left one
    assert value(config, regressors, two, float32(half), "vertices") == pytest.approx(0.005, rel=1e-5)


def test_missing_labels_leave_the_slope_of_others_alone(regressors):
    """A hand that is behind the camera has no place; one without a surface still has joints."""
    losses = Losses(LossConfig.released(), FACES, regressors, POOLING.float())
    camera = CAMERA.clone().requires_grad_()
    behind = losses(prediction(TRUE + 0.01, camera), float32(targets(TRUE, PLACES, front=False)))
    assert behind["vertices"] > 0 and behind["vertices_2d"] == 0 == behind["coarse_2d"]
    hand = float32(targets(TRUE, PLACES)).right
    hand.has_vertices[0] = False
    joints_only = Losses(LossConfig.paper(), FACES, regressors, POOLING.float())(
        prediction(TRUE + 0.01, CAMERA), Targets(hand, hand, torch.ones(1))
    )
    assert (
        joints_only["vertices"] == 0 == joints_only["normal"] and joints_only["joints"] > 0 < joints_only["joints_2d"]
    )


def test_a_collapsed_surface_has_finite_slopes(regressors):
    vertices = torch.zeros(1, 3, 3, requires_grad=True)
    terms = Losses(LossConfig.released(), FACES, regressors, POOLING.float())(
        prediction_of_float32(vertices), float32(targets(TRUE, PLACES))
    )
    sum(terms.values()).backward()
    assert vertices.grad.isfinite().all() and vertices.grad.abs().max() > 0


def prediction_of_float32(vertices: torch.Tensor) -> Prediction:
    hand = HandPrediction(vertices, POOLING.float() @ vertices, CAMERA.float())
    return Prediction(hand, hand)


@pytest.mark.parametrize("config", [LossConfig.paper(), LossConfig.released()], ids=["paper", "released"])
def test_slopes_are_those_of_finite_differences(regressors, config, monkeypatch):
    """In float64: losses are float32, so `float` is asked to change nothing here."""
    monkeypatch.setattr(torch.Tensor, "float", lambda self: self)
    losses = Losses(config, FACES, regressors, POOLING)
    draws = torch.Generator().manual_seed(5)
    noise = lambda *shape: 0.01 * torch.randn(*shape, generator=draws, dtype=torch.float64)  # noqa: E731
    true, places = TRUE.repeat(2, 1, 1) + noise(2, 3, 3), PLACES.repeat(2, 1, 1) + noise(2, 3, 2)
    given = [(true + noise(2, 3, 3)).requires_grad_(), noise(2, 2, 3).requires_grad_()]
    given += [(CAMERA.repeat(2, 1) + noise(2, 3)).requires_grad_(), noise(3, 2).requires_grad_()]

    def total(vertices, coarse, camera, change):
        found = prediction(vertices, camera, coarse)
        return sum(losses(found, targets(true, places), 1.0, change).values()) + 0 * (coarse.sum() + change.sum())

    assert torch.autograd.gradcheck(total, given, eps=1e-7, atol=1e-5)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"vertices": -1.0}, "losses.vertices is -1"),
        ({"edge_from": 2.0}, "losses.edge_from is 2.0"),
        ({"vertices_2d": 0.0, "joints_2d": 0.0}, "a weight above 0 in space and one in the picture"),
    ],
)
def test_wrong_weights_are_one_sentence(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        LossConfig(**values)
