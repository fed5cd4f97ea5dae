"""Hands that a normal distribution describes, and the network that knows it: what a trained one would do, in closed form."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dataset.assets.gestures import load_gestures
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.model import HandModel
from hands.pose import HandPose, TwoHandPose
from models.ihdiff.diffusion import Schedule
from models.ihdiff.network import CleanHands
from models.ihdiff.representation import COLUMNS, ROWS, PackedHands, Placement, Standard, pack


def varied_gestures(hands: dict[Side, HandModel], each: int, draws: torch.Generator) -> PackedHands:
    """Every built-in gesture with joint angles, the left wrist and the whole moved about; mean shapes."""
    poses = TwoHandPose.stack([gesture_pose(g, hands[Side.RIGHT], hands[Side.LEFT]) for g in load_gestures()])
    poses = poses[torch.arange(len(poses)).repeat_interleave(each)]
    return pack(TwoHandPose(_varied(poses.right, draws), _varied(poses.left, draws)), hands)


def _varied(pose: HandPose, draws: torch.Generator) -> HandPose:
    noise = lambda like, scale: scale * torch.randn(like.shape, generator=draws)  # noqa: E731
    return HandPose(
        pose.global_orient + noise(pose.global_orient, 0.05),
        pose.hand_pose + noise(pose.hand_pose, 0.03),
        pose.betas,
        pose.transl + noise(pose.transl, 0.005),
    )


class GaussianDenoiser(nn.Module):
    """E[x₀ | x_t] where the x₀ are normally distributed around 0; shapes are the mean shape."""

    def __init__(self, scaled: Tensor) -> None:
        super().__init__()
        flat = scaled.flatten(1).double()
        variance, axes = torch.linalg.eigh(flat.mT @ flat / len(flat))
        self.variance, self.axes = variance.clamp_min(0), axes
        self.alphas = Schedule().alphas

    def forward(self, noised: Tensor, step: Tensor) -> CleanHands:
        alpha = self.alphas.to(noised)[step][:, None]
        variance, axes = self.variance.to(noised), self.axes.to(noised)
        gain = alpha.sqrt() * variance / (alpha * variance + 1 - alpha)
        clean = ((noised.flatten(1) @ axes) * gain @ axes.mT).unflatten(1, (ROWS, COLUMNS))
        return CleanHands(clean, self.shape(clean))

    def shape(self, scaled: Tensor) -> Tensor:
        return scaled.new_zeros(len(scaled), 20)


class Known(NamedTuple):
    """What the network knows, and hands that it has not seen."""

    network: GaussianDenoiser
    standard: Standard
    unseen: PackedHands


def known(hands: dict[Side, HandModel], draws: torch.Generator, unseen: int) -> Known:
    """A network for varied gestures, and some more of these."""
    packed, fresh = varied_gestures(hands, 16, draws), varied_gestures(hands, 1, draws)
    standard = Standard.of(packed.x)
    rows = torch.randperm(len(fresh.x), generator=draws)[:unseen]
    placement = Placement(*(value[rows] for value in fresh.placement))
    network = GaussianDenoiser(standard.scale(packed.x))
    return Known(network, standard, PackedHands(fresh.x[rows], fresh.betas[rows], placement))
