"""Errors of two hands: worked by hand, and against the same definitions written as loops, or by other libraries."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from models.two_hand_metrics import errors
from models.two_hand_metrics.alignment import MIDDLE_MCP, WRIST, bone_scale, similarity_aligned
from models.two_hand_metrics.measuring import HandPoints, TwoHands, measured

ROOTS = (MIDDLE_MCP, WRIST)


@pytest.fixture
def joints(draws) -> torch.Tensor:
    """Five hands of about 10 cm, half a metre before a camera; float64, as all of these tests."""
    return 0.05 * torch.randn(5, 21, 3, generator=draws).double() + torch.tensor([0.1, -0.1, 0.5])


@pytest.fixture
def pair(draws) -> tuple[TwoHands, TwoHands]:
    """Two hands with surfaces, and others near them."""
    hand = lambda: HandPoints(*(0.05 * torch.randn(4, n, 3, generator=draws).double() for n in (21, 60)))  # noqa: E731
    true = TwoHands(hand(), hand())
    return true.map(lambda x: x + 0.01 * torch.randn(x.shape, generator=draws).double()), true


def test_the_roots_are_those_of_the_papers():
    assert (WRIST, MIDDLE_MCP) == (0, 9)


def test_one_wrong_joint_and_a_wrong_root(joints):
    """3-4-5 mm at a fingertip: 5/21. The same at the root moves all others instead: 20 · 5/21."""
    wrong = torch.tensor([0.003, 0.0, 0.004])
    for root in ROOTS:
        for moved, expected in ((8, 5 / 21), (root, 100 / 21)):
            predicted = joints.clone()
            predicted[:, moved] += wrong
            np.testing.assert_allclose(errors.mpjpe(predicted, joints, root), expected, atol=1e-9)


def test_a_moved_hand_is_right_and_a_scaled_one_only_when_scaled_back(joints):
    moved, scaled = joints + torch.tensor([0.1, 0.2, -0.3]), 1.1 * joints
    for root in ROOTS:
        np.testing.assert_allclose(errors.mpjpe(moved, joints, root), 0, atol=1e-9)
        np.testing.assert_allclose(errors.smpjpe(scaled, joints, root), 0, atol=1e-9)
        size = (joints - joints[:, root, None]).norm(dim=-1).mean(-1)
        np.testing.assert_allclose(errors.mpjpe(scaled, joints, root), 100 * size, rtol=1e-9)
    np.testing.assert_allclose(bone_scale(scaled, joints), 1 / 1.1, rtol=1e-12)


def test_the_wrist_as_root_scales_by_the_same_bone(joints):
    """From wrist to middle MCP: another bone that is too long makes no difference to the scale."""
    predicted = joints.clone()
    predicted[:, 1] += 0.05
    np.testing.assert_allclose(errors.smpjpe(predicted, joints, WRIST), 50 * 3**0.5 / 21, rtol=1e-9)


def test_procrustes_agrees_with_scipy(joints, draws):
    """Rotation by SciPy's Kabsch, then the best scale and shift in closed form: to 1e-6 mm."""
    predicted = joints + 0.02 * torch.randn(joints.shape, generator=draws).double()
    for own, true, found in zip(predicted.numpy(), joints.numpy(), errors.pa_mpjpe(predicted, joints), strict=True):
        x, y = own - own.mean(0), true - true.mean(0)
        turned = Rotation.align_vectors(y, x)[0].apply(x)
        aligned = turned * (turned * y).sum() / (turned * turned).sum()
        assert found == pytest.approx(1e3 * np.linalg.norm(aligned - y, axis=1).mean(), abs=1e-6)


def test_no_other_similarity_brings_points_nearer(joints, draws):
    predicted = joints + 0.02 * torch.randn(joints.shape, generator=draws).double()
    best = similarity_aligned(predicted, joints)
    least = (best - joints).square().sum((1, 2))
    for _ in range(20):
        turn = torch.tensor(Rotation.from_rotvec(0.02 * torch.randn(3, generator=draws).numpy()).as_matrix())
        scale, shift = 1 + 0.02 * torch.randn(1, generator=draws), 0.001 * torch.randn(3, generator=draws)
        other = scale * (best - best.mean(1, keepdim=True)) @ turn.T + best.mean(1, keepdim=True) + shift
        assert ((other - joints).square().sum((1, 2)) > least).all()


def test_a_similar_hand_is_right_but_its_mirror_image_is_not(joints):
    turn = torch.tensor(Rotation.from_rotvec([0.3, -2.0, 0.5]).as_matrix())
    similar = 1.7 * joints @ turn.T + 0.2
    np.testing.assert_allclose(errors.pa_mpjpe(similar, joints), 0, atol=1e-9)
    mirrored = similar * torch.tensor([-1.0, 1.0, 1.0])
    assert (errors.pa_mpjpe(mirrored, joints) > 10).all()
    flat = joints * torch.tensor([1.0, 1.0, 0.0])
    np.testing.assert_allclose(
        errors.pa_mpjpe(flat @ turn.T, flat), 0, atol=1e-6, err_msg="a flat hand can be turned over"
    )


def test_procrustes_is_as_exact_for_float32(joints):
    predicted = joints.roll(1, 0)
    np.testing.assert_allclose(
        errors.pa_mpjpe(predicted.float(), joints.float()), errors.pa_mpjpe(predicted, joints), rtol=1e-5
    )


def test_a_collapsed_hand_is_wrong_and_finite(joints):
    nothing = torch.zeros_like(joints)
    spread = (joints - joints.mean(1, keepdim=True)).norm(dim=-1).mean(-1)
    np.testing.assert_allclose(errors.pa_mpjpe(nothing, joints), 1e3 * spread, rtol=1e-9)
    boneless = joints.clone()
    boneless[:, MIDDLE_MCP] = boneless[:, WRIST]
    assert errors.smpjpe(boneless, joints).isfinite().all() and (errors.smpjpe(boneless, joints) > 1000).all()


def test_relative_roots_by_hand():
    """Off by (3, −4, 12) mm: 13 mm; what RenderIH's scripts print is the mean of 3, 4 and 12."""
    true = torch.tensor([[0.1, 0.0, 0.02]]).double()
    predicted = true + torch.tensor([[0.003, -0.004, 0.012]]).double()
    assert errors.mrrpe(predicted, true).item() == pytest.approx(13)
    assert errors.mrrpe(-predicted, -true).item() == pytest.approx(13), "from either hand to the other"
    assert errors.mrrpe_released(predicted, true).item() == pytest.approx(19 / 3)


def test_the_released_variant_is_the_sum_over_an_axis_of_one(draws):
    predicted, true = torch.randn(2, 50, 3, generator=draws).double()
    rows = (predicted - true).numpy()[:, None, :]
    printed = np.sqrt((rows**2).sum(axis=1)).mean()
    assert errors.mrrpe_released(predicted, true).mean().item() == pytest.approx(1e3 * printed, rel=1e-12)


def by_loops(predicted: TwoHands, true: TwoHands, image: int) -> dict[str, float]:
    """The definitions once more, a point at a time."""
    distance = lambda a, b: 1e3 * math.dist(a.tolist(), b.tolist())  # noqa: E731
    found = {}
    for name, root in (("middle", 9), ("wrist", 0)):
        per_hand = {"mpjpe": [], "smpjpe": [], "mpvpe": [], "smpvpe": []}
        ways = []
        for side in ("right", "left"):
            (p, pv), (g, gv) = (
                (h.joints[image], h.vertices[image]) for h in (getattr(predicted, side), getattr(true, side))
            )
            s = math.dist(g[9].tolist(), g[0].tolist()) / math.dist(p[9].tolist(), p[0].tolist())
            for kind, own, wanted in (("mpjpe", p, g), ("mpvpe", pv, gv)):
                for prefix, factor in (("", 1.0), ("s", s)):
                    each = [distance(factor * (a - p[root]), b - g[root]) for a, b in zip(own, wanted, strict=True)]
                    per_hand[prefix + kind].append(sum(each) / len(each))
            ways.append((p[root], g[root]))
        found |= {f"{kind}_{name}_mm": sum(values) / 2 for kind, values in per_hand.items()}
        (pr, gr), (pl, gl) = ways
        found[f"mrrpe_{name}_mm"] = distance(pl - pr, gl - gr)
        found[f"mrrpe_released_{name}_mm"] = 1e3 * sum(abs((pl - pr) - (gl - gr)).tolist()) / 3
    pw, gw = predicted.right.joints[image, 0], true.right.joints[image, 0]
    both = [
        (getattr(predicted, s).vertices[image] - pw, getattr(true, s).vertices[image] - gw) for s in ("right", "left")
    ]
    found["rrve_mm"] = np.mean([distance(a, b) for p, g in both for a, b in zip(p, g, strict=True)])
    return found


def test_all_metrics_agree_with_loops(pair):
    found = measured(*pair)
    for image in range(4):
        for name, value in by_loops(*pair, image).items():
            assert found[name][image].item() == pytest.approx(value, abs=1e-6), name


def test_both_hands_are_the_mean_of_each_and_joints_make_the_mean(pair):
    found = measured(*pair)
    for name in ("mpjpe_middle_mm", "pa_mpjpe_mm", "smpvpe_wrist_mm", "pa_mpvpe_mm"):
        np.testing.assert_allclose(found[name], (found[f"right.{name}"] + found[f"left.{name}"]) / 2, rtol=1e-12)
    for side in ("right", "left"):
        own = found[f"{side}.joint_errors_wrist_mm"]
        np.testing.assert_allclose(own.mean(-1), found[f"{side}.mpjpe_wrist_mm"], rtol=1e-12)
        assert (own[:, WRIST] == 0).all()


def test_truth_as_prediction_is_right(pair):
    _, true = pair
    found = measured(true, true)
    known = {name: values for name, values in found.items() if not name.startswith("cdev")}
    assert len(known) > 30 and all(values.abs().max() < 1e-9 for values in known.values())


def test_one_hand_elsewhere_changes_only_what_is_between_hands(pair):
    _, true = pair
    moved = TwoHands(true.right.map(lambda x: x + torch.tensor([0.0, 0.01, 0.0])), true.left)
    found = measured(moved, true)
    for name, values in found.items():
        expected = {"mrrpe": 10, "mrrpe_released": 10 / 3}.get(name.rsplit("_", 2)[0])
        if expected:
            np.testing.assert_allclose(values, expected, rtol=1e-6)
        elif not name.startswith(("cdev", "rrve")):
            np.testing.assert_allclose(values, 0, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(found["rrve_mm"], 5, rtol=1e-6, err_msg="the left hand's vertices are 10 mm off")


def test_joints_alone_have_no_errors_of_surfaces(pair):
    predicted, true = pair
    bare = TwoHands(HandPoints(predicted.right.joints), HandPoints(predicted.left.joints))
    found = measured(bare, true)
    assert not [name for name in found if "vpe" in name or "cdev" in name or "rrve" in name]
    every = measured(predicted, true)
    assert all(torch.equal(values, every[name]) for name, values in found.items())


def test_a_hand_that_is_not_known_does_not_count(pair):
    predicted, true = pair
    lost = true.left.joints.clone(), true.left.vertices.clone()
    lost[0][1], lost[1][2, 7] = torch.nan, torch.nan
    found = measured(predicted, TwoHands(true.right, HandPoints(*lost)))
    assert found["mpjpe_middle_mm"][1] == found["right.mpjpe_middle_mm"][1]
    assert found["left.pa_mpjpe_mm"].isnan().tolist() == [False, True, False, False]
    assert found["mrrpe_wrist_mm"].isnan().tolist() == [False, True, False, False]
    assert found["left.mpvpe_wrist_mm"].isnan().tolist() == [False, True, True, False]
    assert found["mpvpe_wrist_mm"][2] == found["right.mpvpe_wrist_mm"][2] and not found["mpjpe_wrist_mm"].isnan().any()


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_prediction_that_is_no_number_is_refused(pair, value):
    predicted, true = pair
    for part in ("joints", "vertices"):
        wrong = predicted.map(torch.clone)
        getattr(wrong.left, part)[2, 3, 1] = value
        with pytest.raises(ValueError, match="1 of 4 predictions have a coordinate that is no number, first row 2"):
            measured(wrong, true)
