"""TransHand on hands of another surface: four times the triangles, as a finer hand model would have."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hands.joints import Side
from hands.model import HandModel
from models.transhand.backbone import BackboneConfig
from models.transhand.checkpoint import load, save
from models.transhand.frames import JointRegressors, targets_of
from models.transhand.levels import Meshes
from models.transhand.losses import LossConfig, Losses
from models.transhand.network import NetworkConfig, TransHand
from models.transhand.upsampling import meshes_of, sampled_surfaces


def subdivided(arrays):
    """Every triangle becomes four; a new vertex has the mean of all that its edge's ends have."""
    edges = np.sort(np.concatenate([arrays.faces[:, pair] for pair in ([0, 1], [1, 2], [2, 0])]), axis=1)
    edges, which = np.unique(edges, axis=0, return_inverse=True)
    middle = len(arrays.v_template) + which.reshape(3, -1).T
    corners = arrays.faces
    faces = [np.stack([corners[:, k], middle[:, k], middle[:, k - 1]], axis=1) for k in range(3)]
    finer = {
        name: np.concatenate([values, values[edges].mean(1)])
        for name in ("v_template", "shapedirs", "posedirs", "weights")
        for values in [getattr(arrays, name)]
    }
    regressor = np.concatenate([arrays.J_regressor, np.zeros((16, len(edges)))], axis=1)
    return replace(
        arrays, **finer, J_regressor=regressor, faces=np.concatenate([*faces, middle]), uv=None, uv_faces=None
    )


@pytest.fixture(scope="module")
def finer(hands) -> dict[Side, HandModel]:
    return {side: HandModel(subdivided(hands[side].arrays)) for side in Side}


@pytest.fixture(scope="module")
def finer_meshes(finer) -> Meshes:
    return meshes_of(finer, torch.Generator().manual_seed(1), count=60)


def test_levels_and_upsampling_are_those_of_the_finer_surface(finer_meshes, meshes, finer, draws):
    assert finer_meshes.vertices > 3 * meshes.vertices
    assert finer_meshes.nodes(0) > 3 * meshes.nodes(0)
    assert 1e3 * float(finer_meshes.residual[0]) < 1.0, "millimetres"


def test_a_finer_hand_is_learnt_and_kept(finer_meshes, finer, draws, tmp_path):
    sizes = NetworkConfig(32, BackboneConfig("tiny"), image_width=8, widths=(16, 8, 4), heads=1, perceptrons=1)
    network = TransHand(sizes, finer_meshes, draws)
    vertices = {side: sampled_surfaces(finer[side], 2, draws).float() for side in Side}
    regressors = JointRegressors.of({side: finer[side].arrays for side in Side})
    vertices = {side: surface + torch.tensor([0.0, 0.0, 0.6]) for side, surface in vertices.items()}
    K = torch.tensor([[60.0, 0, 16], [0, 60, 16], [0, 0, 1]]).expand(2, 3, 3)
    targets = targets_of(vertices, K, 32, regressors, 0.095)
    losses = Losses(LossConfig.paper(), {side: finer[side].faces for side in Side}, regressors, finer_meshes.pooling)
    adam = torch.optim.Adam(network.parameters(), 3e-3)
    image = torch.rand(2, 3, 32, 32, generator=draws)
    told = []
    for _ in range(12):
        adam.zero_grad()
        loss = sum(losses(network(image), targets, 0.0, None).values())
        loss.backward()
        adam.step()
        told.append(loss.item())
    assert told[-1] < 0.7 * told[0]
    network.eval()
    with (tmp_path / "model.safetensors").open("wb") as file:
        save(file, network, {})
    again = load(tmp_path / "model.safetensors").network.eval()
    for one, other in zip(network(image), again(image), strict=True):
        assert one.vertices.shape == (2, len(finer[Side.RIGHT].arrays.v_template), 3)
        torch.testing.assert_close(one.vertices, other.vertices)
