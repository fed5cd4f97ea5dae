"""Makes a study: chooses its pictures, copies them alike, and fixes every question."""

import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from dashboard.desk import Desk
from dashboard.rating import sets
from dashboard.rating.kinds import KINDS, KindName
from dashboard.rating.names import name_of, opaque
from dashboard.rating.pictures import alike, common_size, size_of
from dashboard.rating.sets import Candidate, Choice
from dashboard.rating.study import Item, Picture, Study
from dataset.atomic import atomic_write, explained, sync_folder
from dataset.errors import InputError
from hands.random_streams import stream

FILE, PICTURES = "study.json", "pictures"
MOST_ITEMS, MOST_SETS, MOST_PICTURES = 200, 8, 1000
_TAKEN = "There is a study “{}” already; choose another name."

Chosen = tuple[int, Candidate, tuple[int, int]]
"""Number of the set, picture, its file."""


@dataclass(frozen=True)
class Plan:
    """A study as somebody asks for it."""

    name: str
    kind: KindName
    sets: tuple[Choice, ...]
    question: str = ""
    """Empty: the kind's own."""
    items: int = 0
    """Of each set, or of each two sets; 0: as many as in the papers."""
    seed: int = 1
    repeated: float = 0.0
    """Share of the questions that are asked twice, to see how far raters agree with themselves."""
    is_paired: bool = False
    """Whether the two pictures of a question are of the same base pose."""
    is_against_first: bool = False
    """Whether each set is compared with the first one only, and not with all others."""

    @property
    def count(self) -> int:
        """Questions of each set, or of each two sets."""
        return self.items or KINDS[self.kind].items

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Sets that are compared."""
        several = combinations(range(len(self.sets)), 2)
        return [pair for pair in several if not self.is_against_first or pair[0] == 0]


def make_study(desk: Desk, plan: Plan) -> Study:
    """Choose and copy the pictures, and write the study's folder; it appears complete or not at all.

    Raises:
        InputError: the plan cannot be carried out, or the folder of ratings cannot be written.
    """
    name = name_of(plan.name, "A study's name")
    _check(plan)
    folder = desk.ratings / name
    if folder.exists():
        raise InputError(_TAKEN.format(name))
    questions = _singles(desk, plan) if plan.kind == "naturalness" else _pairs(desk, plan)
    unfinished = desk.ratings / f".{name}.{secrets.token_hex(4)}.partial"
    with explained(desk.ratings):
        desk.ratings.mkdir(parents=True, exist_ok=True)
        (unfinished / PICTURES).mkdir(parents=True)
        try:
            study = _written(plan, name, questions, unfinished)
            _put(unfinished, folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        sync_folder(desk.ratings)
    return study


def _put(unfinished: Path, folder: Path) -> None:
    """Give a whole study its name, unless another one has got it meanwhile."""
    try:
        unfinished.rename(folder)
    except OSError as error:
        if folder.exists():
            raise InputError(_TAKEN.format(folder.name)) from error
        raise


def _check(plan: Plan) -> None:
    least = KINDS[plan.kind].pictures
    if not least <= len(plan.sets) <= MOST_SETS:
        count = f"{len(plan.sets)} {'is' if len(plan.sets) == 1 else 'are'}"
        raise InputError(f"This kind of study compares {least} to {MOST_SETS} sets, and {count} filled in.")
    for number, choice in enumerate(plan.sets, 1):
        if not choice.name:
            raise InputError(f"Set {number} needs a name for the results.")
        if choice.name in [other.name for other in plan.sets[: number - 1]]:
            raise InputError(f"Two sets are called “{choice.name}”; results could not tell them apart.")
    if not 1 <= plan.count <= MOST_ITEMS:
        raise InputError(f"Questions of each set: {plan.count} is not between 1 and {MOST_ITEMS}.")
    groups = len(plan.sets) if plan.kind == "naturalness" else 2 * len(plan.pairs)
    if groups * plan.count > MOST_PICTURES:
        raise InputError(f"This would be {groups * plan.count:,} pictures; a study has {MOST_PICTURES:,} at most.")


def _singles(desk: Desk, plan: Plan) -> list[list[Chosen]]:
    found = []
    for number, choice in enumerate(plan.sets):
        several = sets.candidates(desk, choice, f"{plan.seed} {number}", 2 * plan.count + 50)
        pictures = sets.usable(several, plan.count)
        _enough(choice.name, len(pictures), plan.count)
        found += [[(number, *picture)] for picture in pictures]
    return found


def _pairs(desk: Desk, plan: Plan) -> list[list[Chosen]]:
    found = []
    for round, pair in enumerate(plan.pairs):
        make = _same_base_pose if plan.is_paired else _any_two
        found += make(desk, plan, pair, f"{plan.seed} {round}")
    return found


def _any_two(desk: Desk, plan: Plan, pair: tuple[int, int], seed: str) -> list[list[Chosen]]:
    sides = []
    for number in pair:
        several = sets.candidates(desk, plan.sets[number], f"{seed} {number}", 2 * plan.count + 50)
        pictures = sets.usable(several, plan.count)
        _enough(plan.sets[number].name, len(pictures), plan.count)
        sides.append([(number, *picture) for picture in pictures])
    return [list(two) for two in zip(*sides, strict=True)]


def _same_base_pose(desk: Desk, plan: Plan, pair: tuple[int, int], seed: str) -> list[list[Chosen]]:
    first, second = (plan.sets[number] for number in pair)
    shared = sorted(sets.base_poses(desk, first) & sets.base_poses(desk, second))
    title = f"{first.name} and {second.name}"
    if not shared:
        raise InputError(f"{title}: no base pose is in both; compare without “same base pose”, or choose other sets.")
    random = stream(plan.seed, "base poses", *pair)
    wanted = [shared[i] for i in random.permutation(len(shared))[: plan.count + 50]]
    each = -(-plan.count // len(wanted)) + 2
    left, right = (sets.of_base_poses(desk, plan.sets[number], f"{seed} {number}", wanted, each) for number in pair)
    found: list[list[Chosen]] = []
    for place in range(each):
        for name in wanted:
            if len(found) < plan.count and place < min(len(left.get(name, ())), len(right.get(name, ()))):
                sizes = [size_of(sets.content_of(side[name][place])) for side in (left, right)]
                if all(sizes):
                    found.append([(pair[i], (left, right)[i][name][place], sizes[i]) for i in range(2)])
    _enough(title, len(found), plan.count)
    return found


def _enough(title: str, found: int, wanted: int) -> None:
    if found < wanted:
        raise InputError(
            f"{title}: {wanted} pictures are needed, {found or 'none'} could be used (others are not there, or empty); "
            "ask fewer questions, or choose a wider set."
        )


def _written(plan: Plan, name: str, questions: Sequence[list[Chosen]], folder: Path) -> Study:
    random = stream(plan.seed, "ids", name)
    questions = [questions[i] for i in random.permutation(len(questions))]
    again = random.permutation(len(questions))[: round(plan.repeated * len(questions))].tolist()
    shown = [*questions, *(questions[number] for number in again)]
    ids = iter(opaque(len(shown) + sum(map(len, shown)), random))
    sizes = [size for question in questions for _, _, size in question]
    size = common_size(sizes)
    items: list[Item] = []
    pictures: list[Picture] = []
    for number, question in enumerate(shown):
        copies = [_copied(chosen, next(ids), size, folder) for chosen in question]
        repeats = items[again[number - len(questions)]].id if number >= len(questions) else None
        items.append(Item(id=next(ids), pictures=tuple(copy.id for copy in copies), repeats=repeats))
        pictures += copies
    study = Study(
        name=name,
        kind=plan.kind,
        question=plan.question.strip() or KINDS[plan.kind].question,
        seed=plan.seed,
        width=size[0],
        height=size[1],
        bars=not _same_shape(sizes),
        sets=tuple(choice.described for choice in plan.sets),
        pictures=tuple(pictures),
        items=tuple(items),
    )
    atomic_write(folder / FILE, study.model_dump_json(indent=1) + "\n")
    return study


def _copied(chosen: Chosen, name: str, size: tuple[int, int], folder: Path) -> Picture:
    number, picture, _ = chosen
    if not (content := sets.content_of(picture)):
        raise InputError(f"{picture.sample}: its picture went away while the study was made; make the study again.")
    atomic_write(folder / PICTURES / f"{name}.jpg", alike(content, size))
    return Picture(id=name, set=number, sample=picture.sample, base_pose=picture.base_pose)


def _same_shape(sizes: Sequence[tuple[int, int]]) -> bool:
    """Whether all pictures fill the same frame, but for rounding."""
    shapes = [width / height for width, height in sizes]
    return max(shapes) - min(shapes) < 0.01
