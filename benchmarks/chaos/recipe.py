"""What is made: small pictures, really rendered, in many shards; and how the fleet is to make it."""

import math
from pathlib import Path
from typing import Any

import yaml

GESTURES = ["prayer", "hand_heart", "clasp", "steeple", "clap", "fist_bump", "diamond", "binoculars"]
COPIES = 3
IMAGES = 2
"""In a shard."""
LEASE_S = 10
HEARTBEAT_S, SILENCE_S = 30, 90
"""Between heartbeats of a run (Prefect's least), and until a silent run counts as crashed; 60 and 600 in prefect.yaml."""
HELPERS = "render-ih-shards/cpu"
_SPARE = 1.05
"""Some poses and images are refused."""


def recipe(shards: int) -> dict[str, Any]:
    """A configuration of at least so many shards of images."""
    poses = len(GESTURES) * (1 + COPIES)
    return {
        "seed": 1,
        "source": {"names": GESTURES},
        "augmentation": {"copies": COPIES, "bend_degrees": 5},
        "optimisation": {"iterations": 120},
        "validation": {"max_penetration_mm": 20},
        "camera": {"views": math.ceil(_SPARE * shards * IMAGES / poses), "width": 128, "height": 84},
        "look": {"samples": 2},
        "shards": {"poses": 3, "images": IMAGES},
    }


def shared(config: dict[str, Any]) -> dict[str, Any]:
    """The same dataset, made by the runs of a deployment."""
    return config | {"fleet": {"poses": HELPERS, "images": HELPERS, "lease_seconds": LEASE_S}}


def impatient(prefect_yaml: Path) -> str:
    """prefect.yaml with shorter times, so that a crash is noticed in minutes."""
    content = yaml.safe_load(prefect_yaml.read_text())
    for pool in content["definitions"]["pools"].values():
        pool["base_job_template"]["variables"]["properties"]["env"]["default"] |= {
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S)
        }
    for automation in content["definitions"]["automations"]:
        if automation["trigger"]["posture"] == "Proactive":
            automation["trigger"]["within"] = SILENCE_S
    return yaml.safe_dump(content)
