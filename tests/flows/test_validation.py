"""Which poses are accepted, and what is said of the others."""

import pyarrow.parquet as pq
import pytest

from flows.render_ih import POSES
from tasks.config import RenderIHConfig, ValidationConfig, load_config
from tasks.run import open_run
from tasks.sharing.share import lead
from tasks.validate_poses import find_fault

GOOD = {
    "min_distance_mm": 0.0,
    "max_penetration_mm": 1.0,
    "contact_vertices": 30,
    "limit_excess_deg": 0.0,
    "naturalness": 0.9,
    "forearm_depth_mm": 0.0,
}
STRICT = ValidationConfig(max_distance_mm=20, min_contact_vertices=5, min_naturalness=0.3)


@pytest.mark.parametrize(
    ("change", "reason", "limit"),
    [
        ({"max_penetration_mm": 2.1}, "penetration", 2.0),
        ({"limit_excess_deg": 0.6}, "joint limit", 0.5),
        ({"min_distance_mm": 21.0}, "hands too far apart", 20),
        ({"contact_vertices": 4}, "too little contact", 5),
        ({"naturalness": 0.2}, "unnatural", 0.3),
        ({"forearm_depth_mm": 9.0}, "a forearm in the other arm", 8.0),
    ],
)
def test_each_rule_refuses_with_its_reason_value_and_limit(change, reason, limit):
    assert find_fault(GOOD, STRICT) is None
    assert find_fault(GOOD | change, STRICT) == {"reason": reason, "value": next(iter(change.values())), "limit": limit}


def judged(folder, *overrides: str) -> tuple[list[dict], list[dict]]:
    """Rows of `poses` and `rejected` of a run over four gestures, without optimisation unless overridden."""
    base = ("source.names=[prayer, clasp, waving_both, steeple]", "augmentation.copies=1")
    config: RenderIHConfig = load_config(None, (*base, *overrides))
    with open_run(config, folder) as run:
        lead(run, POSES)
        return tuple(
            [row for path in run.manifest.paths(table) for row in pq.read_table(path).to_pylist()]
            for table in ("poses", "rejected")
        )


def test_every_candidate_is_accepted_or_listed_with_its_reason(tmp_path):
    accepted, rejected = judged(tmp_path / "raw", "optimisation.iterations=0", "validation.min_contact_vertices=1")
    assert len(accepted) + len(rejected) == 8
    reasons = {row["pose_id"]: row["reason"] for row in rejected}
    assert reasons["waving_both-a000"] == "too little contact"
    assert "penetration" in reasons.values()
    assert all(row["stage"] == "validate" and row["value"] != row["limit"] for row in rejected)
    assert all(0 < row["naturalness"] < 1 for row in accepted)


def test_optimisation_saves_what_would_be_refused(tmp_path):
    _, refused = judged(tmp_path / "raw", "optimisation.iterations=0")
    accepted, left = judged(tmp_path / "done", "optimisation.iterations=90", "optimisation.settle=60")
    assert len(left) < len(refused) and len(accepted) >= 7
