"""HIC ("Hands in Action", Tzionas et al.): its published MANO fits, one pickle a hand and moment, in the camera's frame.

`IJCV16___Results_MANO___parms_for___joints21/IJCV16___fakeGT___IJCV___{sequence}___Model_Hand_{L|R}___ncomps45/{frame}.pkl`:
{pose[48], betas[10], trans[3], v[778, 3], …}. Public loaders disagree on how `pose` is meant, so the file itself decides: of
the conventions there are, the one that gives its vertices `v` is taken, and a file that none of them gives is a fault.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from dataset.readers.checks import entry, mapping, numbers, placed_hand
from dataset.readers.conventions import FingerAngles, nearest_hand, with_unmended_shapedirs
from dataset.readers.frame import Fault, Frame, PlacedHand, Refusal, attempt
from dataset.readers.json_stream import items
from dataset.readers.pickled_arrays import pickled_arrays
from dataset.readers.places import first_file, folders, not_there
from hands.joints import Side
from hands.model import HandModel

RESULTS = "IJCV16___Results_MANO___parms_for___joints21"
TOLERANCE_MM = 1.0
"""Largest mean distance between the file's vertices and the ones that its parameters give."""
_FOLDER = re.compile(r"IJCV16___fakeGT___IJCV___(.+)___Model_Hand_([LR])___ncomps45")
_UP = (0.0, -1.0, 0.0)
_SIDES = {"R": Side.RIGHT, "L": Side.LEFT}

Key = tuple[str, int]


def files(folder: Path, subset: str) -> dict[str, Path]:
    """Every parameter file, and `HIC.json` where there is one; the subset plays no part.

    Raises:
        InputError: there are no fits.
    """
    found = {f"{path.parent.name}/{path.name}": path for paths in _frames(folder).values() for path in paths}
    index = index_file(folder)
    return found | ({index.name: index} if index else {})


def read(folder: Path, subset: str, hands: dict[Side, HandModel]) -> Iterator[Frame | Fault]:
    """Every frame; `HIC.json`, where it is, says which ones show two hands that interact."""
    reader, told = FitReader(hands), {}
    if index_file(folder):
        yield from _read_hand_types(index_file(folder), told)
    for (sequence, number), paths in _frames(folder).items():
        yield _frame(f"hic-{sequence}-{number:03d}", paths, told.get((sequence, number)), reader)


def _frame(name: str, paths: list[Path], hand_type: str | None, reader: "FitReader") -> Frame | Fault:
    found = {}
    for path in paths:
        side, file = _SIDES[_FOLDER.fullmatch(path.parent.name)[2]], f"{path.parent.name}/{path.name}"
        found[side] = Fault(name, file, "", "duplicate frame") if side in found else None
        found[side] = found[side] or attempt(name, file, lambda p=path, s=side: reader.hand(p, s))
        if isinstance(found[side], Fault):
            return found[side]
    if hand_type == "interacting" and len(found) < 2:
        return Fault(name, paths[0].parent.name, next(iter(found)).other, "missing hand")
    told = None if hand_type is None else hand_type == "interacting"
    return Frame(name, paths[0].parent.name, found, told, _UP)


@dataclass
class FitReader:
    """Reads fits and finds out how they are meant; what held for the last file is tried first."""

    hands: dict[Side, HandModel]
    order: dict[Side, list[tuple[FingerAngles, bool]]] = field(init=False)
    """Conventions to try: how angles are stored, whether the hand has the left `shapedirs` as published."""

    def __post_init__(self) -> None:
        self.order = {side: [(angles, False) for angles in FingerAngles] for side in Side}
        self.order[Side.LEFT] += [(angles, True) for angles in FingerAngles]
        self.published = HandModel(with_unmended_shapedirs(self.hands[Side.LEFT].arrays))

    def hand(self, path: Path, side: Side) -> PlacedHand:
        """One hand in this project's convention."""
        stored = pickled_arrays(path, ("pose", "betas", "trans", "v"))
        vertices = numbers(entry(stored, "v", ""), "v", 778, 3)
        errors = []
        for convention in list(self.order[side]):
            angles, unmended = convention
            hand = placed_hand(stored, "", angles, self.hands[side].arrays, betas="betas")
            errors.append(self._error(hand, self.published if unmended else self.hands[side], vertices))
            if errors[-1] <= TOLERANCE_MM:
                self.order[side].sort(key=lambda other, c=convention: other != c)
                return nearest_hand(hand, self.published, self.hands[Side.LEFT]) if unmended else hand
        raise Refusal("pose", "gives other vertices than the file's", min(errors), TOLERANCE_MM)

    def _error(self, hand: PlacedHand, model: HandModel, vertices: Float[np.ndarray, "v 3"]) -> float:
        batch = (torch.as_tensor(value, dtype=torch.float32)[None] for value in hand.parameters)
        posed = model(*batch).vertices[0].numpy()
        return float(1000 * np.linalg.norm(posed - vertices, axis=1).mean())


def _read_hand_types(path: Path, told: dict[Key, str]) -> Iterator[Fault]:
    """`HIC.json`: annotations[]{hand_type, right_mano_path, left_mano_path}, as InterWild publishes it."""
    try:
        for annotation in items(path, "annotations.item"):
            for side in Side:
                fit = entry(mapping(annotation, "annotations"), f"{side}_mano_path", "annotations")
                if isinstance(fit, str) and fit_key(Path(fit)):
                    told[fit_key(Path(fit))] = str(entry(annotation, "hand_type", "annotations"))
    except Refusal as refusal:
        yield refusal.fault(path.name, path.name)


def fit_key(path: Path) -> Key | None:
    """Sequence and frame number of a fit; None for other files."""
    match = _FOLDER.fullmatch(path.parent.name)
    return (match[1], int(path.stem)) if match and path.stem.isdigit() else None


def _frames(folder: Path) -> dict[Key, list[Path]]:
    """Fits by sequence and frame number, in that order."""
    inside = [folder, folder / RESULTS, folder / "data" / RESULTS]
    fits = [path for place in inside for sub in folders(place) for path in sorted(sub.glob("*.pkl")) if fit_key(path)]
    if not fits:
        raise not_there(folder, f"{RESULTS} with its folders of fits")
    found: dict[Key, list[Path]] = {}
    for path in fits:
        found.setdefault(fit_key(path), []).append(path)
    return dict(sorted(found.items()))


def index_file(folder: Path) -> Path | None:
    """InterWild's `HIC.json`, where it is."""
    return first_file((folder, folder / "data"), "HIC.json")
