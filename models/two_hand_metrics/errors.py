"""How far joints and vertices are off, as the field defines it. Metres in, millimetres out, one number an image.

Definitions: RenderIH (ICCV 2023) §5.1 and the evaluation that its authors published (github.com/adwardlee/RenderIH,
apps/eval_interhand.py for the wrist and apps/eval_interhand_newmpjpe.py for the middle MCP as root); MRRPE: DIGIT (3DV 2021,
github.com/zc-alexfan/digit-interacting, src/utils/eval_utils.py), the same in ARCTIC (github.com/zc-alexfan/arctic,
common/metrics.py) and InterWild. Letters: b images, n points: 21 joints in the order of `hands.joints.JOINTS_21` or v vertices.
What is no number makes the error of its image no number.
"""

from jaxtyping import Float
from torch import Tensor

from models.two_hand_metrics.alignment import MIDDLE_MCP, bone_scale, relative, similarity_aligned


def point_errors(predicted: Float[Tensor, "b n 3"], true: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n"]:
    """Euclidean distance of each point from the true one."""
    return 1e3 * (predicted - true).norm(dim=-1)


def joint_errors(
    predicted: Float[Tensor, "b 21 3"], true: Float[Tensor, "b 21 3"], root: int = MIDDLE_MCP
) -> Float[Tensor, "b 21"]:
    """The same of joints seen from joint number `root` of their own hand."""
    return point_errors(relative(predicted, predicted[:, root]), relative(true, true[:, root]))


def mpjpe(
    predicted: Float[Tensor, "b 21 3"], true: Float[Tensor, "b 21 3"], root: int = MIDDLE_MCP
) -> Float[Tensor, "b"]:
    """Mean per-joint position error of one hand: the root counts too, as 0. No scaling: a hand of wrong size is wrong."""
    return joint_errors(predicted, true, root).mean(-1)


def smpjpe(
    predicted: Float[Tensor, "b 21 3"], true: Float[Tensor, "b 21 3"], root: int = MIDDLE_MCP
) -> Float[Tensor, "b"]:
    """MPJPE after the hand was scaled to the true bone from wrist to middle MCP: that bone for either root.

    (The authors' script for the wrist as root scales by the bone from wrist to thumb instead.)
    """
    return mpjpe(predicted * bone_scale(predicted, true)[:, None, None], true, root)


def pa_mpjpe(predicted: Float[Tensor, "b n 3"], true: Float[Tensor, "b n 3"]) -> Float[Tensor, "b"]:
    """Mean error after the best similarity (Procrustes), each hand on its own; of vertices this is PA-MPVPE."""
    return point_errors(similarity_aligned(predicted, true), true).mean(-1)


def mpvpe(
    predicted: Float[Tensor, "b v 3"],
    true: Float[Tensor, "b v 3"],
    predicted_root: Float[Tensor, "b 3"],
    true_root: Float[Tensor, "b 3"],
    scale: Float[Tensor, "b"] | None = None,
) -> Float[Tensor, "b"]:
    """Mean per-vertex position error seen from roots; predictions are scaled if a scale is given (`bone_scale`)."""
    seen = relative(predicted, predicted_root)
    seen = seen if scale is None else scale[:, None, None] * seen
    return point_errors(seen, relative(true, true_root)).mean(-1)


def mrrpe(predicted: Float[Tensor, "b 3"], true: Float[Tensor, "b 3"]) -> Float[Tensor, "b"]:
    """Mean relative-root position error: how far the vector from one hand's root to the other's is off."""
    return 1e3 * (predicted - true).norm(dim=-1)


def mrrpe_released(predicted: Float[Tensor, "b 3"], true: Float[Tensor, "b 3"]) -> Float[Tensor, "b"]:
    """What RenderIH's published scripts print as MRRPE: the mean over x, y and z of how far the vector is off.

    Their arrays are (n, 1, 3) and are summed over the axis of length 1, so no square is added to another: 1.7 times less
    than MRRPE, or more, for the same hands. For comparison with their numbers alone.
    """
    return 1e3 * (predicted - true).abs().mean(-1)
