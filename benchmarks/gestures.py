"""Errors of one or more methods by gesture, and how sure the difference between the first two is.

python -m benchmarks.gestures EVALUATION [EVALUATION …]

Each is a folder of `render-ih evaluate transhand` on the same images of the built-in gestures, whose names begin with the
gesture (GESTURE-aVARIATION-vVIEW). MPJPE from the middle MCP, millimetres. Views of one pose err alike, so the standard
error is that of the poses' mean differences.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from jaxtyping import Float

from dataset.errors import InputError

ERROR = "mpjpe_middle_mm"


def errors_of(folder: Path) -> dict[str, float]:
    """Each image's error."""
    table = pq.read_table(folder / "errors.parquet", columns=["sample_id", ERROR])
    return dict(zip(table["sample_id"].to_pylist(), table[ERROR].to_pylist(), strict=True))


def means(names: list[str], mark: str, values: Float[np.ndarray, "n"]) -> dict[str, float]:
    """Means over images whose names are equal before their last `mark`."""
    keys = np.array([name.rpartition(mark)[0] for name in names])
    return {str(key): float(values[keys == key].mean()) for key in np.unique(keys)}


def compare(folders: list[Path]) -> dict[str, object]:
    """All that is printed.

    Raises:
        InputError: the evaluations are of different images.
    """
    errors = [errors_of(folder) for folder in folders]
    names = sorted(errors[0])
    if any(sorted(one) != names for one in errors):
        raise InputError("the evaluations are of different images; give evaluations of one split")
    values = np.array([[one[name] for name in names] for one in errors], float)
    by_gesture = [means(names, "-a", row) for row in values]
    found: dict[str, object] = {
        "images": len(names),
        "all": values.mean(1).round(2).tolist(),
        "gestures": {gesture: [round(one[gesture], 1) for one in by_gesture] for gesture in by_gesture[0]},
    }
    if len(folders) > 1:
        poses = np.array(list(means(names, "-v", values[0] - values[1]).values()))
        found["first less second"] = round(float((values[0] - values[1]).mean()), 2)
        found["its standard error"] = round(float(poses.std(ddof=1) / len(poses) ** 0.5), 2)
        found["poses"] = len(poses)
    return found


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("evaluations", nargs="+", type=Path)
    print(json.dumps(compare(words.parse_args().evaluations), indent=1))
