"""The fast search against exact engines: winding numbers, pysdf, Warp's hierarchy, finite differences."""

import pytest
import torch

from hands.joints import Side
from hands.parts import subdivide
from hands.penetration import Depth, Memory, Search
from hands.referee import contains, winding_number
from hands.skinning import PosedSurfaces
from hands.surface_bvh import BvhSearch
from tests.hands.posed import objective, varied_gestures


@pytest.fixture(scope="module")
def overlapping(hands) -> PosedSurfaces:
    """49 pairs of hands, joints moved by up to 40°."""
    problem = objective(varied_gestures(hands, 1, 40), hands)
    return problem.surfaces(problem.start)


@pytest.fixture(scope="module")
def parts(hands):
    return {side: subdivide(hands[side].arrays) for side in Side}


@pytest.fixture(scope="module")
def found(hands, parts, overlapping):
    return Search.build(hands, parts, overlapping.vertices)(overlapping)


@pytest.fixture(scope="module")
def exact(hands, parts, overlapping):
    return BvhSearch.build(hands, parts, overlapping.vertices)(overlapping)


def test_depths_are_those_of_the_hierarchy(found, exact):
    inside = exact.depth > 0
    assert inside.sum() > 1000
    assert (found.depth[~inside] == 0).float().mean() > 0.9999
    # Exact to a micrometre, but for vertices where the other hand runs through itself and shows its inner side.
    seen = inside & (found.depth > 0)
    assert (found.depth[seen] - exact.depth[seen]).abs().quantile(0.99) < 1e-6
    assert seen.sum() > 0.97 * inside.sum()


def test_the_hierarchy_calls_inside_what_winding_numbers_and_pysdf_do(parts, overlapping, exact):
    for row in range(2, 5):
        for h, side in enumerate(Side):
            query, surface = overlapping.vertices[row, h, :778], overlapping.vertices[row, 1 - h]
            faces = torch.as_tensor(parts[side.other].surface)
            turns = winding_number(query, surface[faces])
            clear = (exact.depth[row, h] > 1e-6) | (turns.round() == 0)
            assert torch.equal(turns[clear] > 0.5, exact.depth[row, h][clear] > 0)
            odd = turns.round().long() % 2 == 1
            assert (contains(query, surface, faces) == odd).float().mean() > 0.999


def test_slopes_are_the_hierarchys(hands, parts, overlapping, exact):
    few = PosedSurfaces(*(value[exact.loss > 0.02] for value in overlapping))
    slopes = []
    for search in (Search.build(hands, parts, few.vertices), BvhSearch.build(hands, parts, few.vertices)):
        vertices = few.vertices.clone().requires_grad_()
        slopes.append(torch.autograd.grad(search(few._replace(vertices=vertices)).loss.sum(), vertices)[0].flatten(1))
    alike = torch.cosine_similarity(*slopes, dim=1)
    assert alike.median() > 0.999 and (slopes[1].norm(dim=1) > 0).all()


def test_slopes_of_one_pose_are_finite_differences(hands, parts, overlapping, generator):
    search = Search.build(hands, parts, overlapping.vertices)
    few = PosedSurfaces(overlapping.vertices[:8], overlapping.linear[:8])
    vertices = few.vertices.clone().requires_grad_()
    (slope,) = torch.autograd.grad(search(few._replace(vertices=vertices)).loss.sum(), vertices)
    move = torch.as_tensor(generator.normal(size=few.vertices.shape))
    step = 1e-7
    ahead, behind = (search(few._replace(vertices=few.vertices + sign * step * move)).loss for sign in (1, -1))
    expected = (slope * move).sum((1, 2, 3))
    assert torch.allclose((ahead - behind) / (2 * step), expected, rtol=1e-3, atol=1e-3)


def test_both_hands_are_pushed_and_the_forces_balance(hands, parts, overlapping):
    vertices = overlapping.vertices.clone().requires_grad_()
    result = Search.build(hands, parts, vertices)(overlapping._replace(vertices=vertices))
    (slope,) = torch.autograd.grad(result.loss.sum(), vertices)
    assert torch.allclose(slope[:, 0].sum(1), -slope[:, 1].sum(1), atol=1e-9)
    assert (slope[:, 0].abs().amax((1, 2)) > 0).sum() > 25


def test_the_sum_of_parts_is_never_deeper_per_part_and_finds_the_same_vertices(hands, parts, overlapping, exact):
    literal = Search.build(hands, parts, overlapping.vertices, Depth.PARTS)(overlapping).depth
    inside = exact.depth > 1e-4
    assert (literal[inside] > 0).float().mean() > 0.97
    assert (literal[~(exact.depth > 0)] == 0).float().mean() > 0.999
    # Cuts count as surface: a vertex deep in a finger is close to one, the known weakness of Eq. 4 to the letter.
    deep = exact.depth > 5e-3
    assert (literal[deep] < exact.depth[deep] - 1e-3).float().mean() > 0.05


def test_a_memory_of_the_step_before_changes_nothing_but_where_a_hand_runs_through_itself(
    hands, parts, overlapping, generator
):
    """Small steps, then a leap, then none."""
    flat = objective(varied_gestures(hands, 1, 0, ("clap", "prayer", "palm_over_palm", "rubbing_hands")), hands)
    for surfaces, tolerated in ((flat.surfaces(flat.start), 0.0), (overlapping, 0.005)):
        search, memory = Search.build(hands, parts, surfaces.vertices), Memory()
        for step in (0.0, 2e-4, 1e-3, 1e-2, 1e-3, 0.0, 2e-4, 5e-3):
            move = torch.as_tensor(generator.normal(0, step, (len(surfaces.vertices), 2, 1, 3)))
            surfaces = surfaces._replace(vertices=surfaces.vertices + move)
            remembered, afresh = search(surfaces, memory).depth, search(surfaces).depth
            differ = remembered != afresh
            assert differ.sum() <= tolerated * (afresh > 0).sum() and (remembered[differ] == 0).all()
        assert (memory.margin > 0).float().mean() > 0.25, "many vertices need not be looked at"


def test_hands_far_apart_do_not_meet(hands, parts, overlapping):
    shift = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64) * torch.tensor([[1.0], [-1.0]])
    apart = overlapping._replace(vertices=overlapping.vertices + shift[None, :, None])
    assert Search.build(hands, parts, apart.vertices)(apart).loss.max() == 0


def test_precisions_agree(hands, parts, overlapping, found):
    single = PosedSurfaces(overlapping.vertices.float(), overlapping.linear.float())
    depth = Search.build(hands, parts, single.vertices)(single).depth
    assert ((depth - found.depth).abs() < 2e-6).float().mean() > 0.9999


@pytest.mark.parametrize("real", [torch.float32, torch.float64])
def test_a_pose_is_the_same_bits_in_any_batch(hands, parts, overlapping, real):
    vertices, linear = overlapping.vertices.to(real), overlapping.linear.to(real)
    search = Search.build(hands, parts, vertices)
    together = search(PosedSurfaces(vertices, linear))
    alone = search(PosedSurfaces(vertices[5:6], linear[5:6]))
    assert torch.equal(together.depth[5], alone.depth[0])
