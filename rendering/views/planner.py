"""Everything that the views of a pose are drawn from, small enough to be sent to another process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from dataset.assets.environments import Environment
from dataset.columns import column_array
from dataset.rows import PARAMETERS
from dataset.schema import PLAN, POSES
from hands.forearm import Forearm
from hands.joints import Side
from hands.model import HandModel
from hands.pose import HandPose, TwoHandPose
from rendering.views.cameras import CameraConfig
from rendering.views.framing import Fault
from rendering.views.plan import LookConfig, Shown, plan_views
from rendering.views.posing import PosedArms, Poser

Row = dict[str, Any]
COLUMNS = ("pose_id", "split", *(f"{side}.{name}" for side in Side for name in (*PARAMETERS, "wrist_bend")))
"""What views depend on, of a row of `poses`."""


class Refused(NamedTuple):
    """A view without a good draw."""

    pose_id: str
    sample_id: str
    fault: Fault


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

    @cached_property
    def poser(self) -> Poser:
        """What poses both hands."""
        return Poser(self.hands, self.forearms)

    def plan(self, poses: pa.Table) -> tuple[pa.Table, list[Refused]]:
        """The rows of `plan` of all good views of rows of `poses`, and the views without a good draw.

        Of the poses the columns of `COLUMNS` are needed.
        """
        good, refused = [], []
        for split in sorted(set(poses["split"].to_pylist())):
            own = poses.filter(pc.equal(poses["split"], split))
            rows, faults = self._plan_split(own, split)
            kept = np.setdiff1d(np.arange(len(rows)), np.array(list(faults), dtype=int))
            good.append(rows.take(kept))
            names = rows["sample_id"].take(pa.array(list(faults), pa.int64())).to_pylist()
            origins = (number // self.cameras.views for number in faults)
            refused += [
                Refused(own["pose_id"][origin].as_py(), name, fault)
                for origin, name, fault in zip(origins, names, faults.values(), strict=True)
            ]
        return pa.concat_tables(good) if good else PLAN.emptytable_of_poses(), refused

    def _plan_split(self, poses: pa.Table, split: str) -> tuple[pa.Table, dict[int, Fault]]:
        count = self.cameras.views
        pose, view = np.repeat(np.arange(len(poses)), count), np.tile(np.arange(count), len(poses))
        shown = Shown(self.environments[split], self.skins[split])
        names, arms = poses["pose_id"].to_pylist(), self.arms(poses)
        return plan_views(names, split, pose, view, arms, self.cameras, self.look, shown, self.seed)

    def views(self, pose: Mapping[str, Any]) -> list[tuple[Row, Fault | None]]:
        """The plan rows of one row of `poses`, each with what makes its view useless (None: it is good)."""
        rows, faults = self._plan_split(table_of_poses([pose]), pose["split"])
        return [(row, faults.get(number)) for number, row in enumerate(rows.to_pylist())]

    def arms(self, poses: pa.Table) -> PosedArms:
        """The coarse surfaces of rows of `poses`, forearms included."""
        cells = {side: poses[str(side)].combine_chunks() for side in Side}
        values = lambda side, name: column_array(pa.chunked_array([cells[side].field(name)]))  # noqa: E731
        posed = [HandPose(*(torch.tensor(values(side, name)).double() for name in PARAMETERS)) for side in Side]
        return self.poser.pose(TwoHandPose(*posed), {side: values(side, "wrist_bend").astype(float) for side in Side})


def table_of_poses(poses: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows of `poses` as a table of what views depend on."""
    fields = [field for field in POSES if field.name in {name.split(".")[0] for name in COLUMNS}]
    return pa.Table.from_pylist(
        [{field.name: pose[field.name] for field in fields} for pose in poses], pa.schema(fields)
    )
