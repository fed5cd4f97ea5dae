"""Training: it learns, and one seed makes one network."""

import pytest
import torch

from models.labelled_poses import folds, generator, label
from models.naturalness import Fit, NaturalnessTraining, discriminator_loss, fit
from models.naturalness_metrics import held_out_metrics, judge

SMALL = NaturalnessTraining(samples=1000, epochs=3, explorers=20, explore_from=1, batch=250)


def train(library, seed: int, config: NaturalnessTraining = SMALL) -> Fit:
    """A network in a second or two."""
    return fit(label(library, config.samples, config.labels, generator(seed, "learn")), config, generator(seed, "fit"))


def weights(trained: Fit) -> torch.Tensor:
    """All of them in a row."""
    return torch.cat([weight.flatten() for weight in trained.network.parameters()])


def test_with_labels_one_and_zero_the_loss_is_half_of_equation_7():
    natural, generated = torch.tensor([0.9, 0.4, 0.7]), torch.tensor([0.2, 0.6, 0.1])
    equation_7 = (natural - 1).square().mean() + generated.square().mean()
    labels = torch.tensor([1.0, 1, 1, 0, 0, 0])
    torch.testing.assert_close(discriminator_loss(torch.cat([natural, generated]), labels), equation_7 / 2)


def test_one_seed_makes_one_network(library):
    first = weights(train(library, 1))
    torch.rand(3)
    assert torch.equal(first, weights(train(library, 1)))
    assert not torch.equal(first, weights(train(library, 2)))


def test_it_learns_what_holds_for_gestures_that_it_has_never_seen(library):
    config = NaturalnessTraining(samples=8000, epochs=8, explorers=50, batch=100)
    learned, held_out = folds(library, 4, generator(0, "folds"))[0]
    unseen = label(held_out, 1000, config.labels, generator(0, "judge"))
    poses, heard = label(learned, config.samples, config.labels, generator(0, "learn")), []
    trained = fit(poses, config, generator(0, "fit"), unseen, heard.append)
    figures = held_out_metrics(judge(trained.network, learned, held_out, unseen), config.labels.half_degrees)
    assert heard == [1] * 8 and len(trained.training) == len(trained.held_out) == 8
    assert trained.training[-1] < trained.training[0] / 2
    assert figures["loss"] == pytest.approx(trained.held_out[-1])
    assert figures["loss"] < figures["loss_of_a_constant"] / 2
    assert figures["area_under_curve_natural_or_far"] > 0.95
    assert figures["rank_correlation_with_offset"] < -0.7
    assert figures["mean_of_unseen_gestures"] > 0.75


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"samples": 499}, "samples is 499, must be 500 or more"),
        ({"epochs": 0}, "epochs is 0, must be 1 or more"),
        ({"folds": 1}, "folds is 1, must be 2 or more"),
        ({"batch": 0}, "batch is 0, must be 1 or more"),
    ],
)
def test_values_that_make_no_sense_are_refused(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        NaturalnessTraining(**values)
