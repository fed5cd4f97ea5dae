"""Re:InterHand: MANO fits of both hands in the capture's world frame, one small file a hand and moment.

`{capture}/mano_fits/params/{frame}_{right|left}.json`: {pose[48], shape[10], trans[3]}, axis-angle without the mean, metres;
the shape is fixed per person. `{capture}/Mugsy_cameras/cam_params.json`: [camera]{R, t (mm)}, `x_cam = R · x_world + t`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from dataset.errors import InputError
from dataset.readers.cameras import vertical, view_from_translation
from dataset.readers.checks import entry, mapping, placed_hand
from dataset.readers.conventions import FingerAngles
from dataset.readers.frame import UP, Fault, Frame, attempt
from dataset.readers.json_stream import small_json
from dataset.readers.places import folders, not_there
from hands.joints import Side
from hands.model import HandModel

SUBSETS = ("train", "test", "all")
TEST_CAPTURES = (
    "m--20221215--0949--RNS217--pilot--ProjectGoliathScript--Hands--two-hands",
    "m--20221216--0953--NKC880--pilot--ProjectGoliathScript--Hands--two-hands",
    "m--20230317--1130--QZX685--pilot--ProjectGoliath--Hands--two-hands",
)
"""What InterWild's loader holds back for testing."""
_NAME = re.compile(r"(\d+)_(right|left)\.json")
_CAMERAS = "Mugsy_cameras/cam_params.json"


def files(folder: Path, subset: str) -> dict[str, Path]:
    """Every parameter and camera file that is read, by its path from the folder of captures.

    Raises:
        InputError: there is no capture of that subset.
    """
    captures = _captures(folder, subset)
    found = [path for capture in captures for path in _parameter_files(capture)]
    found += [capture / _CAMERAS for capture in captures if (capture / _CAMERAS).is_file()]
    return {f"{_capture_of(path).name}/{path.name}": path for path in found}


def read(folder: Path, subset: str, hands: dict[Side, HandModel]) -> Iterator[Frame | Fault]:
    """Every frame of every capture."""
    for capture in _captures(folder, subset):
        up = _up(capture)
        if isinstance(up, Fault):
            yield up
        for number, paths in _frames(capture).items():
            name = f"reinterhand-{capture.name}-{number}"
            yield _frame(name, capture, paths, up if isinstance(up, tuple) else UP, hands)


def _frame(name: str, capture: Path, paths: list[Path], up: tuple, hands: dict[Side, HandModel]) -> Frame | Fault:
    found, place = {}, f"{capture.name}/mano_fits/params"
    for path in paths:
        side, file = Side(_NAME.fullmatch(path.name)[2]), f"{place}/{path.name}"
        if side in found:
            return Fault(name, file, "", "duplicate frame")
        read_one = lambda p=path, s=side: _hand(p, s, hands)  # noqa: E731
        found[side] = attempt(name, file, read_one)
        if isinstance(found[side], Fault):
            return found[side]
    if len(found) < 2:
        return Fault(name, place, next(iter(found)).other, "missing hand")
    split = "test" if capture.name in TEST_CAPTURES else "train"
    return Frame(name, place, found, up=up, person=capture.name, split=split)


def _hand(path: Path, side: Side, hands: dict[Side, HandModel]) -> object:
    return placed_hand(small_json(path), "", FingerAngles.MINUS_MEAN, hands[side].arrays)


def _captures(folder: Path, subset: str) -> list[Path]:
    """Folders with parameters: the one named, or the ones in it or in its `data`."""
    if subset not in SUBSETS:
        raise InputError(f"source.subset is '{subset}'; Re:InterHand has {', '.join(SUBSETS)}")
    inside = [folder, *folders(folder), *folders(folder / "data")]
    found = [path for path in inside if (path / "mano_fits" / "params").is_dir()]
    chosen = [path for path in found if subset == "all" or (path.resolve().name in TEST_CAPTURES) == (subset == "test")]
    if not chosen:
        raise not_there(folder, f"capture of the subset '{subset}' with mano_fits/params")
    return [path.resolve() for path in chosen]


def _parameter_files(capture: Path) -> list[Path]:
    return sorted(path for path in (capture / "mano_fits" / "params").iterdir() if _NAME.fullmatch(path.name))


def _capture_of(path: Path) -> Path:
    return path.parents[1] if path.name == "cam_params.json" else path.parents[2]


def _frames(capture: Path) -> dict[int, list[Path]]:
    """Frame number to its files, in numeric order."""
    found: dict[int, list[Path]] = {}
    for path in _parameter_files(capture):
        found.setdefault(int(_NAME.fullmatch(path.name)[1]), []).append(path)
    return dict(sorted(found.items()))


def _up(capture: Path) -> tuple | Fault | None:
    """The capture's vertical from its cameras; None without them."""
    path = capture / _CAMERAS
    if not path.is_file():
        return None
    return attempt(f"reinterhand-{capture.name}", f"{capture.name}/{_CAMERAS}", lambda: _vertical(path))


def _vertical(path: Path) -> tuple[float, float, float]:
    views = []
    for name, stored in mapping(small_json(path), "").items():
        t, R = (entry(mapping(stored, name), key, name) for key in ("t", "R"))
        views.append(view_from_translation(t, R, f"{name}.t", f"{name}.R"))
    return vertical(views, "")
