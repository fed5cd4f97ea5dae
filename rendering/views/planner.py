"""Everything that the views of a pose are drawn from, small enough to be sent to another process."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dataset.assets.environments import Environment
from dataset.rows import pose_of
from hands.forearm import Forearm, WristBend
from hands.joints import Side
from hands.model import HandModel
from rendering.views.cameras import CameraConfig
from rendering.views.framing import Arms, Fault
from rendering.views.plan import LookConfig, plan_view

Row = dict[str, Any]


@dataclass
class Planner:
    """What decides the views of a pose, besides the pose."""

    hands: dict[Side, HandModel]
    cameras: CameraConfig
    look: LookConfig
    environments: dict[str, list[Environment]]
    """Of each split."""
    skins: dict[str, list[str]]
    """Names for each split."""
    seed: int

    @cached_property
    def forearms(self) -> dict[Side, Forearm]:
        """What continues each hand to the elbow."""
        return {side: Forearm.build(model.arrays) for side, model in self.hands.items()}

    def views(self, pose: Mapping[str, Any]) -> Iterator[tuple[Row, Fault | None]]:
        """The plan rows of a row of `poses`, each with what makes its view useless (None: it is good)."""
        arms, split = self.arms(pose), pose["split"]
        shown = (self.environments[split], self.skins[split])
        for view in range(self.cameras.views):
            yield plan_view(pose["pose_id"], split, view, arms, self.cameras, self.look, *shown, self.seed)

    def arms(self, pose: Mapping[str, Any]) -> Arms:
        """The coarse surfaces of a row of `poses`, forearms included."""
        posed = {side: pose_of([pose[side]]).pose(self.hands[side]).vertices[0].numpy() for side in Side}
        hands = {side: vertices.astype(np.float64) for side, vertices in posed.items()}
        return Arms.place(hands, self.forearms, {side: WristBend(*pose[side]["wrist_bend"]) for side in Side})
