"""Noise and its removal against the formulas of the paper."""

import math
from itertools import pairwise

import pytest
import torch
from diffusers.schedulers import DDIMScheduler
from torch import Tensor

from models.ihdiff.diffusion import STEPS, Condition, Schedule, sample, standard_noise
from models.ihdiff.network import CleanHands, Denoiser, NetworkConfig


class Believer(Denoiser):
    """Stands in for a network: a smooth, nonlinear belief that depends on the step, the other entries, and nothing learnt."""

    def __init__(self) -> None:
        super().__init__(NetworkConfig(width=2, heads=1, depth=1, shape_width=2))
        self.asked: list[int] = []

    def forward(self, noised: Tensor, step: Tensor) -> CleanHands:
        assert (step == step[0]).all() and len(step) == len(noised)
        self.asked.append(int(step[0]))
        scaled = self.belief(noised, int(step[0]))
        return CleanHands(scaled, self.shape(scaled))

    @staticmethod
    def belief(noised: Tensor, step: int) -> Tensor:
        return torch.tanh(0.8 * noised.roll(1, 1) + math.sin(step))

    def shape(self, scaled: Tensor) -> Tensor:
        return scaled.flatten(1)[:, :20] * 2


def cosine_alphas(dtype: torch.dtype = torch.float64) -> list[float]:
    """ᾱ of steps 0 … T−1 (Nichol & Dhariwal 2021), the noise added in one step held to 0.999, multiplied up in `dtype`."""

    def bar(share: float) -> float:
        return math.cos((share + 0.008) / 1.008 * math.pi / 2) ** 2

    betas = [min(1 - bar((t + 1) / STEPS) / bar(t / STEPS), 0.999) for t in range(STEPS)]
    return (1 - torch.tensor(betas, dtype=dtype)).cumprod(0).tolist()


def algorithm_1(noise: Tensor, steps: list[int], condition: Condition | None = None) -> Tensor:
    """Alg. 1 line by line in float64, but for ᾱ, which has float32's digits in the code; the last step's clean hands."""
    alphas, x, clean = cosine_alphas(torch.float32), noise.double(), noise.double()
    for n, step in enumerate(steps):
        clean = Believer.belief(x, step)
        if condition:
            clean[condition.known] = condition.scaled.double()[condition.known]
        now, after = alphas[step], alphas[steps[n + 1]] if n + 1 < len(steps) else 1.0
        epsilon = (x - math.sqrt(now) * clean) / math.sqrt(1 - now)
        x = math.sqrt(after) * clean + math.sqrt(1 - after) * epsilon
    torch.testing.assert_close(x, clean)  # without noise in it, X_0 is what the network believes
    return clean


def even_steps(count: int) -> list[int]:
    """The paper's steps N … 1 spread over 1 … T, counted from 0."""
    return [round(STEPS * n / count) - 1 for n in range(count, 0, -1)]


@pytest.mark.parametrize("count", [1000, 50, 300, 7, 1])
def test_sampling_is_algorithm_1(count, draws):
    network, noise = Believer(), standard_noise(2, draws).double()
    drawn = sample(network, Schedule(count), noise)
    assert network.asked == even_steps(count)
    torch.testing.assert_close(drawn.scaled, algorithm_1(noise, even_steps(count)), rtol=0, atol=1e-6)
    torch.testing.assert_close(drawn.betas, network.shape(drawn.scaled))
    assert not drawn.scaled.requires_grad


def test_sampling_in_float32_stays_by_it(draws):
    noise = standard_noise(2, draws)
    drawn = sample(Believer(), Schedule(50), noise)
    assert drawn.scaled.dtype == torch.float32
    torch.testing.assert_close(drawn.scaled.double(), algorithm_1(noise, even_steps(50)), rtol=0, atol=1e-4)


def test_every_number_of_steps_is_taken_from_the_noisiest_on():
    for count in (*range(1, STEPS + 1, 37), 61, 103, 300, 457, 999, STEPS):  # 61: floating-point division takes 62
        steps = Schedule(count).steps
        assert len(steps) == count and steps[0] == STEPS - 1 and steps[-1] >= 0
        assert all(a > b for a, b in pairwise(steps))


@pytest.mark.parametrize("count", [1000, 50])
def test_where_n_divides_t_diffusers_takes_the_same_steps(count, draws):
    theirs = DDIMScheduler(
        STEPS,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="sample",
        clip_sample=False,
        timestep_spacing="trailing",
    )
    theirs.set_timesteps(count)
    ours = Schedule(count)
    assert ours.steps == theirs.timesteps.tolist()
    x, clean = standard_noise(2, draws).double(), standard_noise(2, draws).double()
    for step in ours.steps[:: count // 50]:
        torch.testing.assert_close(
            ours.next(x, clean, step), theirs.step(clean, step, x).prev_sample, atol=1e-5, rtol=0
        )


def test_noise_is_that_of_equation_1(draws):
    clean, noise = (standard_noise(4, draws).double() for _ in range(2))
    steps = [0, 1, 500, 999]
    noised = Schedule().noised(clean, noise, torch.tensor(steps))
    for b, step in enumerate(steps):
        alpha = cosine_alphas()[step]
        expected = math.sqrt(alpha) * clean[b] + math.sqrt(1 - alpha) * noise[b]
        torch.testing.assert_close(noised[b], expected, rtol=0, atol=2e-5)  # ᾱ has float32's digits
    torch.testing.assert_close(noised[0], clean[0], rtol=0, atol=0.05)
    torch.testing.assert_close(noised[3], noise[3], rtol=0, atol=1e-3)


def test_alphas_are_the_cosine_schedule():
    ours, exact = Schedule().alphas.double(), torch.tensor(cosine_alphas(), dtype=torch.float64)
    torch.testing.assert_close(ours, exact, rtol=2e-5, atol=0)
    torch.testing.assert_close((1 - ours).sqrt(), (1 - exact).sqrt(), rtol=1e-3, atol=0)
    shares = (torch.arange(1, STEPS, dtype=torch.float64) / STEPS + 0.008) / 1.008 * math.pi / 2
    closed = shares.cos().square() / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    torch.testing.assert_close(ours[:-1], closed, rtol=2e-5, atol=0)  # the last one alone meets the bound of 0.999


def test_slopes_go_through_a_step(draws):
    schedule = Schedule(50)
    noised, clean = (standard_noise(1, draws).double().requires_grad_() for _ in range(2))
    here, there = schedule.steps[20:22]
    now, after = (cosine_alphas()[step] for step in (here, there))
    of_noised = math.sqrt((1 - after) / (1 - now))
    slopes = torch.autograd.grad(schedule.next(noised, clean, here).sum(), (noised, clean))
    expected = (of_noised, math.sqrt(after) - of_noised * math.sqrt(now))
    for slope, value in zip(slopes, expected, strict=True):
        torch.testing.assert_close(slope, torch.full_like(slope, value), rtol=0, atol=1e-5)


CONDITIONS = {
    "right": (Condition.right, list(range(21))),
    "left": (Condition.left, list(range(21, 42))),
    "some joints": (lambda scaled: Condition.joints(scaled, [4, 21, 25]), [4, 21, 25]),
}


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("count", [50, 1])
def test_what_is_known_stays_to_the_last_bit(name, count, draws):
    build, rows = CONDITIONS[name]
    network, noise, given = Believer(), standard_noise(3, draws), standard_noise(3, draws)
    condition, others = build(given), [row for row in range(42) if row not in rows]
    assert condition.known[:, rows].all() and not condition.known[:, others].any()
    drawn = sample(network, Schedule(count), noise, condition)
    assert torch.equal(drawn.scaled[:, rows], given[:, rows])
    assert torch.equal(drawn.betas, network.shape(drawn.scaled))  # of the hands with what is known, not of the belief
    expected = algorithm_1(noise, even_steps(count), condition)
    torch.testing.assert_close(drawn.scaled.double(), expected, rtol=0, atol=1e-4)


def test_what_is_known_changes_the_rest(draws):
    noise, given = standard_noise(1, draws), 3 * standard_noise(1, draws)
    free, bound = (sample(Believer(), Schedule(50), noise, c).scaled for c in (None, Condition.right(given)))
    assert not torch.allclose(free[:, 21:], bound[:, 21:], atol=1e-2)


def test_each_step_is_heard(draws):
    heard = []
    sample(Believer(), Schedule(7), standard_noise(1, draws), on_step=heard.append)
    assert heard == [1] * 7


@pytest.mark.parametrize("count", [0, -3, 1001])
def test_a_number_of_steps_outside_the_schedule_is_refused(count):
    with pytest.raises(ValueError, match=f"{count} sampling steps; must be between 1 and 1000"):
        Schedule(count)


def test_a_seed_means_the_same_noise_and_nothing_else_is_drawn():
    before = torch.get_rng_state()
    first, same, other = (standard_noise(5, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, same) and not torch.equal(first, other)
    assert first.shape == (5, 42, 9)
