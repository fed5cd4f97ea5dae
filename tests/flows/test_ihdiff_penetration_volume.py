"""The shared volume of two hands: boxes by hand, hands by points inside both."""

import sys

import numpy as np
import pytest
import torch
import trimesh

from dataset.errors import InputError
from hands.joints import Side
from hands.mesh import close_wrist
from hands.referee import contains, winding_number
from tests.hands.posed import varied_gestures

pytest.importorskip("manifold3d")
from tasks.ihdiff.evaluation.penetration_volume import penetration_volume_cm3, shared_volume_cm3


def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """An axis-aligned box from centimetres."""
    made = trimesh.creation.box(bounds=np.array([low, high]) / 100)
    return np.asarray(made.vertices), np.asarray(made.faces)


def test_two_boxes_share_the_product_of_their_overlaps():
    """x from 1 to 2, y from ½ to 1, z from ½ to 1: 1 · ½ · ½ cm³."""
    volume = shared_volume_cm3([box((0, 0, 0), (2, 1, 1))], [box((1, 0.5, 0.5), (3, 2, 2))])
    assert volume == pytest.approx(1 * 0.5 * 0.5)


def test_boxes_within_and_beside_each_other():
    outer, inner = box((0, 0, 0), (3, 3, 3)), box((1, 1, 1), (2, 2, 2))
    assert shared_volume_cm3([outer], [inner]) == pytest.approx(1)
    assert shared_volume_cm3([outer], [box((4, 0, 0), (5, 1, 1))]) == 0


def test_a_place_where_one_overlaps_itself_counts_once():
    """Two parts, x from 0 to 2 and from 1 to 3, within a big box: 3 cm³, of which the middle one is doubly inside."""
    parts = [box((0, 0, 0), (2, 1, 1)), box((1, 0, 0), (3, 1, 1))]
    big = box((-9, -9, -9), (9, 9, 9))
    assert shared_volume_cm3(parts, [big]) == pytest.approx(3)
    assert shared_volume_cm3([big], parts) == pytest.approx(3)


def test_parts_that_share_a_wall_fill_one_box():
    parts = [box((0, 0, 0), (1, 1, 1)), box((1, 0, 0), (2, 1, 1))]
    assert shared_volume_cm3(parts, [box((0.5, 0, 0), (1.5, 9, 9))]) == pytest.approx(1)


def test_an_open_surface_is_refused():
    vertices, faces = box((0, 0, 0), (1, 1, 1))
    with pytest.raises(InputError, match="NotManifold"):
        shared_volume_cm3([(vertices, faces[1:])], [box((0, 0, 0), (1, 1, 1))])


def test_without_the_engine_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "manifold3d", None)
    with pytest.raises(InputError, match=r"pip install 'render-ih\[train\]'"):
        shared_volume_cm3([box((0, 0, 0), (1, 1, 1))], [box((0, 0, 0), (1, 1, 1))])


@pytest.fixture(scope="module")
def overlapping(hands) -> dict[Side, torch.Tensor]:
    """Variations of one gesture: the first hands do not run into themselves where they share space, the last ones do."""
    poses = varied_gestures(hands, 3, 25.0, ("zen_mudra",))
    return {side: poses.side(side).pose(hands[side]).vertices.double() for side in Side}


@pytest.fixture(scope="module")
def volumes(overlapping, hands) -> torch.Tensor:
    return penetration_volume_cm3(overlapping[Side.RIGHT], overlapping[Side.LEFT], hands)


def sampled(overlapping, hands, row: int, fine: int, inside) -> tuple[float, float]:
    """Volume in cm³ by random points, one in each cell of a grid over both bounding boxes; and its standard error, at most."""
    closed = {side: close_wrist(overlapping[side][[row]], hands[side].faces) for side in Side}
    low = torch.stack([points[0].amin(0) for points, _ in closed.values()]).amax(0)
    high = torch.stack([points[0].amax(0) for points, _ in closed.values()]).amin(0)
    cells = torch.cartesian_prod(*[torch.arange(fine)] * 3)
    places = torch.rand(cells.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    points = low + (cells + places) / fine * (high - low)
    for vertices, faces in closed.values():
        points = points[inside(points, vertices[0], faces)]
    whole, share = 1e6 * (high - low).prod().item(), len(points) / len(cells)
    return whole * share, whole * (share * (1 - share) / len(cells)) ** 0.5


def enclosed(points: torch.Tensor, vertices: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    """Inside where the surface winds around a point, once or more often."""
    return torch.cat([winding_number(some, vertices[faces]) > 0.5 for some in points.split(500)])


def test_hands_share_the_volume_of_the_points_inside_both(overlapping, volumes, hands):
    expected, error = sampled(overlapping, hands, 0, 60, contains)
    assert error < 0.02 * expected
    assert volumes[0].item() == pytest.approx(expected, abs=2 * error)


def test_hands_that_run_through_themselves_share_it_too(overlapping, volumes, hands):
    """Here pysdf's parity counts the doubly enclosed places out; winding numbers keep them, and so must the volume."""
    expected, error = sampled(overlapping, hands, 2, 20, enclosed)
    by_parity, _ = sampled(overlapping, hands, 2, 20, contains)
    assert by_parity < expected - 3 * error, "the pair does run through itself where the hands share space"
    assert volumes[2].item() == pytest.approx(expected, abs=2 * error)


def test_hands_apart_share_nothing_and_moving_both_changes_nothing(overlapping, volumes, hands):
    right, left = overlapping.values()
    far = torch.tensor([1.0, 0, 0])
    assert penetration_volume_cm3(right + far, left, hands).tolist() == [0, 0, 0]
    torch.testing.assert_close(penetration_volume_cm3(right + far, left + far, hands), volumes)


def test_a_batch_is_measured_as_its_samples_and_a_diverged_sample_is_no_number(overlapping, volumes, hands):
    right, left = (vertices.clone() for vertices in overlapping.values())
    right[1, 5, 0] = torch.nan
    measured = penetration_volume_cm3(right, left, hands)
    assert measured[1].isnan() and torch.equal(measured[[0, 2]], volumes[[0, 2]])
    assert torch.equal(penetration_volume_cm3(right[2:], left[2:], hands), volumes[2:])
    assert penetration_volume_cm3(right[:0], left[:0], hands).shape == (0,)


def test_float32_vertices_give_the_same_volume(overlapping, volumes, hands):
    single = penetration_volume_cm3(*(vertices.float() for vertices in overlapping.values()), hands)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), volumes, rtol=1e-4, atol=0)
