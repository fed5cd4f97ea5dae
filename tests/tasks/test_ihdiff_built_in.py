"""The network that comes with the project."""

from pathlib import Path

import torch

from models.ihdiff.checkpoint import built_in_checkpoint
from tasks.ihdiff.checkpoints import checkpoint_file, load_ihdiff
from tasks.ihdiff.sampling import Draws, draw
from tasks.ihdiff.training.card import model_card


def test_it_is_whole_belongs_to_the_free_hand_and_has_its_card(hands):
    assert checkpoint_file("built-in") == built_in_checkpoint()
    model = load_ihdiff("built-in", hands)
    folder = built_in_checkpoint().parent
    measured = (folder / "measured.md").read_text()
    assert model_card(model, [Path("samples.jpg")], measured) == (folder / "README.md").read_text()
    assert model.notes["steps"] == 8000 and model.notes["poses"]["train"] > 10_000


def test_it_draws_hands_that_lie_near_each_other(hands):
    poses = draw(load_ihdiff("built-in", hands), hands, Draws(8, steps=10))
    right, left = (side.pose(hands[name]).vertices for side, name in ((poses.right, "right"), (poses.left, "left")))
    apart = torch.cdist(right, left).amin((1, 2))
    assert (apart < 0.03).float().mean() > 0.8
    assert poses.right.betas.std(0).max() > 0.01
