"""What is observed of hands: sound combinations, and what each is worth in metres."""

from dataclasses import replace

import pytest
import torch

from hands.joints import Side
from models.ihdiff.distance import Distance, TermWeights
from models.ihdiff.observations import Observations, check, pose_giver
from models.ihdiff.placing import Orthographic, View, into_world
from models.ihdiff.representation import PackedHands, Placement, Standard, at_origin, constant_values, surfaces

JOINTS = torch.zeros(2, 42, 3)
CAMERA = torch.tensor([[600.0, 0, 320], [0, 500, 240], [0, 0, 1]]).expand(2, 3, 3)


def flat(count: int) -> PackedHands:
    """Flat hands, the left wrist 20 cm beside the right one."""
    x = constant_values().repeat(count, 1, 1)
    x[..., 3], x[..., 7] = 1.0, 1.0
    x[:, 21, 0] = 0.2
    return at_origin(x, torch.zeros(count, 20))


def forced(observations: Observations, name: str, value: object) -> Observations:
    """The same with a field that the annotation would refuse while tests run."""
    changed = replace(observations)
    object.__setattr__(changed, name, value)
    return changed


def test_everything_that_makes_sense_is_taken(hands) -> None:
    vertices = torch.zeros(2, 1556, 3)
    seen = torch.arange(42).expand(2, 42) < 4
    for good in (
        Observations(joints_3d=JOINTS),
        Observations(vertices=vertices),
        Observations(regressed=flat(2)),
        Observations(joints_3d=JOINTS, joints_3d_seen=seen, placed=True),
        Observations(joints_2d=JOINTS[..., :2], joints_2d_seen=seen, placed=True),
        Observations(joints_2d=JOINTS[..., :2], camera=CAMERA, regressed=flat(2), vertices=vertices, placed=True),
    ):
        assert check(good, hands) == 2


def test_what_is_not_seen_may_be_anything(hands) -> None:
    joints, seen = JOINTS.clone(), torch.ones(2, 42, dtype=torch.bool)
    joints[1, 5], seen[1, 5] = torch.nan, False
    check(Observations(joints_3d=joints, joints_3d_seen=seen), hands)
    with pytest.raises(ValueError, match="joints_3d of hand pairs 1 have values that are no finite"):
        check(Observations(joints_3d=joints), hands)


@pytest.mark.parametrize(
    ("observations", "sentence"),
    [
        (Observations(), "nothing is observed"),
        (Observations(placed=True), "nothing is observed"),
        (Observations(joints_3d=JOINTS, joints_3d_seen=torch.zeros(2, 42, dtype=torch.bool)), "pairs 0, 1 nothing"),
        (Observations(joints_2d=JOINTS[..., :2]), "set placed"),
        (Observations(joints_3d=JOINTS, camera=CAMERA), "camera is given without joints_2d"),
        (Observations(vertices=torch.zeros(2, 1556, 3), joints_3d_seen=torch.ones(2, 42).bool()), "without joints_3d"),
        (Observations(vertices=torch.zeros(2, 1557, 3)), "vertices is 2 × 1557 × 3, must be 2 × 1556 × 3"),
        (
            Observations(joints_3d=JOINTS, joints_3d_seen=torch.arange(42).expand(2, 42) < 2, placed=True),
            "3 seen joints",
        ),
        (Observations(joints_2d=JOINTS[..., :2], camera=0 * CAMERA, placed=True), "cameras 0, 1 are no intrinsics"),
        (Observations(regressed=flat(2)._replace(betas=torch.full((2, 20), torch.inf))), "regressed betas"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(hands, observations, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        check(observations, hands)


def test_sizes_are_checked_where_annotations_are_not(hands) -> None:
    good = Observations(joints_3d=JOINTS)
    with pytest.raises(ValueError, match="joints_3d is 2 × 21 × 3, must be 2 × 42 × 3"):
        check(forced(good, "joints_3d", torch.zeros(2, 21, 3)), hands)
    with pytest.raises(ValueError, match="joints_3d_seen is 1 × 42, must be 2 × 42"):
        check(forced(good, "joints_3d_seen", torch.ones(1, 42, dtype=torch.bool)), hands)


def test_the_most_exact_observation_says_how_hands_are_turned() -> None:
    few = torch.arange(42).expand(2, 42) < 2
    both = Observations(joints_3d=JOINTS, joints_3d_seen=few, joints_2d=JOINTS[..., :2], placed=True)
    assert pose_giver(both) == "joints_2d"
    assert pose_giver(replace(both, joints_3d_seen=None)) == "joints_3d"
    assert pose_giver(replace(both, regressed=flat(2))) == "regressed"


def test_each_term_is_the_mean_over_what_is_seen(hands) -> None:
    packed = flat(1)
    posed = surfaces(packed.x, packed.betas, hands)
    seen = torch.arange(42)[None] < 10
    moved = posed.joints.clone()
    moved[:, 0] += torch.tensor([0.03, -0.01, 0.02])  # 60 mm in 10 · 3 seen coordinates: 2 mm
    moved[:, 10:] = torch.nan
    turned = packed.x.clone()
    turned[:, 1:4, 3] += 0.28  # three of (32 − 1) · 6 − 5·… rotation entries that vary
    varying = 6 * (42 - 1 - 10)

    def g(**given) -> float:
        measure = Distance(Observations(**given), hands, Standard(), TermWeights())
        return measure(packed.x, packed.betas).item()

    assert g(joints_3d=moved, joints_3d_seen=seen) == pytest.approx(0.002, rel=1e-4)
    assert g(vertices=posed.both + torch.tensor([0.0, 0.0, 0.003])) == pytest.approx(0.001, rel=1e-4)
    assert g(regressed=packed._replace(x=turned)) == pytest.approx(0.05 * 3 * 0.28 / varying, rel=1e-4)
    together = g(joints_3d=moved, joints_3d_seen=seen, regressed=packed._replace(x=turned))
    assert together == pytest.approx(0.002 + 0.05 * 3 * 0.28 / varying, rel=1e-4)


def test_joints_are_those_of_the_surface(hands) -> None:
    packed = flat(1)
    posed = surfaces(packed.x, packed.betas, hands)
    other = packed.x.clone()
    other[:, 1:21, :3], other[:, 22:, :3] = 9.0, 9.0  # the matrix's own, wrists apart
    measure = Distance(Observations(joints_3d=posed.joints), hands, Standard(), TermWeights())
    assert measure(other, packed.betas).item() == pytest.approx(0, abs=1e-7)


def test_pixels_become_metres_at_the_hands_depth(hands) -> None:
    packed = flat(1)
    posed = surfaces(packed.x, packed.betas, hands)
    placement = Placement(torch.eye(3)[None], torch.tensor([[0.0, 0.0, 0.5]]))
    joints = into_world(posed.joints, placement)
    depth = joints[..., 2].mean().item()
    pixels = joints[..., :2] / joints[..., 2:] * torch.tensor([600.0, 500.0]) + torch.tensor([320.0, 240.0])
    pixels[..., 0] += 6  # a hundredth of the focal length, in one of two coordinates
    seen = Observations(
        joints_2d=pixels, camera=CAMERA[:1], regressed=packed._replace(placement=placement), placed=True
    )
    measure = Distance(seen, hands, Standard(), TermWeights(pose=0.0))
    assert measure(packed.x, packed.betas).item() == pytest.approx(0.01 * depth / 2, rel=1e-3)


def test_an_orthographic_camera_counts_in_metres_too(hands) -> None:
    packed = flat(1)
    posed = surfaces(packed.x, packed.betas, hands)
    pixels = 800 * posed.joints[..., :2] + 100
    seen = Observations(joints_2d=pixels + torch.tensor([8.0, 0.0]), placed=True)
    measure = Distance(seen, hands, Standard(), TermWeights())
    scale, offset = torch.tensor([800.0]), torch.full((1, 2), 100 / 800)
    measure.view = View(packed.placement, Orthographic(scale, offset))
    assert measure(packed.x, packed.betas).item() == pytest.approx(0.01 / 2, rel=1e-3)


def test_weights_are_checked(hands) -> None:
    with pytest.raises(ValueError, match=r"weights\.pose is -1"):
        TermWeights(pose=-1)
    with pytest.raises(ValueError, match=r"\(joints_3d\) are 0"):
        Distance(Observations(joints_3d=JOINTS), hands, Standard(), TermWeights(joints_3d=0))


def test_vertices_are_the_right_hands_first(hands) -> None:
    packed = flat(1)
    posed = surfaces(packed.x, packed.betas, hands)
    swapped = torch.cat([posed.left, posed.right], dim=1)
    measure = Distance(Observations(vertices=swapped), hands, Standard(), TermWeights())
    assert measure(packed.x, packed.betas).item() > 0.05
    assert set(hands) == set(Side)
