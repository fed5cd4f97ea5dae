"""How good poses are: validity, depth, contact, limits and naturalness of a batch, judged exactly."""

import numpy as np

from benchmarks.candidates import Candidates
from hands.naturalness import naturalness_of
from hands.optimise import Engine
from hands.pose import TwoHandPose
from hands.referee import Interaction, Referee

MAX_DEPTH_MM, MAX_EXCESS_DEG, CONTACT_MM, REACH_MM = 2.0, 0.5, 3.0, 20.0
"""What a valid pose keeps to, what contact is, and how far attraction reaches."""


def verdicts_of(poses: TwoHandPose, engine: Engine) -> list[Interaction]:
    """The referee's verdict on each pose."""
    return Referee(engine.hands).judge(poses)


def summary(poses: TwoHandPose, given: Candidates, before: list[Interaction], engine: Engine) -> dict[str, float]:
    """Figures of a batch; `before` are the verdicts on the candidates, which tell whose hands were within reach."""
    verdicts = verdicts_of(poses, engine)
    depth = np.array([v.max_penetration_mm for v in verdicts])
    excess = np.array([v.limit_excess_deg for v in verdicts])
    gap = np.array([v.min_distance_mm for v in verdicts])
    tight = given.touching.numpy() & (np.array([v.min_distance_mm for v in before]) <= REACH_MM)
    valid = (depth <= MAX_DEPTH_MM) & (excess <= MAX_EXCESS_DEG)
    natural = naturalness_of(poses, engine.hands, engine.naturalness).numpy()
    return {
        "poses": len(verdicts),
        "valid (<= 2 mm deep, <= 0.5 degrees out)": float(valid.mean()),
        "deepest vertex, mean mm": float(depth.mean()),
        "deepest vertex, p95 mm": float(np.quantile(depth, 0.95)),
        "deepest vertex of valid poses, p95 mm": float(np.quantile(depth[valid], 0.95))
        if valid.any()
        else float("nan"),
        "touching gestures within reach": int(tight.sum()),
        "of these in contact (<= 3 mm)": float((gap[tight] <= CONTACT_MM).mean()),
        "contact vertices, mean": float(np.mean([v.contact_vertices for v in verdicts])),
        "poses with a limit violation > 0.5 degrees": int((excess > MAX_EXCESS_DEG).sum()),
        "naturalness of the worse hand, mean": float(natural.mean()),
        "naturalness of the worse hand >= 0.5": float((natural >= 0.5).mean()),
    }


def print_table(columns: dict[str, dict[str, float]]) -> None:
    """One row a figure, one column a batch."""
    names = list(next(iter(columns.values())))
    print(f"{'':<44}" + "".join(f"{title:>16}" for title in columns))
    for name in names:
        print(f"{name:<44}" + "".join(_cell(column[name]) for column in columns.values()))


def _cell(value: float) -> str:
    return f"{value:>16d}" if isinstance(value, int) else f"{value:>16.3f}"
