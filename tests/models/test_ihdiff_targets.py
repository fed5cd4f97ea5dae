"""Spoilt targets: what is changed, what is not, and that a seed means the same targets for all."""

import pytest
import torch

from models.ihdiff.targets import KINDS, SpoilConfig, spoil


@pytest.fixture
def joints(draws) -> torch.Tensor:
    return 0.1 * torch.randn(300, 42, 3, generator=draws)


def test_clean_targets_are_the_joints(joints, draws) -> None:
    targets = spoil("clean", joints, draws)
    assert torch.equal(targets.joints, joints)
    assert targets.seen.all()


def test_jitter_is_normal_with_10_mm_on_all_joints(joints, draws) -> None:
    noise = spoil("jitter", joints, draws).joints - joints
    assert noise.std().item() == pytest.approx(0.01, rel=0.02)  # of 37,800 numbers: ±0.4 %
    assert noise.mean().item() == pytest.approx(0, abs=3e-4)
    assert noise.std((0, 2)).min() > 0.009
    assert (noise.abs() < 0.01).float().mean().item() == pytest.approx(0.683, abs=0.01)


def test_swap_exchanges_one_joint_of_both_hands(joints, draws) -> None:
    moved = spoil("swap", joints, draws).joints
    rows = [(a != b).any(-1).nonzero()[:, 0].tolist() for a, b in zip(joints, moved, strict=True)]
    assert all(len(pair) == 2 and pair[1] == pair[0] + 21 for pair in rows)
    assert {pair[0] for pair in rows} == set(range(21))
    for before, after, (right, left) in zip(joints, moved, rows, strict=True):
        assert torch.equal(after[right], before[left])
        assert torch.equal(after[left], before[right])


def test_swap_with_any_joint_of_the_other_hand(joints, draws) -> None:
    moved = spoil("swap", joints, draws, SpoilConfig(swapped="any")).joints
    rows = [(a != b).any(-1).nonzero()[:, 0].tolist() for a, b in zip(joints, moved, strict=True)]
    assert all(pair[0] < 21 <= pair[1] for pair in rows)
    assert any(pair[1] != pair[0] + 21 for pair in rows)


def test_partial_hides_four_joints_each(joints, draws) -> None:
    targets = spoil("partial", joints, draws)
    assert torch.equal(targets.joints, joints)
    assert ((~targets.seen).sum(-1) == 4).all()
    assert (~targets.seen).any(0).all()  # any joint can be hidden
    assert len({tuple(row.tolist()) for row in targets.seen}) > 290  # each pair its own


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_means_the_same_targets_however_many_follow(joints, kind) -> None:
    draw = lambda count: spoil(kind, joints[:count], torch.Generator().manual_seed(7))  # noqa: E731
    many, few = draw(30), draw(3)
    for one, other in zip(many, few, strict=True):
        assert torch.equal(one[:3], other)
    before = torch.get_rng_state()
    spoil(kind, joints[:2], torch.Generator().manual_seed(7))
    assert torch.equal(torch.get_rng_state(), before)


def test_nothing_in_nothing_out(joints, draws) -> None:
    targets = spoil("partial", joints[:0], draws)
    assert targets.joints.shape == (0, 42, 3)
    assert targets.seen.shape == (0, 42)


def test_wrong_words_and_numbers_are_refused(joints, draws) -> None:
    with pytest.raises(ValueError, match="jitter is -1"):
        SpoilConfig(jitter=-1)
    with pytest.raises(ValueError, match="hidden is 42"):
        SpoilConfig(hidden=42)
