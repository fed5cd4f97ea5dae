"""Exact judgement of optimised poses: accepted ones go to `poses/`, the others to `rejected/` with the reason."""

from typing import Any

import torch

from dataset.rows import pose_cell
from dataset.work.attempt import Attempt
from hands.forearm import WristBend, choose_bends
from hands.joints import Side
from hands.model import HandModel
from hands.naturalness import naturalness_of
from hands.objective import snap
from hands.pose import TwoHandPose
from hands.random_streams import stream
from hands.referee import Referee
from tasks.collect_poses import PoseBatch
from tasks.config import ValidationConfig
from tasks.pose_figures import note_after
from tasks.progress import bar
from tasks.run import Run
from tasks.step import step


@step
def validate_poses(run: Run, batch: PoseBatch, attempt: Attempt) -> int:
    """Write the shard's accepted and rejected poses; the number accepted."""
    centred, referee = centre_on_origin(batch.poses, run), Referee(run.hands)
    # Rounded, so that the size of the batch does not show.
    natural = naturalness_of(batch.poses, run.hands, run.naturalness).round(decimals=6).tolist()
    accepted, rejected, verdicts = [], [], []
    with bar("Checking poses", len(batch), "poses") as advance:
        for row in range(len(batch)):
            pose = centred[slice(row, row + 1)]
            (verdict,) = referee.judge(pose)
            verdicts.append(verdict)
            bends, depth = bend_wrists(run, pose, batch.names[row])
            measured = vars(verdict) | {"naturalness": natural[row], "forearm_depth_mm": 1e3 * depth}
            contact = measured.pop("contact")
            fault = find_fault(measured, run.config.validation)
            if fault:
                rejected.append(_identity(batch, row) | {"sample_id": "", "stage": "validate"} | fault)
            else:
                hands = {
                    str(side): pose_cell(pose.side(side)) | {"wrist_bend": bends[side], "contact": contact[side]}
                    for side in Side
                }
                accepted.append(_identity(batch, row) | {"split": batch.splits[row]} | hands | measured)
            advance(1)
    note_after(batch.names, verdicts, natural)
    attempt.write("rejected", batch.shard, rejected)
    attempt.write("poses", batch.shard, accepted)
    return len(accepted)


def centre_on_origin(poses: TwoHandPose, run: Run) -> TwoHandPose:
    """The same poses with the centre of both hands' bounding box at the world's origin.

    In float64 and snapped, so that the last digit does not depend on the batch.
    """
    exact = poses.to(torch.float64)
    models = {side: HandModel(run.hands[side].arrays, torch.float64) for side in Side}
    vertices = torch.cat([exact.side(side).pose(models[side]).vertices for side in Side], dim=1)
    return poses.moved(snap(-(vertices.amin(1) + vertices.amax(1)) / 2).float())


def bend_wrists(run: Run, pose: TwoHandPose, name: str) -> tuple[dict[Side, WristBend], float]:
    """How the forearms of one pose stand, and how deep they lie in each other or the other hand, metres."""
    posed = {side: pose.side(side).pose(run.hands[side]).vertices[0].double().numpy() for side in Side}
    return choose_bends(posed, run.forearms, stream(run.config.seed, name, "wrists"))


def find_fault(measured: dict[str, float], rules: ValidationConfig) -> dict[str, Any] | None:
    """The first rule that a pose breaks: reason, value and limit; None for a good pose."""
    most = (
        ("penetration", "max_penetration_mm", rules.max_penetration_mm),
        ("joint limit", "limit_excess_deg", rules.max_limit_excess_deg),
        ("hands too far apart", "min_distance_mm", rules.max_distance_mm),
        ("a forearm in the other arm", "forearm_depth_mm", rules.max_forearm_depth_mm),
    )
    least = (
        ("too little contact", "contact_vertices", rules.min_contact_vertices),
        ("unnatural", "naturalness", rules.min_naturalness),
    )
    broken = [(reason, measured[name], limit) for reason, name, limit in most if measured[name] > limit]
    broken += [(reason, measured[name], limit) for reason, name, limit in least if measured[name] < limit]
    return dict(zip(("reason", "value", "limit"), broken[0], strict=True)) if broken else None


def _identity(batch: PoseBatch, row: int) -> dict[str, Any]:
    return {
        "pose_id": batch.names[row],
        "source": batch.source,
        "base_pose": batch.bases[row],
        "augmentation": batch.copies[row],
    }
