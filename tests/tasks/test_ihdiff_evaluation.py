"""The tables of IHDiff's paper: numbers that can be computed by hand, and rules that hold for any network."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dataset.assets.gestures import load_gestures
from dataset.errors import InputError
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.pose import HandPose, TwoHandPose
from hands.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from models.ihdiff.checkpoint import IHDiff, TrainedVAE
from models.ihdiff.network import Denoiser, NetworkConfig
from models.ihdiff.representation import PackedHands, Placement, Standard, Surfaces, pack
from models.ihdiff.vae import VAE, VAEConfig
from tasks.ihdiff.evaluation import table1, table2, table3
from tasks.ihdiff.evaluation.judge import Judge
from tasks.ihdiff.sheets import write_poses
from tasks.result_folder import plain
from tests.models.gaussian_hands import GaussianDenoiser, varied_gestures

NAMES = ["clasp", "prayer", "hand_heart", "fist_bump"]


@pytest.fixture(scope="module")
def poses(hands) -> TwoHandPose:
    gestures = load_gestures(names=tuple(NAMES))
    return TwoHandPose.stack([gesture_pose(g, hands[Side.RIGHT], hands[Side.LEFT]) for g in gestures])


@pytest.fixture(scope="module")
def judge(hands) -> Judge:
    return Judge.build(hands, 3, "cpu")


@pytest.fixture(scope="module")
def truth(poses, hands, judge) -> table2.Truth:
    return table2.truth_of(poses, hands, judge)


@pytest.fixture(scope="module")
def known(hands):
    """A network that knows a normal distribution of gestures, in closed form."""
    packed = varied_gestures(hands, 8, torch.Generator().manual_seed(0))
    standard = Standard.of(packed.x)
    return SimpleNamespace(network=GaussianDenoiser(standard.scale(packed.x)), standard=standard)


def moved_left(packed: PackedHands, metres: float) -> torch.Tensor:
    x = packed.x.clone()
    x[:, 21:, 0] += metres
    return x


def test_samples_are_measured_as_by_hand(poses, hands, judge):
    """One pair and the same with its left hand moved by 10 mm: half of all vertices are 10 mm apart, so APD is 5 mm."""
    packed = pack(poses[[0]], hands)
    x, betas = torch.cat([packed.x, moved_left(packed, 0.01)]), packed.betas.repeat(2, 1)
    found = table1.measured(x, betas, torch.zeros(5, 126), judge, 0)
    assert found["APD_mm"] == pytest.approx(5, abs=1e-3) and found["samples"] == 2 and found["failed"] == 0
    assert found["diversity_mm"] == pytest.approx(10 * 21**0.5, rel=1e-4), "21 joints, 10 mm each"
    assert np.isnan(found["precision"]), "two samples have no three neighbours"
    apart = table1.measured(moved_left(packed, 1.0), packed.betas, torch.zeros(5, 126), judge, 0)
    assert apart["in_contact_percent"] == 0 and apart["penetration_volume_cm3"] == 0


def test_real_hands_cover_themselves_and_a_lost_sample_is_counted(poses, hands, judge, truth):
    x = truth.packed.x.clone()
    real = table1.features(truth.meshes)
    found = table1.measured(x, truth.packed.betas, real, judge, 0)
    assert found["precision"] == found["recall"] == 1 and found["in_contact_percent"] > 0
    assert found["collision_percent"] == pytest.approx(np.mean(found["each"]["collision_percent"]))
    assert found["penetration_volume_cm3"] == pytest.approx(np.mean(found["each"]["penetration_volume_cm3"]))
    x[2, 5] = torch.nan
    lost = table1.measured(x, truth.packed.betas, real, judge, 0)
    rest = [0, 1, 3]
    without = table1.measured(x[rest], truth.packed.betas[rest], real, judge, 0)
    assert lost["samples"] == 4 and lost["failed"] == 1 and lost["APD_mm"] == without["APD_mm"]
    assert lost["each"] == without["each"]


@pytest.mark.parametrize("kind", ["ihdiff", "vae"])
def test_samples_do_not_depend_on_the_batch(kind, hands, judge):
    model = (
        IHDiff(Denoiser(NetworkConfig(width=16, heads=2, depth=1)).eval(), Standard())
        if kind == "ihdiff"
        else TrainedVAE(VAE(VAEConfig(width=16, heads=2, layers=1, latents=2)).eval(), Standard())
    )
    one, other = (table1.drawn(model, 4, 3, 7, Judge(hands, judge.search, batch, "cpu"), "") for batch in (4, 3))
    assert torch.allclose(one[0], other[0], atol=1e-5) and torch.allclose(one[1], other[1], atol=1e-5)
    assert not torch.allclose(one[0], table1.drawn(model, 4, 3, 8, judge, "")[0], atol=1e-2)


def test_targets_are_the_same_for_every_method(truth):
    one, other = (table2.targets_of(truth, "jitter", 3) for _ in range(2))
    assert torch.equal(one.joints, other.joints)
    assert not torch.equal(one.joints, table2.targets_of(truth, "jitter", 4).joints)
    assert (~table2.targets_of(truth, "partial", 3).seen).sum(1).tolist() == [4] * 4


def test_a_search_finds_the_hands_themselves(poses, hands, judge, truth):
    bank = table2.bank_of(poses, hands)
    found = table2.summary(table2.by_search(bank, table2.targets_of(truth, "partial", 0), truth, judge), 0)
    assert found["vertex_error_mm"] == 0 and found["contact_accuracy_percent"] == 100
    worse = table2.bank_of(poses[[0, 0, 0]], hands)
    found = table2.by_search(worse, table2.targets_of(truth, "clean", 0), truth, judge)
    assert found["vertex_error_mm"][0] == 0 and min(found["vertex_error_mm"][1:]) > 5


def test_errors_are_aligned_at_the_right_wrist_and_nowhere_else(truth, judge):
    def error(meshes: Surfaces) -> float:
        return table2.scored(meshes, truth.meshes, judge)["vertex_error_mm"][0]

    assert error(Surfaces(*(points + 0.1 for points in truth.meshes))) == pytest.approx(0, abs=1e-3)
    right, left, joints = truth.meshes
    assert error(Surfaces(right, left + torch.tensor([0.0, 0.01, 0.0]), joints)) == pytest.approx(5, abs=1e-3)


@pytest.mark.parametrize("kind", ["clean", "partial"])
def test_a_network_that_knows_hands_comes_near_them(kind, known, judge, truth):
    """The paper's steps are too long for a linear network: it comes nearer than the average hands, no more is asked."""
    found = table2.by_network(known, table2.targets_of(truth, kind, 0), truth, 40, 0, judge, "")
    mean = judge.meshes(known.standard.mean[None].repeat(4, 1, 1), torch.zeros(4, 20))
    guessed = table2.scored(mean, truth.meshes, judge)["vertex_error_mm"]
    assert np.mean(found["vertex_error_mm"]) < 0.6 * np.mean(guessed)


def test_one_lost_pair_takes_no_other_with_it():
    def one(rows: slice, draws: torch.Generator, on_step) -> table2.Found:
        on_step(5)
        if rows.start <= 2 < rows.stop:
            raise ValueError("left all numbers")
        count = rows.stop - rows.start
        number = torch.arange(rows.start, rows.stop, dtype=torch.float32)
        placement = Placement(torch.eye(3).repeat(count, 1, 1), torch.zeros(count, 3))
        packed = PackedHands(number[:, None, None].repeat(1, 42, 9), torch.zeros(count, 20), placement)
        return table2.Found(packed, number)

    found = table2.fitted_in_batches(one, 7, 5, 0, 4, "")
    assert np.array_equal(found.distance.numpy(), [0, 1, np.nan, 3, 4, 5, 6], equal_nan=True)
    assert found.packed.x[2].isnan().all() and found.packed.x[[0, 1, 3, 4, 5, 6]].isfinite().all()


def test_a_summary_is_what_is_computed_by_hand():
    each = {
        "vertex_error_mm": [1.0, 3.0, None],
        "collision_percent": [0.0, 2.0, None],
        "contact_correct": [2, 0, 0],
        "contact_annotated": [2, 6, 2],
    }
    found = table2.summary(each, 0)
    assert found["vertex_error_mm"] == 2 and found["collision_percent"] == 1 and found["failed"] == 1
    assert found["contact_accuracy_percent"] == pytest.approx(20), "2 of 10 vertices; a lost pair's count too"
    assert found["contact_accuracy_by_pose_percent"] == pytest.approx(100 / 3)
    assert "(1 failed)" in table2.cell(found)
    nothing = table2.summary({name: values[2:] for name, values in each.items()}, 0)
    assert np.isnan(nothing["vertex_error_mm"]) and table2.cell(plain(nothing)).startswith("– [–, –] / – / 0.00")


def test_an_interval_is_that_of_a_mean():
    draws = np.random.default_rng(0)
    low, high = table2.interval(draws.normal(10, 2, size=400), np.random.default_rng(1))
    assert high - low == pytest.approx(2 * 1.96 * 2 / 400**0.5, rel=0.15) and low < 10 < high
    assert table2.interval(np.full(5, 3.0), np.random.default_rng(0)) == [3, 3]


def test_a_simulated_regressor_errs_as_it_says(poses, hands):
    many = poses[[0] * 300]
    names = [f"p{number}" for number in range(300)]
    wrong = table3.simulated(names, many, 5)
    for side in Side:
        apart = wrong.side(side).hand_pose - many.side(side).hand_pose
        assert float(apart.std()) == pytest.approx(0.12, rel=0.05)
        assert float((wrong.side(side).global_orient - many.side(side).global_orient).std()) == pytest.approx(
            0.05, rel=0.1
        )
    assert float((wrong.left.transl - many.left.transl).std()) == pytest.approx(0.008, rel=0.1)
    assert torch.equal(wrong.right.transl, many.right.transl)
    alone = table3.simulated(names[7:8], poses[[0]], 5)
    assert torch.equal(alone.left.hand_pose, wrong.left.hand_pose[7:8]), "a name decides"
    assert not torch.equal(table3.simulated(names[7:8], poses[[0]], 6).left.hand_pose, alone.left.hand_pose)


def test_a_regressor_that_turns_everything_is_wrong(poses, hands, judge, truth):
    right = table3.unrefined(table3.regressed_of(poses, hands, judge), truth, judge)
    assert max(right["vertex_error_mm"]) < 1e-2
    turn = axis_angle_to_matrix(torch.tensor([[0.0, 0.0, 0.2]]))
    sides = []
    for side in Side:
        pose = poses.side(side)
        rest = hands[side].rest_joints(pose.betas)[:, 0]
        orient = matrix_to_axis_angle(turn @ axis_angle_to_matrix(pose.global_orient))
        sides.append(HandPose(orient, pose.hand_pose, pose.betas, (rest + pose.transl) @ turn[0].T - rest))
    wrong = table3.unrefined(table3.regressed_of(TwoHandPose(*sides), hands, judge), truth, judge)
    assert min(wrong["vertex_error_mm"]) > 5
    assert wrong["collision_percent"] == pytest.approx(right["collision_percent"], abs=0.2)


def test_regressing_collisions_takes_them_out(poses, hands, judge, truth):
    pushed = TwoHandPose(poses.right, poses.left.moved((poses.right.transl - poses.left.transl) * 0.15))
    regressed = table3.regressed_of(pushed, hands, judge)
    before = table3.unrefined(regressed, truth, judge)["collision_percent"]
    after = table3.by_collision_regression(regressed, truth, 30, 0, judge, "")["collision_percent"]
    assert np.mean(before) > 3 and np.mean(after) < 0.5 * np.mean(before)


def test_a_network_refines_from_the_regressor(known, poses, hands, judge, truth, monkeypatch):
    monkeypatch.setattr(table3, "STEP", 0.15)  # the paper's is too long for a linear network
    regressed = table3.regressed_of(table3.simulated(NAMES, poses, 0), hands, judge)
    found = table3.by_network(known, regressed, truth, 40, 0, judge, "")
    alone = table3.unrefined(regressed, truth, judge)
    mean = judge.meshes(known.standard.mean[None].repeat(4, 1, 1), torch.zeros(4, 20))
    guessed = table2.scored(mean, truth.meshes, judge)["vertex_error_mm"]
    assert np.mean(found["vertex_error_mm"]) < 0.6 * np.mean(guessed) and found != alone


def test_answers_are_matched_by_name(poses, hands, tmp_path):
    file = tmp_path / "answers.parquet"
    write_poses(file, ["c", "nobody", "a"], poses[[2, 1, 0]], hands)
    rows, answers = table3.read_regressor(file, ["a", "b", "c"], hands)
    assert rows == [0, 2] and torch.allclose(answers.left.hand_pose, poses.left.hand_pose[[0, 2]])
    assert torch.allclose(answers.right.transl, poses.right.transl[[0, 2]]), "where they are"
    with pytest.raises(InputError, match="has no answer for any of the 1 poses"):
        table3.read_regressor(file, ["z"], hands)
    write_poses(file, ["a", "a"], poses[[0, 1]], hands)
    with pytest.raises(InputError, match="two answers for a"):
        table3.read_regressor(file, ["a"], hands)
