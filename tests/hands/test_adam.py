"""Adam for independent problems."""

import torch

from hands.adam import PerPoseAdam


def descend(targets: torch.Tensor, steps: int, patience: int = 20) -> torch.Tensor:
    variables = torch.zeros(len(targets), 2, dtype=torch.float64)
    adam = PerPoseAdam(variables, torch.tensor([0.1, 0.0], dtype=torch.float64), patience)
    for _ in range(steps):
        offset = variables - targets
        adam.step(variables, 2 * offset, offset.square().sum(-1))
    return variables


def test_it_reaches_each_minimum_and_keeps_what_has_no_rate():
    found = descend(torch.tensor([[1.0, 1.0], [-2.0, 5.0]], dtype=torch.float64), 300)
    assert torch.allclose(found[:, 0], torch.tensor([1.0, -2.0], dtype=torch.float64), atol=5e-3)
    assert (found[:, 1] == 0).all()


def test_first_step_is_torchs_but_for_epsilon():
    variables = torch.tensor([[3.0]], dtype=torch.float64)
    PerPoseAdam(variables, torch.tensor([0.01], dtype=torch.float64), 20).step(
        variables, torch.tensor([[7.0]], dtype=torch.float64), torch.tensor([1.0], dtype=torch.float64)
    )
    parameter = torch.nn.Parameter(torch.tensor([3.0], dtype=torch.float64))
    parameter.grad = torch.tensor([7.0], dtype=torch.float64)
    torch.optim.Adam([parameter], lr=0.01, eps=1e-3).step()
    assert torch.allclose(variables[0], parameter, rtol=1e-12)


def test_only_a_pose_without_progress_slows_down():
    variables = torch.zeros(2, 1, dtype=torch.float64)
    adam = PerPoseAdam(variables, torch.ones(1, dtype=torch.float64), patience=3)
    for step in range(10):
        adam.step(variables, torch.ones(2, 1, dtype=torch.float64), torch.tensor([1.0, 0.5**step], dtype=torch.float64))
    assert adam.scale.tolist() == [0.25, 1.0]
    adam.start_over(torch.tensor([True, False]))
    assert adam.scale.tolist() == [1.0, 1.0] and adam.first[:, 0].tolist()[0] == 0
