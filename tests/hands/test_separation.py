"""The way out of an overlap."""

import torch

from hands.separation import FREE, STEPS, ways_out
from tests.hands.posed import objective, varied_gestures


def test_stuck_hands_come_free_and_others_stay(hands):
    problem = objective(varied_gestures(hands, 1, 90)[slice(0, 24)], hands)
    surfaces = problem.surfaces(problem.start)
    deepest = lambda s: problem.penetration(s).depth.amax((1, 2))  # noqa: E731
    stuck = deepest(surfaces) > 0.004
    assert 3 < stuck.sum() < len(stuck)
    moves = ways_out(problem.search, surfaces, stuck)
    assert (moves[~stuck] == 0).all()
    length = moves[stuck].norm(dim=-1)
    assert torch.isclose(length[:, None], torch.tensor(STEPS, dtype=torch.float64)).any(-1).all(), "one of the steps"
    vertices = surfaces.vertices.clone()
    vertices[:, 0] += moves[:, None]
    assert (deepest(surfaces._replace(vertices=vertices))[stuck] < FREE + 1e-6).all()
