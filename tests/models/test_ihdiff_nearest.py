"""Nearest neighbours against a plain double loop."""

import pytest
import torch

from models.ihdiff import nearest as search
from models.ihdiff.nearest import Bank, find_nearest, joints_of
from models.ihdiff.representation import surfaces


def by_hand(bank: torch.Tensor, joints: torch.Tensor, seen: torch.Tensor) -> tuple[list[int], list[float]]:
    rows, distances = [], []
    for target, mask in zip(joints, seen, strict=True):
        means = [
            sum((a - b).pow(2).sum().sqrt().item() for a, b, m in zip(row, target, mask, strict=True) if m)
            / mask.sum().item()
            for row in bank
        ]
        rows.append(means.index(min(means)))
        distances.append(min(means))
    return rows, distances


@pytest.mark.parametrize("block_bytes", [2**26, 42 * 4 * 4 * 7])
def test_the_nearest_row_by_the_seen_joints(draws, monkeypatch, block_bytes) -> None:
    monkeypatch.setattr(search, "_BLOCK_BYTES", block_bytes)  # the second: seven rows of the bank at a time
    bank, joints = torch.randn(30, 42, 3, generator=draws), torch.randn(4, 42, 3, generator=draws)
    seen = torch.rand(4, 42, generator=draws) < 0.5
    joints[~seen] = torch.nan
    found = find_nearest(bank, joints, seen)
    rows, distances = by_hand(bank, joints, seen)
    assert found.rows.tolist() == rows
    torch.testing.assert_close(found.distance, torch.tensor(distances))


def test_a_hidden_joint_does_not_speak(draws) -> None:
    bank = torch.randn(2, 42, 3, generator=draws)
    joints = bank[1:].clone()
    joints[0, 7] += 100  # as seen, it would speak for neither row more than for the other
    bank[0] = bank[1]
    bank[0, 7] = joints[0, 7]  # the first row is nearer by joint 7 alone
    seen = torch.ones(1, 42, dtype=torch.bool)
    assert find_nearest(bank, joints, seen).rows.tolist() == [0]
    bank[0, 8] += 0.01
    seen[0, 7] = False
    assert find_nearest(bank, joints, seen).rows.tolist() == [1]


def test_a_member_finds_itself_to_rounding_and_the_first_of_twins_wins(draws) -> None:
    bank = 0.1 * torch.randn(50, 42, 3, generator=draws) + 0.5
    bank[31] = bank[12]
    found = find_nearest(bank, bank)
    assert found.rows.tolist() == [12 if row == 31 else row for row in range(50)]
    assert found.distance.max() == 0  # differences of squares would leave tenths of a millimetre


def test_a_bank_has_the_joints_of_its_surfaces(hands, draws) -> None:
    x = torch.randn(5, 42, 9, generator=draws)
    betas = torch.randn(5, 20, generator=draws)
    bank = Bank.of(x, betas, hands)
    torch.testing.assert_close(bank.joints, surfaces(x, betas, hands).joints)
    torch.testing.assert_close(joints_of(x, betas, hands, block=2), bank.joints)


def test_an_empty_bank_and_an_unseen_pair_are_refused(draws) -> None:
    joints = torch.randn(2, 42, 3, generator=draws)
    with pytest.raises(ValueError, match="holds no hands"):
        find_nearest(joints[:0], joints)
    seen = torch.ones(2, 42, dtype=torch.bool)
    seen[1] = False
    with pytest.raises(ValueError, match="pair 1 no joint"):
        find_nearest(joints, joints, seen)
