"""Rotations against SciPy, and their derivatives where they are delicate."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from hands.rotations import axis_angle_to_matrix, axis_rotation, matrix_to_axis_angle, matrix_to_quaternion, skew

ANGLES = [0.0, 1e-12, 1e-7, 9e-5, 1.1e-4, 1e-3, 0.5, 2.0, 3.0, np.pi - 1e-3, np.pi - 1e-7, np.pi]


def rotation_vectors(generator: np.random.Generator, angle: float, count: int = 50) -> np.ndarray:
    axes = generator.normal(size=(count, 3))
    axes[:6] = np.concatenate([np.eye(3), -np.eye(3)])  # the coordinate axes are where quaternion branches meet
    return angle * axes / np.linalg.norm(axes, axis=1, keepdims=True)


@pytest.mark.parametrize("angle", [*ANGLES, 5.0, 40.0])
def test_axis_angle_to_matrix(generator, angle: float) -> None:
    vectors = rotation_vectors(generator, angle)
    ours = axis_angle_to_matrix(torch.from_numpy(vectors)).numpy()
    precision = min(1e-12, 1e-9 * angle + 1e-16)  # small angles must keep their digits
    np.testing.assert_allclose(ours, Rotation.from_rotvec(vectors).as_matrix(), atol=precision, rtol=1e-10)


@pytest.mark.parametrize("angle", ANGLES)
def test_matrix_to_axis_angle(generator, angle: float) -> None:
    vectors = rotation_vectors(generator, angle)
    matrices = torch.from_numpy(Rotation.from_rotvec(vectors).as_matrix())
    ours = matrix_to_axis_angle(matrices).numpy()
    same = np.linalg.norm(ours - vectors, axis=1)
    opposite = np.linalg.norm(ours + vectors, axis=1)  # at π both vectors are one rotation
    np.testing.assert_allclose(np.minimum(same, opposite) if angle > 3.14159 else same, 0, atol=1e-8)
    assert np.linalg.norm(ours, axis=1).max() <= np.pi + 1e-12
    np.testing.assert_allclose(axis_angle_to_matrix(torch.from_numpy(ours)).numpy(), matrices.numpy(), atol=1e-8)


@pytest.mark.parametrize("angle", ANGLES)
def test_matrix_to_quaternion(generator, angle: float) -> None:
    matrices = Rotation.from_rotvec(rotation_vectors(generator, angle)).as_matrix()
    ours = matrix_to_quaternion(torch.from_numpy(matrices)).numpy()
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-12)
    assert (ours[:, 0] >= 0).all()
    np.testing.assert_allclose(Rotation.from_quat(ours[:, [1, 2, 3, 0]]).as_matrix(), matrices, atol=1e-8)


@pytest.mark.parametrize("angle", [0.0, 1e-3, 3.0, np.pi - 1e-4])
def test_gradients_of_axis_angle_to_matrix(generator, angle: float) -> None:
    vectors = torch.from_numpy(rotation_vectors(generator, angle, 8)).requires_grad_()
    assert torch.autograd.gradcheck(axis_angle_to_matrix, vectors)


def test_gradient_at_zero_is_the_generator() -> None:
    jacobian = torch.autograd.functional.jacobian(axis_angle_to_matrix, torch.zeros(3, dtype=torch.float64))
    for axis in range(3):
        torch.testing.assert_close(jacobian[..., axis], skew(torch.eye(3, dtype=torch.float64)[axis]))


@pytest.mark.parametrize("angle", [1e-3, 0.5, 3.0, np.pi - 1e-2])
def test_gradients_there_and_back(generator, angle: float) -> None:
    """Through a rotation matrix and back is the identity, so its derivative is too, near zero and near π."""
    vectors = torch.from_numpy(rotation_vectors(generator, angle, 8)).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: matrix_to_axis_angle(axis_angle_to_matrix(v)), vectors, atol=1e-4)
    for vector in vectors.detach():
        there_and_back = lambda v: matrix_to_axis_angle(axis_angle_to_matrix(v))  # noqa: E731
        jacobian = torch.autograd.functional.jacobian(there_and_back, vector)
        torch.testing.assert_close(jacobian, torch.eye(3, dtype=torch.float64), atol=1e-5, rtol=0)


@pytest.mark.parametrize("angle", [0.0, 1e-9, np.pi])
def test_gradients_are_finite_at_the_singular_angles(generator, angle: float) -> None:
    vectors = torch.from_numpy(rotation_vectors(generator, angle, 8)).requires_grad_()
    matrix_to_axis_angle(axis_angle_to_matrix(vectors)).square().sum().backward()
    assert vectors.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3)])
def test_any_batch_shape(generator, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    vectors = torch.from_numpy(generator.normal(size=(*shape, 3))).to(dtype)
    matrices = axis_angle_to_matrix(vectors)
    assert matrices.shape == (*shape, 3, 3) and matrices.dtype == dtype
    torch.testing.assert_close(matrix_to_axis_angle(matrices), vectors, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_axis_rotation(axis: int) -> None:
    angles = np.linspace(-3, 3, 7)
    expected = Rotation.from_euler("xyz"[axis], angles[:, None]).as_matrix()
    np.testing.assert_allclose(axis_rotation(axis, torch.from_numpy(angles)).numpy(), expected, atol=1e-12)


def test_skew_is_the_cross_product(generator) -> None:
    for batch in (1, 2, 3, 4):  # 3 is where a cross product along the wrong axis goes unnoticed
        a, b = torch.from_numpy(generator.normal(size=(2, batch, 3)))
        expected = np.cross(a.numpy(), b.numpy())
        np.testing.assert_allclose((skew(a) @ b[..., None])[..., 0].numpy(), expected, atol=1e-12)
