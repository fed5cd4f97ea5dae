"""Every term of what is minimised, against a number that was worked out by hand."""

import math

import pytest
import torch
from torch import Tensor

from dataset.assets.gestures import load_gestures
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.pose import TwoHandPose
from models.ihdiff.diffusion import STEPS, Schedule
from models.ihdiff.learning import Batch, denoising_terms
from models.ihdiff.losses import LossConfig, Losses, Truth
from models.ihdiff.network import CleanHands
from models.ihdiff.representation import Standard, constant_entries, pack

CM = 0.01
THUMB, TIP, LEFT_WRIST = 1, 4, 21


@pytest.fixture(scope="module")
def truth(hands) -> Truth:
    """Four pairs of hands."""
    gestures = load_gestures()[:4]
    packed = pack(TwoHandPose.stack([gesture_pose(g, hands[Side.RIGHT], hands[Side.LEFT]) for g in gestures]), hands)
    return Truth(packed.x, packed.betas)


@pytest.fixture(scope="module")
def standard(truth) -> Standard:
    """A scale other than 1 everywhere, so that forgetting it shows."""
    return Standard(truth.x.mean(0), torch.full((42, 9), 0.5))


def believe(truth: Truth, standard: Standard, change: Tensor | float = 0.0, betas: Tensor | float = 0.0) -> CleanHands:
    """The truth with something added, as a network says it."""
    return CleanHands(standard.scale(truth.x + change), truth.betas + betas)


def changed(rows: int | slice | list[int], columns: int | slice, amount: float) -> Tensor:
    change = torch.zeros(42, 9)
    change[rows, columns] = amount
    return change


def terms(losses: Losses, clean: CleanHands, truth: Truth) -> dict[str, float]:
    return {name: value.item() for name, value in losses(clean, truth, torch.zeros(len(truth.x))).items()}


def test_the_truth_costs_nothing(hands, truth, standard):
    found = terms(Losses(LossConfig(), standard, hands), believe(truth, standard), truth)
    assert found == {name: pytest.approx(0, abs=1e-6) for name in ("joints", "rotations", "vertices", "shape")}


def test_the_left_hand_a_centimetre_aside(hands, truth, standard):
    """|Δ| is 1 cm in one of three coordinates, of joints and of vertices, and the right hand adds nothing."""
    clean = believe(truth, standard, changed(slice(21, 42), 0, CM))
    found = terms(Losses(LossConfig(), standard, hands), clean, truth)
    assert found["joints"] == pytest.approx(CM / 3, abs=1e-6)
    assert found["vertices"] == pytest.approx(CM / 3, abs=1e-6)
    assert found["rotations"] == pytest.approx(0, abs=1e-6)
    assert found["shape"] == 0


def test_joints_that_lie_elsewhere_than_their_mesh_cost_joints_alone(hands, truth, standard):
    """20 of the right hand's joints vary, the wrist does not; the mesh hangs on wrists and rotations."""
    clean = believe(truth, standard, changed(THUMB, slice(0, 3), CM))
    found = terms(Losses(LossConfig(), standard, hands), clean, truth)
    assert found["joints"] == pytest.approx(CM / 20, abs=1e-6)
    assert found["vertices"] == pytest.approx(0, abs=1e-6)


def test_a_rotation_entry(hands, truth, standard):
    """Of the right hand's 15 varying rotations one entry is 0.3 off, of the left hand's 16 another: 90 and 96 entries."""
    change = changed(THUMB, 5, 0.3) + changed(LEFT_WRIST, 3, -0.3)
    found = terms(Losses(LossConfig(), standard, hands), believe(truth, standard, change), truth)
    assert found["rotations"] == pytest.approx(0.3 / 90 + 0.3 / 96, abs=1e-6)
    assert found["vertices"] > 1e-3
    assert found["joints"] == pytest.approx(0, abs=1e-6)


def test_a_shape_coefficient(hands, truth, standard):
    """One of ten of the left hand is 0.5 off, which its vertices show."""
    off = torch.zeros(20)
    off[13] = 0.5
    found = terms(Losses(LossConfig(), standard, hands), believe(truth, standard, betas=off), truth)
    assert found["shape"] == pytest.approx(0.5 / 10, abs=1e-6)
    assert found["vertices"] > 1e-6
    assert found["joints"] == pytest.approx(0, abs=1e-6)


def test_each_hand_pair_weighs_the_same(hands, truth, standard):
    change = torch.zeros(4, 42, 9)
    change[2] = changed(slice(21, 42), 0, CM)
    found = terms(Losses(LossConfig(), standard, hands), believe(truth, standard, change), truth)
    assert found["joints"] == pytest.approx(CM / 3 / 4, abs=1e-6)
    assert found["vertices"] == pytest.approx(CM / 3 / 4, abs=1e-6)


def test_what_never_varies_takes_no_part(hands, truth, standard):
    change = constant_entries().float()
    found = terms(Losses(LossConfig(), standard, hands), believe(truth, standard, change), truth)
    assert [found["joints"], found["rotations"]] == pytest.approx([0, 0], abs=1e-6)
    tips = changed([TIP, 21 + TIP], slice(3, 9), 1.0)
    assert terms(Losses(LossConfig(), standard, hands), believe(truth, standard, tips), truth)["vertices"] < 1e-6


@pytest.mark.parametrize("name", ["joints", "rotations", "vertices", "shape", "collision"])
def test_a_weight_multiplies_its_own_term_alone(name, hands, truth, standard, draws):
    clean = believe(truth, standard, 0.1 * torch.randn(4, 42, 9, generator=draws), 0.3)

    def offsets(right: Tensor, left: Tensor) -> Tensor:
        return torch.cat([right, left], dim=1) / 100

    plain, heavy = (
        terms(Losses(config, standard, hands, offsets), clean, truth)
        for config in (LossConfig(), LossConfig(**{name: 7 * getattr(LossConfig(), name)}))
    )
    assert min(plain.values()) > 0
    assert heavy == {term: pytest.approx(value * (7 if term == name else 1)) for term, value in plain.items()}


def test_the_papers_weights_are_the_defaults():
    config = LossConfig()
    assert (config.joints, config.rotations, config.vertices, config.shape, config.collision) == (1, 1, 1, 1, 0.1)


class Finder:
    """Says that every vertex collides by 1 mm along x, −2 mm along y; remembers what it saw."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def __call__(self, right: Tensor, left: Tensor) -> Tensor:
        self.seen.append(right.detach())
        return torch.tensor([0.001, -0.002, 0.0]).expand(len(right), right.shape[1] + left.shape[1], 3)


def test_collisions_are_summed_over_vertices_and_averaged_over_pairs(hands, truth, standard):
    found = terms(Losses(LossConfig(), standard, hands, Finder()), believe(truth, standard), truth)
    vertices = sum(len(model.v_template) for model in hands.values())
    assert found["collision"] == pytest.approx(0.1 * 0.003 * vertices, rel=1e-5)


@pytest.mark.parametrize(("share", "rows"), [(1.0, [2, 0, 3, 1]), (0.5, [2, 0]), (0.1, [2])])
def test_collisions_are_looked_for_in_the_least_noised_hands(share, rows, hands, truth, standard):
    finder, noisiest = Finder(), torch.tensor([20.0, 900.0, 3.0, 700.0])
    losses = Losses(LossConfig(collision_share=share), standard, hands, finder)
    everything = Finder()
    Losses(LossConfig(), standard, hands, everything)(believe(truth, standard), truth, torch.zeros(4))
    losses(believe(truth, standard), truth, -noisiest)
    of_all = everything.seen[0]
    for row, seen in zip(rows, finder.seen[0], strict=True):
        assert (of_all - seen).abs().amax((1, 2)).argmin() == row


def test_collisions_of_no_weight_are_not_looked_for(hands, truth, standard):
    finder = Finder()
    assert "collision" not in terms(
        Losses(LossConfig(collision=0), standard, hands, finder), believe(truth, standard), truth
    )
    assert not finder.seen


def test_every_term_pulls_at_what_the_network_said(hands, truth, standard, draws):
    scaled = believe(truth, standard, 0.1 * torch.randn(4, 42, 9, generator=draws)).scaled.requires_grad_()
    betas = (truth.betas + 0.3).requires_grad_()
    losses = Losses(LossConfig(), standard, hands, lambda right, left: torch.cat([right, left], dim=1))
    found = losses(CleanHands(scaled, betas), truth, torch.zeros(4))
    pulls = {"joints": [scaled], "rotations": [scaled], "vertices": [scaled, betas], "shape": [betas]}
    for name, pulled in (pulls | {"collision": [scaled, betas]}).items():
        for slope in torch.autograd.grad(found[name], pulled, retain_graph=True):
            assert slope.isfinite().all() and slope.any()


def test_half_precision_is_compared_in_float32(hands, truth, standard):
    clean = believe(truth, standard)
    half = CleanHands(clean.scaled.bfloat16(), clean.betas.bfloat16())
    found = Losses(LossConfig(), standard, hands)(half, truth, torch.zeros(4))
    assert {value.dtype for value in found.values()} == {torch.float32}


class Knowing(torch.nn.Module):
    """A network that knows the truth, and remembers what it was asked."""

    def __init__(self, clean: CleanHands) -> None:
        super().__init__()
        self.clean, self.steps, self.noised = clean, [], []

    def forward(self, noised: Tensor, step: Tensor) -> CleanHands:
        self.steps.append(step)
        self.noised.append(noised)
        return self.clean


def test_a_training_step_noises_each_pair_by_its_own_step(hands, truth, standard):
    finder, schedule, batch = Finder(), Schedule(), Batch(truth.x, truth.betas)
    network = Knowing(believe(truth, standard))
    losses = Losses(LossConfig(collision_share=0.25), standard, hands, finder)
    for seed in (1, 1, 2):
        found = denoising_terms(network, batch, losses, schedule, torch.Generator().manual_seed(seed))
        assert sum(value.item() for name, value in found.items() if name != "collision") == pytest.approx(0, abs=1e-5)
    assert torch.equal(network.noised[0], network.noised[1]) and not torch.equal(network.noised[0], network.noised[2])
    for step, noised in zip(network.steps, network.noised, strict=True):
        alpha = schedule.alphas[step].double()[:, None, None]
        noise = (noised - alpha.sqrt() * standard.scale(truth.x)) / (1 - alpha).sqrt()
        assert noise.std() == pytest.approx(1, abs=0.06) and noise.mean() == pytest.approx(0, abs=0.06)
    least = int(network.steps[0].argmin())
    exact = Finder()
    Losses(LossConfig(), standard, hands, exact)(believe(truth, standard), truth, torch.zeros(4))
    torch.testing.assert_close(finder.seen[0][0], exact.seen[0][least])


def test_all_steps_are_trained_alike(hands, truth, standard):
    rows = torch.arange(4).repeat(500)
    many = Truth(truth.x[rows], truth.betas[rows])
    network = Knowing(believe(many, standard))

    class Nothing(Losses):
        def __call__(self, clean: CleanHands, truth: Truth, cleanest: Tensor) -> dict[str, Tensor]:
            return {}

    nothing, seeded = Nothing(LossConfig(), standard, hands), torch.Generator().manual_seed(5)
    denoising_terms(network, Batch(many.x, many.betas), nothing, Schedule(), seeded)
    counts = torch.histc(network.steps[0].float(), 10, 0, STEPS)
    assert ((counts - 200).abs() < 5 * math.sqrt(200)).all()
    assert network.steps[0].max() > 990 and network.steps[0].min() < 10


@pytest.mark.parametrize("name", ["joints", "rotations", "vertices", "shape", "collision"])
def test_weights_below_0_are_refused(name):
    with pytest.raises(ValueError, match=f"losses.{name} is -1.0, must be 0 or more"):
        LossConfig(**{name: -1.0})


@pytest.mark.parametrize("share", [0.0, 1.5, -0.1])
def test_shares_of_no_batch_are_refused(share):
    with pytest.raises(ValueError, match=f"losses.collision_share is {share}, must lie above 0 and not above 1"):
        LossConfig(collision_share=share)
