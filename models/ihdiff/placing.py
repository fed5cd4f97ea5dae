"""Where hands are in the world and how a camera sees them, fitted together with the hands themselves (appendix B.2).

The network's hands are seen from the right wrist. Its rotation and place in the world, and where no intrinsics are known a
scaled orthographic camera, start at a rigid alignment and then follow the slopes of g by Adam (Kingma & Ba, ICLR 2015): with
steps of 0.01, as in the paper, slopes of a distance that is weighted by 1000 would move a wrist by metres. Adam looks at each
number alone, so that pairs of a batch do not depend on each other.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hands.rotations import axis_angle_to_matrix
from models.ihdiff.observations import LEAST_IN_SPACE, Observations, pose_giver
from models.ihdiff.representation import Placement, Surfaces

_NEAREST = 0.01
"""Metres; nothing nearer to a camera is projected."""
_SURE = 0.01
"""Metres that are added to how far a joint strays, so that none decides alone."""


class Orthographic(NamedTuple):
    """A scaled orthographic camera along the world's z: pixels = scale · (metres + offset)."""

    scale: Float[Tensor, "b"]
    """Pixels in a metre."""
    offset: Float[Tensor, "b 2"]
    """Metres."""


class View:
    """A placement and perhaps an orthographic camera, as numbers that can be fitted."""

    def __init__(self, placement: Placement, camera: Orthographic | None = None) -> None:
        self._start, self._camera = placement, camera
        wrist = placement.wrist
        fitted = [torch.zeros_like(wrist), wrist.clone()]
        if camera:
            fitted += [camera.scale.log(), camera.offset.clone()]
        self.numbers = [value.detach().requires_grad_() for value in fitted]
        """Rotation vector from the start's placement, wrist in metres; logarithm of the scale, offset in metres."""
        self._adam = torch.optim.Adam(self.numbers)

    @property
    def placement(self) -> Placement:
        """The right wrist in the world; slopes to the fitted numbers."""
        turn, wrist = self.numbers[:2]
        return Placement(axis_angle_to_matrix(turn) @ self._start.orient, wrist)

    @property
    def camera(self) -> Orthographic | None:
        """The camera that is fitted, if there is one; slopes to the fitted numbers."""
        return Orthographic(self.numbers[2].exp(), self.numbers[3]) if self._camera else None

    @torch.no_grad()
    def now(self) -> tuple[Placement, Orthographic | None]:
        """Placement and camera as they are now, without slopes."""
        placement, camera = self.placement, self.camera
        still = lambda values: [value.detach().clone() for value in values]  # noqa: E731
        return Placement(*still(placement)), Orthographic(*still(camera)) if camera else None

    def move(self, slopes: list[Tensor], step: float) -> None:
        """One step of Adam; `step` is its size in radians, metres and shares of the scale."""
        for number, slope in zip(self.numbers, slopes, strict=True):
            number.grad = slope
        self._adam.param_groups[0]["lr"] = step
        self._adam.step()


def begin(observations: Observations, posed: Surfaces, rows: Int[Tensor, "u"], strays: Float[Tensor, "42"]) -> View:
    """The placement that brings hands as they are before the fit nearest to what is observed, and a camera for them.

    Hands before a fit have an average pose. What strays little from it, such as the right palm, tells more of how the right
    wrist is turned than what strays far, such as the left hand.

    Args:
        rows: of the matrix, the joint that moves each vertex of `posed.both`.
        strays: how far each joint is from its average place, r.m.s. over all hands, metres.
    """
    trust = 1 / (strays.square() + _SURE**2)
    placement = _placement(observations, posed, rows, trust)
    if observations.joints_2d is None or observations.camera is not None:
        return View(placement)
    joints, weights = _joints_in_world(observations, posed, placement, trust)
    return View(placement, camera_for(joints[..., :2], observations.known("joints_2d"), weights))


def into_world(points: Float[Tensor, "b n 3"], placement: Placement) -> Float[Tensor, "b n 3"]:
    """From the right wrist's frame into the world, metres."""
    return points @ placement.orient.mT + placement.wrist[:, None]


def project(points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n 2"]:
    """What a pinhole camera of focal length 1 sees of points in its frame."""
    return points[..., :2] / points[..., 2:].clamp_min(_NEAREST)


def without_intrinsics(pixels: Float[Tensor, "b n 2"], camera: Float[Tensor, "b 3 3"]) -> Float[Tensor, "b n 2"]:
    """Pixels as a pinhole camera of focal length 1 would have them."""
    y = (pixels[..., 1] - camera[:, 1, 2, None]) / camera[:, 1, 1, None]
    x = (pixels[..., 0] - camera[:, 0, 2, None] - camera[:, 0, 1, None] * y) / camera[:, 0, 0, None]
    return torch.stack([x, y], dim=-1)


def align(
    points: Float[Tensor, "b n 3"], onto: Float[Tensor, "b n 3"], weights: Float[Tensor, "b n"]
) -> tuple[Float[Tensor, "b 3 3"], Float[Tensor, "b 3"]]:
    """Rotation and shift that bring points nearest to others in the sense of weighted least squares (Kabsch 1976)."""
    middle, goal = _mean(points, weights), _mean(onto, weights)
    spread = torch.einsum("bn,bnk,bnl->bkl", weights, onto - goal, points - middle)
    u, _, vt = torch.linalg.svd(spread)
    sign = torch.ones_like(goal[:, 0])
    sign[:, 2] = torch.linalg.det(u @ vt).sign()  # no reflection
    rotation = (u * sign[:, None]) @ vt
    return rotation, goal[:, 0] - torch.einsum("bkl,bl->bk", rotation, middle[:, 0])


def align_in_image(
    points: Float[Tensor, "b n 3"], onto: Float[Tensor, "b n 2"], weights: Float[Tensor, "b n"]
) -> tuple[Float[Tensor, "b 3 3"], Float[Tensor, "b 2"], Float[Tensor, "b"]]:
    """Rotation, shift in the image and scale with which an orthographic camera sees points about where others are.

    The affine map of weighted least squares, made a scaled rotation; exact where one exists.
    """
    middle, goal = _mean(points, weights), _mean(onto, weights)
    root = (weights / weights.amax(-1, keepdim=True)).sqrt()[..., None]
    affine = (torch.linalg.pinv((points - middle) * root) @ ((onto - goal) * root)).mT
    u, size, vt = torch.linalg.svd(affine, full_matrices=False)
    scale = size.mean(-1)
    first, second = (u @ vt).unbind(-2)
    rotation = torch.stack([first, second, torch.linalg.cross(first, second)], dim=-2)
    turned = torch.einsum("bkl,bl->bk", rotation[:, :2], middle[:, 0])
    return rotation, goal[:, 0] - scale[:, None] * turned, scale


@torch.no_grad()
def _placement(
    observations: Observations, posed: Surfaces, rows: Int[Tensor, "u"], trust: Float[Tensor, "42"]
) -> Placement:
    name = pose_giver(observations)
    if name == "regressed":
        return observations.regressed.placement
    weights = observations.seen(name) * (trust[rows] if name == "vertices" else trust)
    known = observations.known(name)
    if name != "joints_2d":
        return Placement(*align(posed.both if name == "vertices" else posed.joints, known, weights))
    if observations.camera is not None:
        known = without_intrinsics(known, observations.camera)
    rotation, shift, scale = align_in_image(posed.joints, known, weights)
    if observations.camera is None:
        return Placement(rotation, torch.cat([shift / scale[:, None], torch.zeros_like(shift[:, :1])], dim=-1))
    return Placement(rotation, torch.cat([shift, torch.ones_like(shift[:, :1])], dim=-1) / scale[:, None])


@torch.no_grad()
def _joints_in_world(
    observations: Observations, posed: Surfaces, placement: Placement, trust: Float[Tensor, "42"]
) -> tuple[Float[Tensor, "b 42 3"], Float[Tensor, "b 42"]]:
    """The best that is known of the joints before the fit, and how much each says about the camera."""
    seen = observations.seen("joints_2d")
    if observations.joints_3d is not None:
        both = seen & observations.seen("joints_3d")
        if (both.sum(-1) >= LEAST_IN_SPACE).all():
            return observations.known("joints_3d"), both.to(trust)
    if observations.regressed is not None:
        return into_world(observations.regressed.x[..., :3], placement), seen.to(trust)
    return into_world(posed.joints, placement), seen * trust


@torch.no_grad()
def camera_for(
    points: Float[Tensor, "b n 2"], pixels: Float[Tensor, "b n 2"], weights: Float[Tensor, "b n"]
) -> Orthographic:
    """The camera that sees points nearest to where they are in the image, by weighted least squares."""
    middle, goal = _mean(points, weights), _mean(pixels, weights)
    mean = lambda values: (values.sum(-1) * weights).sum(-1)  # noqa: E731
    square = mean((points - middle).square()).clamp_min(1e-12)
    along = mean((points - middle) * (pixels - goal))
    spread = (mean((pixels - goal).square()) / square).sqrt()
    scale = torch.maximum(along / square, 0.1 * spread).clamp_min(1e-6)  # a camera does not mirror
    return Orthographic(scale, goal[:, 0] / scale[:, None] - middle[:, 0])


def _mean(points: Float[Tensor, "b n c"], weights: Float[Tensor, "b n"]) -> Float[Tensor, "b 1 c"]:
    total = weights.sum(-1, keepdim=True).clamp_min(1e-12)
    return torch.einsum("bn,bnc->bc", weights / total, points)[:, None]
