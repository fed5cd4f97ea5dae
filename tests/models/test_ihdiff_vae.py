"""The baseline: what flows where, its divergence, and that latent hands say something."""

import pytest
import torch

from dataset.assets.gestures import load_gestures
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.pose import TwoHandPose
from models.ihdiff.learning import Batch
from models.ihdiff.losses import LossConfig, Losses, Truth
from models.ihdiff.network import CleanHands
from models.ihdiff.representation import Standard, pack
from models.ihdiff.vae import VAE, Latent, VAEConfig, latent_noise, sample_vae, vae_terms

SMALL = {"width": 16, "heads": 2, "layers": 2, "shape_width": 8}


def network(seed: int = 0, **sizes) -> VAE:
    """A small one that drops nothing."""
    return VAE(VAEConfig(**SMALL | sizes), torch.Generator().manual_seed(seed)).eval()


@pytest.fixture(scope="module")
def batch(hands) -> Batch:
    """Twelve pairs of hands."""
    gestures = load_gestures()[::4][:12]
    packed = pack(TwoHandPose.stack([gesture_pose(g, hands[Side.RIGHT], hands[Side.LEFT]) for g in gestures]), hands)
    return Batch(packed.x, packed.betas)


@pytest.fixture(scope="module")
def losses(hands, batch) -> Losses:
    return Losses(LossConfig(), Standard.of(batch.x), hands)


def random_latent(draws: torch.Generator) -> Latent:
    return Latent(*torch.randn(2, 3, 7, 16, generator=draws, dtype=torch.float64))


def test_the_papers_sizes_are_the_defaults():
    whole = VAE()
    assert (whole.config.latents, whole.config.width, whole.config.layers, whole.config.kl) == (7, 256, 8, 0.01)
    assert len(whole.encoder.mix.layers) == len(whole.decoder.layers) == 8


def test_every_joint_is_heard_and_every_latent_token_is_asked(draws):
    vae, scaled = network(), torch.randn(3, 42, 9, generator=draws).requires_grad_()
    latent = vae.encode(scaled)
    assert latent.mean.shape == latent.log_variance.shape == (3, 7, 16)
    for part in latent:
        for token in range(7):
            (slope,) = torch.autograd.grad(part[:, token].square().sum(), scaled, retain_graph=True)
            assert (slope.abs().amax(-1) > 1e-9).all()
    z = torch.randn(3, 7, 16, generator=draws).requires_grad_()
    clean = vae.decode(z)
    assert clean.scaled.shape == (3, 42, 9) and clean.betas.shape == (3, 20)
    assert torch.equal(clean.betas, vae.shape(clean.scaled))
    for hand in clean.scaled.split(21, dim=1):
        (slope,) = torch.autograd.grad(hand.square().sum(), z, retain_graph=True)
        assert (slope.abs().amax(-1) > 1e-9).all()


def test_latent_tokens_and_joints_are_told_apart_by_their_place(draws):
    vae, z = network(), torch.randn(1, 7, 16, generator=draws)
    assert not torch.allclose(vae.decode(z).scaled, vae.decode(z.flip(1)).scaled, atol=1e-4)
    for hand in vae.decode(z).scaled[0].split(21):
        assert torch.pdist(hand).min() > 1e-5
    scaled = torch.randn(1, 42, 9, generator=draws)
    swapped = torch.cat([scaled[:, :21].flip(1), scaled[:, 21:]], dim=1)
    assert not torch.allclose(vae.encode(scaled).mean, vae.encode(swapped).mean, atol=1e-5)


def test_hands_enter_and_leave_by_their_own_layers(draws):
    vae, scaled = network(), torch.randn(1, 21, 9, generator=draws).repeat(1, 2, 1)
    with torch.no_grad():
        vae.enter[1].weight.zero_()
        vae.leave[0].weight.zero_()
    scaled.requires_grad_()
    (slope,) = torch.autograd.grad(vae.encode(scaled).mean.square().sum(), scaled)
    assert slope[:, :21].any() and not slope[:, 21:].any()
    clean = vae.decode(torch.randn(1, 7, 16, generator=draws)).scaled
    assert not clean[:, :21].any() and clean[:, 21:].any()


def test_going_through_is_encoding_drawing_and_decoding(draws):
    vae, scaled, noise = network(), torch.randn(3, 42, 9, generator=draws), torch.randn(3, 7, 16, generator=draws)
    clean, latent = vae(scaled, noise)
    mean, log_variance = vae.encode(scaled)
    assert torch.equal(latent.mean, mean) and torch.equal(latent.log_variance, log_variance)
    torch.testing.assert_close(clean.scaled, vae.decode(mean + log_variance.exp().sqrt() * noise).scaled)


def test_divergence_is_that_of_normal_distributions(draws):
    latent = random_latent(draws)
    normal = torch.distributions.Normal(latent.mean, (0.5 * latent.log_variance).exp())
    expected = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(latent.divergence(), expected)
    assert not Latent(*torch.zeros(2, 1, 7, 16)).divergence().any()


def test_drawn_latent_hands_have_the_mean_and_variance_they_should(draws):
    latent = Latent(*(part.expand(4000, 2, 3) for part in torch.randn(2, 1, 2, 3, generator=draws)))
    drawn = latent.draw(torch.randn(4000, 2, 3, generator=draws))
    torch.testing.assert_close(drawn.mean(0), latent.mean[0], rtol=0, atol=0.15)
    torch.testing.assert_close(drawn.var(0).log(), latent.log_variance[0], rtol=0, atol=0.15)


def test_what_is_minimised_is_the_losses_and_the_mean_divergence(batch, losses):
    vae = network(kl=0.5)
    found = vae_terms(vae, batch, losses, torch.Generator().manual_seed(4))
    clean, latent = vae(losses.standard.scale(batch.x), latent_noise(vae.config, 12, torch.Generator().manual_seed(4)))
    assert set(found) == {"joints", "rotations", "vertices", "shape", "kl"}
    torch.testing.assert_close(found["kl"], 0.5 * latent.divergence().mean())
    varying = ((losses.standard.restore(clean.scaled) - batch.x).abs()[..., :3]).split(21, dim=1)
    torch.testing.assert_close(found["joints"], varying[0][:, 1:].mean() + varying[1].mean())


def test_one_generator_decides_the_latent_samples(batch, losses):
    before = torch.get_rng_state()
    first, same, other = (
        vae_terms(network(), batch, losses, torch.Generator().manual_seed(seed))["joints"] for seed in (1, 1, 2)
    )
    assert first == same != other
    assert torch.equal(torch.get_rng_state(), before)


def test_collisions_are_looked_for_in_a_share_of_the_batch(hands, batch, losses):
    seen = []

    def offsets(right: torch.Tensor, left: torch.Tensor) -> torch.Tensor:
        seen.append(len(right))
        return torch.cat([right, left], dim=1)

    shared = Losses(LossConfig(collision_share=0.25), losses.standard, hands, offsets)
    assert vae_terms(network(), batch, shared, torch.Generator().manual_seed(1))["collision"] > 0
    assert seen == [3]


def test_a_wrapped_network_is_trained_as_itself(batch, losses):
    class Wrapper(torch.nn.Module):
        def __init__(self, module: torch.nn.Module) -> None:
            super().__init__()
            self.module, self.calls = module, 0

        def forward(self, *inputs: torch.Tensor) -> tuple:
            self.calls += 1
            return self.module(*inputs)

    wrapped = Wrapper(Wrapper(network()))
    found, plain = (vae_terms(n, batch, losses, torch.Generator().manual_seed(1)) for n in (wrapped, network()))
    assert found == plain
    assert wrapped.calls == 1  # gradients are gathered by the wrapper's own call


def test_every_weight_is_trained(batch, losses):
    vae = network().train()
    sum(vae_terms(vae, batch, losses, torch.Generator().manual_seed(1)).values()).backward()
    assert [name for name, weight in vae.named_parameters() if not weight.grad.any()] == []


class MatrixAlone(Losses):
    """A quick stand-in for the losses, which have tests of their own."""

    def __call__(self, clean: CleanHands, truth: Truth, cleanest: torch.Tensor) -> dict[str, torch.Tensor]:
        scaled = self.standard.scale(truth.x)
        return {"matrix": (clean.scaled - scaled).abs().mean(), "shape": (clean.betas - truth.betas).abs().mean()}


def test_it_learns_and_latent_hands_tell_one_pair_from_another(hands, batch, losses):
    vae = VAE(VAEConfig(32, 2, 1, ratio=2, dropout=0.0, shape_width=16), torch.Generator().manual_seed(0)).train()
    adam, draws, history = torch.optim.Adam(vae.parameters(), 3e-3), torch.Generator().manual_seed(1), []
    quick, few = MatrixAlone(losses.config, losses.standard, hands), Batch(batch.x[:2], batch.betas[:2])
    for _ in range(180):
        terms = vae_terms(vae, few, quick, draws)
        adam.zero_grad()
        sum(terms.values()).backward()
        adam.step()
        history.append(terms["matrix"].item())
    vae.eval()
    assert sum(history[-10:]) < sum(history[:10]) / 2
    scaled = losses.standard.scale(few.x)
    back = vae.decode(vae.encode(scaled).mean).scaled
    assert torch.cdist(back.flatten(1), scaled.flatten(1)).argmin(1).tolist() == [0, 1]


def test_samples_are_decoded_noise(draws):
    vae = network()
    noise = latent_noise(vae.config, 5, draws)
    assert noise.shape == (5, 7, 16)
    drawn = sample_vae(vae, noise)
    clean = vae.decode(noise)
    torch.testing.assert_close(drawn.scaled, clean.scaled)
    torch.testing.assert_close(drawn.betas, clean.betas)
    assert not drawn.scaled.requires_grad
    torch.testing.assert_close(sample_vae(vae, noise[2:3]).scaled, drawn.scaled[2:3])


def test_one_generator_makes_one_network_and_nothing_else_is_drawn():
    before = torch.get_rng_state()
    first, same, other = (network(seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["decoder.learnt"], other["decoder.learnt"])
    assert all(value.isfinite().all() and value.device.type == "cpu" for value in first.values())
    assert first["decoder.learnt"].std() == pytest.approx(0.02, rel=0.2)


def test_dropout_is_of_training_alone(draws):
    vae, z = network(dropout=0.5), torch.randn(3, 7, 16, generator=draws)
    assert torch.equal(vae.decode(z).scaled, vae.decode(z).scaled)
    vae.train()
    assert not torch.equal(vae.decode(z).scaled, vae.decode(z).scaled)


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ({"width": 30, "heads": 4}, r"network.width is 30: must be even and a multiple of network.heads \(4\)"),
        ({"width": 15, "heads": 5}, "network.width is 15"),
        ({"heads": 0}, "network.width is 256"),
        ({"layers": 0}, "must be 1 or more"),
        ({"latents": 0}, "must be 1 or more"),
        ({"ratio": 0}, "must be 1 or more"),
        ({"shape_width": 0}, "must be 1 or more"),
        ({"dropout": 1.0}, r"dropout in \[0, 1\)"),
        ({"kl": -0.1}, "network.kl is -0.1, must be 0 or more"),
        ({"kl": float("nan")}, "network.kl is nan, must be 0 or more"),
    ],
)
def test_sizes_that_make_no_network_are_refused(sizes, sentence):
    with pytest.raises(ValueError, match=sentence):
        VAEConfig(**sizes)
