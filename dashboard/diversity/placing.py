"""What needs Torch, in a process of its own: `python -m dashboard.diversity.placing TASK`, arrays in and arrays out.

Torch and scikit-learn take some 300 MB that would never be given back; a dashboard runs for weeks, a map takes seconds.
"""

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from dataset.errors import InputError

Arrays = Mapping[str, np.ndarray]

_ROOT = Path(__file__).parents[2]
_PATIENCE = 600.0
"""Seconds after which a computation is given up."""


def placed(columns: Arrays, hands: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Postures on a plane, in this process.

    Args:
        columns: names and parameters of m poses, by column of `poses`.
        hands: checksums of the dataset's hand models, see `Manifest.hands`.

    Returns:
        `places` (m, 2); `nearest_mm` (m,), see `dataset.inspection.postures.nearest`; `lows` and `highs` (20,), the ends of
        the angles of Table 2 in degrees; `allowed` (20, 2); `names` (20,); `is_approximate` (), whether the built-in hands
        stood in for the dataset's own.
    """
    import torch

    from dataset.assets.hand_files import hand_checksums, load_hands
    from dataset.inspection.poses import PoseSample
    from dataset.inspection.postures import ANGLES, angle_ranges, embed, nearest
    from hands.selection import joint_features

    models = load_hands()
    with torch.inference_mode():
        poses = PoseSample(dict(columns)).poses()
        features = joint_features(poses, models)
        distances = nearest(features, len(poses))
        places = embed(features) if distances.any() else np.zeros((len(poses), 2))
        ends = angle_ranges(poses, models).percentiles[..., [0, -1]]
    return {
        "places": places,
        "nearest_mm": distances,
        "lows": ends[..., 0].min(0),
        "highs": ends[..., 1].max(0),
        "allowed": np.array([bounds for *_, bounds in ANGLES], dtype=np.float64),
        "names": np.array([name for name, *_ in ANGLES]),
        "is_approximate": np.array(dict(hands) != hand_checksums(models)),
    }


def globes(directions: Float[np.ndarray, "s 3"], egocentric: Bool[np.ndarray, "s"]) -> str:
    """Cameras on the sphere as SVG, as the inspection draws them; directions are unit vectors from the hands."""
    from dataset.inspection.plots import hemispheres

    return hemispheres(directions, egocentric, (("around the hands", "c1"), ("egocentric", "c2")))


def elsewhere(task: str, given: Arrays) -> dict[str, np.ndarray]:
    """What `computed` gives, from a process that is gone afterwards.

    Raises:
        InputError: it failed, with its last line.
    """
    sent = io.BytesIO()
    np.savez(sent, **given)
    path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "dashboard.diversity.placing", task]
    try:
        done = subprocess.run(
            command,
            input=sent.getvalue(),
            capture_output=True,
            timeout=_PATIENCE,
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"a drawing could not be made ({error}); it is tried again when something changes") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise InputError(f"a drawing could not be made ({lines[-1][:200]}); it is tried again when something changes")
    return _opened(done.stdout)


def _opened(content: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return dict(stored)


def computed(task: str, given: Arrays) -> dict[str, np.ndarray]:
    """A task's result, computed in this process: `poses` (see `placed`) or `cameras` (see `globes`)."""
    given = dict(given)
    if task == "poses":
        hands = dict(zip(given.pop("hand_sides").tolist(), given.pop("hand_sums").tolist(), strict=True))
        return placed(given, hands)
    return {"svg": np.array(globes(given["directions"], given["egocentric"]))}


def main(task: str) -> None:
    """One task: arrays from standard input, the result to standard output."""
    sent = io.BytesIO()
    np.savez(sent, **computed(task, _opened(sys.stdin.buffer.read())))
    sys.stdout.buffer.write(sent.getvalue())


if __name__ == "__main__":
    main(sys.argv[1])
