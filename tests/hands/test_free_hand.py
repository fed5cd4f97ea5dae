"""The committed free hand is a hand: closed but for the wrist, smooth to skin, plausible in size, and symmetric."""

from collections import Counter

import numpy as np
import pytest
import torch
import trimesh

from hands.joints import FINGER_JOINTS, FINGERS, TIP_VERTICES, Side
from hands.model import HandModel, mirrored

SIDES = pytest.mark.parametrize("side", Side)


def boundary_edges(faces: np.ndarray) -> list[tuple[int, int]]:
    directed = {(int(a), int(b)) for f in faces for a, b in zip(f, np.roll(f, -1), strict=True)}
    return [(a, b) for a, b in directed if (b, a) not in directed]


def closed(vertices: np.ndarray, faces: np.ndarray) -> trimesh.Trimesh:
    """The surface with a fan over its wrist."""
    edges = boundary_edges(faces)
    centre = vertices[[a for a, _ in edges]].mean(0)
    fan = [(b, a, len(vertices)) for a, b in edges]
    return trimesh.Trimesh(np.vstack([vertices, centre]), np.vstack([faces, fan]), process=False)


@SIDES
def test_counts_and_numbers(hands, side: Side) -> None:
    arrays = hands[side].arrays
    assert arrays.side is side and arrays.v_template.shape == (778, 3) and arrays.faces.shape == (1538, 3)
    for name in (
        "v_template",
        "shapedirs",
        "posedirs",
        "weights",
        "J_regressor",
        "hands_mean",
        "hands_components",
        "uv",
    ):
        assert np.isfinite(getattr(arrays, name)).all(), name
    assert sorted(set(arrays.faces.ravel())) == list(range(778))


@SIDES
def test_surface_is_a_manifold_disc_with_a_16_vertex_wrist(hands, side: Side) -> None:
    faces = hands[side].arrays.faces
    directed = Counter((int(a), int(b)) for f in faces for a, b in zip(f, np.roll(f, -1), strict=True))
    assert max(directed.values()) == 1, "neighbouring faces wind the same way"
    after = dict(boundary_edges(faces))
    loop, vertex = [], next(iter(after))
    while vertex not in loop:
        loop.append(vertex)
        vertex = after[vertex]
    assert len(loop) == len(after) == 16
    edges = {frozenset(edge) for edge in directed}
    assert 778 - len(edges) + 1538 == 1, "Euler characteristic of a disc"
    for vertex in range(778):
        assert is_one_fan(faces[(faces == vertex).any(1)], vertex), vertex


def is_one_fan(faces: np.ndarray, vertex: int) -> bool:
    """Whether the faces around a vertex hang together: two cones that touch in a point do not."""
    opposite = {}
    for face in faces:
        at = list(face).index(vertex)
        opposite[face[(at + 1) % 3]] = face[(at + 2) % 3]
    starts = set(opposite) - set(opposite.values()) or {next(iter(opposite))}
    vertex, steps = next(iter(starts)), 0
    while vertex in opposite and steps < len(faces):
        vertex, steps = opposite[vertex], steps + 1
    return len(starts) == 1 and steps == len(faces)


@SIDES
def test_normals_point_out_of_the_closed_hand(hands, side: Side) -> None:
    arrays = hands[side].arrays
    hand = closed(arrays.v_template, arrays.faces)
    assert hand.is_watertight and hand.is_winding_consistent
    assert 1e-4 < hand.volume < 8e-4, "0.1 to 0.8 litres"


@SIDES
def test_no_face_is_a_sliver(hands, side: Side) -> None:
    corners = hands[side].arrays.v_template[hands[side].arrays.faces]
    doubled_area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(1)
    assert (doubled_area / longest**2).min() > 0.02


@SIDES
def test_skinning_weights(hands, side: Side) -> None:
    weights = hands[side].arrays.weights
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    assert (weights > 0).sum(1).max() <= 4
    assert set(hands[side].arrays.parts) == set(range(16)), "each of the 16 parts has vertices"


@SIDES
def test_regressor_gives_joints_of_every_shape(hands, side: Side, generator) -> None:
    model = HandModel(hands[side].arrays, torch.float64)
    np.testing.assert_allclose(model.arrays.J_regressor.sum(1), 1, atol=1e-6)
    betas = torch.from_numpy(generator.normal(size=(20, 10)))
    shaped = model.arrays.v_template + np.einsum("bl,vkl->bvk", betas.numpy(), model.arrays.shapedirs)
    rest = model.rest_joints(betas).numpy()
    np.testing.assert_allclose(rest, np.einsum("jv,bvk->bjk", model.arrays.J_regressor, shaped), atol=1e-9)
    for surface, joints in zip(shaped, rest, strict=True):
        assert closed(surface, model.arrays.faces).contains(joints[1:]).all(), "finger joints lie inside the hand"


@SIDES
def test_shape_directions_are_orthogonal_and_ordered(hands, side: Side) -> None:
    directions = hands[side].arrays.shapedirs.reshape(-1, 10)
    gram = directions.T @ directions
    lengths = np.sqrt(np.diag(gram))
    np.testing.assert_allclose(gram / np.outer(lengths, lengths), np.eye(10), atol=1e-6)
    assert (np.diff(lengths) <= 0).all(), "the first explains most"


@SIDES
def test_sizes_reach_from_child_to_adult(hands, side: Side) -> None:
    arrays = hands[side].arrays
    lengths = {}
    for sigma in (-2, 0, 2):
        surface = arrays.v_template + sigma * arrays.shapedirs[..., 0]
        wrist = arrays.J_regressor[0] @ surface
        lengths[sigma] = float(np.linalg.norm(surface[TIP_VERTICES[2]] - wrist))
    smallest, mean, largest = sorted(lengths.values())
    assert 0.12 < smallest < 0.15 < mean < 0.20 < largest < 0.26, lengths


@SIDES
def test_extreme_shapes_keep_their_surface(hands, side: Side, generator) -> None:
    """No shape within three deviations turns a face inside out or the hand's volume negative."""
    arrays = hands[side].arrays
    for betas in (*np.eye(10) * 3, *np.eye(10) * -3, *generator.normal(size=(5, 10))):
        hand = closed(arrays.v_template + arrays.shapedirs @ betas, arrays.faces)
        assert 2e-5 < hand.volume < 1.2e-3, betas


@SIDES
def test_texture_coordinates(hands, side: Side) -> None:
    uv, faces = hands[side].arrays.uv, hands[side].arrays.uv_faces
    assert uv.min() >= 0 and uv.max() <= 1 and faces.shape == (1538, 3) and faces.max() < len(uv)
    covered, twice = texels_covered(uv[faces], 1024)
    assert twice / covered < 0.005, f"{twice} of {covered} texels belong to two triangles"
    assert covered / 1024**2 > 0.25, "the map is used"


def texels_covered(triangles: np.ndarray, size: int) -> tuple[int, int]:
    """How many texel centres lie strictly inside one or more triangles, and inside two or more."""
    count = np.zeros((size, size), dtype=int)
    for a, b, c in triangles * size:
        low = np.floor(np.minimum(np.minimum(a, b), c)).astype(int)
        high = np.ceil(np.maximum(np.maximum(a, b), c)).astype(int)
        x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
        centre = np.stack([x, y], axis=-1) + 0.5
        edges = np.stack([np.cross(q - p, centre - p) for p, q in ((a, b), (b, c), (c, a))])
        inside = (edges > 1e-9).all(0) | (edges < -1e-9).all(0)
        count[y[inside], x[inside]] += 1
    return int((count > 0).sum()), int((count > 1).sum())


def test_left_is_the_mirrored_right(hands) -> None:
    left, expected = hands[Side.LEFT].arrays, mirrored(hands[Side.RIGHT].arrays)
    for name in (
        "v_template",
        "faces",
        "shapedirs",
        "posedirs",
        "weights",
        "J_regressor",
        "hands_mean",
        "uv",
        "uv_faces",
    ):
        np.testing.assert_array_equal(getattr(left, name), getattr(expected, name), err_msg=name)
    np.testing.assert_array_equal(left.hands_components, expected.hands_components)


@SIDES
def test_pose_space_is_orthonormal(hands, side: Side) -> None:
    components = hands[side].arrays.hands_components
    np.testing.assert_allclose(components @ components.T, np.eye(45), atol=1e-6)


@SIDES
def test_tips_are_the_extreme_points_of_their_fingers(hands, side: Side) -> None:
    arrays = hands[side].arrays
    joints = arrays.J_regressor @ arrays.v_template
    for finger, tip in zip(FINGERS, arrays.tips, strict=True):
        _, middle, end = FINGER_JOINTS[finger]
        along = (arrays.v_template - joints[end]) @ (joints[end] - joints[middle])
        own = np.flatnonzero(arrays.parts == end)
        assert own[along[own].argmax()] == tip, finger


def test_right_hand_lies_as_mano_does(hands) -> None:
    """Fingers along -x, back of the hand up (+y), thumb on the +z side; the order of the fingers is MANO's."""
    arrays = hands[Side.RIGHT].arrays
    joints = arrays.J_regressor @ arrays.v_template
    x, _, z = np.stack([joints[FINGER_JOINTS[finger][2]] for finger in FINGERS]).T
    assert (x[1:] < joints[0, 0] - 0.1).all()
    assert (np.diff(z) < 0).all(), "thumb, index, middle, ring, pinky from high z to low"
    normals = closed(arrays.v_template, arrays.faces).vertex_normals[list(arrays.tips)]
    nails = arrays.v_template[arrays.parts == FINGER_JOINTS["middle"][2]]
    assert (nails[:, 1].max() - joints[FINGER_JOINTS["middle"][2], 1]) > 0 and (normals[1:, 0] < 0).all()
