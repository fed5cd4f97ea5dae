"""The surfaces of one plan row: what is drawn, labelled and judged."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dataset.rows import pose_of
from hands.forearm import WristBend
from hands.joints import Side
from tasks.run import Run


@dataclass(frozen=True, eq=False)
class PosedSurfaces:
    """Both hands of one image in the world, metres."""

    vertices: dict[Side, np.ndarray]
    """Fine vertices (n, 3) float32 of each hand and its forearm."""
    joints: dict[Side, np.ndarray]
    """The dataset's 21 joints (21, 3) float64 of each hand."""


def posed_surfaces(run: Run, row: Mapping[str, Any], pose: Mapping[str, Any]) -> PosedSurfaces:
    """Pose both hands as the plan row `row` shows the pose `pose`."""
    posed = {side: pose_of([pose[side]]).pose(run.hands[side]) for side in Side}
    joints = {side: run.hands[side].joints_21(hand)[0].numpy().astype(np.float64) for side, hand in posed.items()}
    bends = {side: WristBend(*pose[side]["wrist_bend"]) for side in Side}
    fine = {side: run.surfaces[side].vertices(hand.vertices[0].numpy(), bends[side]) for side, hand in posed.items()}
    return PosedSurfaces(fine, joints)
