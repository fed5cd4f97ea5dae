"""What a dataset covers, counted in its index: directions of cameras, environments, skins, base poses, light."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

import numpy as np
import yaml
from jaxtyping import Float, Int

from dashboard.rows.index import RowIndex
from dashboard.watching.run import RunState
from dataset.assets.environments import read_environments
from dataset.errors import InputError
from dataset.inspection.sampling import Distribution
from dataset.splits import SPLITS, split_of

BANDS, SECTORS = 8, 12
"""Parts of the sphere around the hands: bands of equal height, so of equal area, from below up, and sectors of azimuth. The
middle of the first sector is the far side, that of the others follows over the person's left, the person's side (6) and the
person's right."""
TURNS = 12
"""Parts of a full turn of the light."""
SAMPLED = 4000
"""Images from which distributions are drawn."""
EGOCENTRIC = "egocentric"

_CAMERAS = """
    WITH seen AS (
        SELECT camera_x x, camera_y y, camera_z z, viewpoint, sqrt(x * x + y * y + z * z) AS distance FROM samples
    )
    SELECT least($bands - 1, floor((z / distance + 1) / 2 * $bands))::INT,
        floor((atan2(x, -y) + pi()) / (2 * pi()) * $sectors + 0.5)::INT % $sectors, viewpoint = $own, count(*)
    FROM seen WHERE isfinite(distance) AND distance > 0 GROUP BY ALL
"""
_NUMBERS = {
    "distance": "sqrt(camera_x * camera_x + camera_y * camera_y + camera_z * camera_z)",
    "hdri_strength": "hdri_strength",
    "exposure": "exposure",
}
_SKINS = """
    SELECT skin_right AS name, split FROM {table}
    UNION ALL SELECT skin_left, split FROM {table} WHERE skin_left <> skin_right
"""
_NAMES = {"environments": "SELECT hdri AS name, split FROM {table}", "skins": _SKINS}


@dataclass(frozen=True)
class Use:
    """How often one thing is used."""

    name: str
    split: str
    """The split that it belongs to; empty when nothing says."""
    found: int
    """Images that show it; of a base pose, accepted poses that were made of it."""
    to_come: int
    """Planned images that will show it."""
    expected: float
    """How often it would be used in the end if all of its split were used alike."""


@dataclass(frozen=True)
class Kind:
    """All things of one kind: environments, skins or base poses."""

    uses: tuple[Use, ...]
    """In order of name; those that the run may use and has not used yet are among them."""

    @property
    def used(self) -> int:
        """Things with an image."""
        return sum(use.found > 0 for use in self.uses)

    @property
    def effective(self) -> float:
        """See `effective_number`."""
        return effective_number(use.found for use in self.uses)


@dataclass(frozen=True, eq=False)
class Coverage:
    """What the images and poses of one dataset cover by now."""

    images: int
    poses: int
    to_come: int
    """Planned images that are not there yet."""
    is_final: bool
    """Whether the plan is whole, so that what neither it nor an image has will not come."""
    cameras: Int[np.ndarray, "8 12"]
    """Images from each direction, see `BANDS` and `SECTORS`."""
    egocentric: Int[np.ndarray, "8 12"]
    """Those among them that the person's own eyes see."""
    turns: Int[np.ndarray, "12"]
    """Images by the turn of the light."""
    environments: Kind
    skins: Kind
    bases: Kind
    splits: Mapping[str, tuple[int, int]]
    """Split to its images and to those to come."""
    viewpoints: Mapping[str, int]
    numbers: Mapping[str, Distribution] = field(default_factory=dict)
    """Distance of the camera in metres, strength of the light as a factor, exposure in stops."""

    @property
    def directions(self) -> float:
        """Effective number of the directions from which cameras look."""
        return effective_number(self.cameras.ravel().tolist())


def effective_number(counts: Iterable[float]) -> float:
    """How many equally frequent things would be as varied: the exponential of Shannon's entropy, in nats; 0 of nothing."""
    numbers = np.array([count for count in counts if count > 0], dtype=np.float64)
    if not len(numbers):
        return 0.0
    shares = numbers / numbers.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def coverage(index: RowIndex, state: RunState) -> Coverage:
    """Count everything; a few passes over two tables."""
    images, poses = (index.ask(f"SELECT count(*) FROM {table}")[0][0] for table in ("samples", "poses"))
    coming = not state.is_finished
    cameras, own = _cameras(index)
    splits = _with_plan(index, "SELECT split, '' FROM {table}", coming)
    lit = {split for (split, _), counts in splits.items() if sum(counts)}
    skins, environments = _named("skins", state), _named("environments", state)
    theirs = {name: skin_splits().get(name) or split_of("skin", name) for name in skins}
    named = {"environments": (environments, environment_splits()), "skins": (skins, theirs)}
    found = {
        kind: _kind(_with_plan(index, _NAMES[kind], coming), allowed, known, lit)
        for kind, (allowed, known) in named.items()
    }
    return Coverage(
        images,
        poses,
        sum(more for _, more in splits.values()),
        is_planned(state),
        cameras,
        own,
        _turns(index),
        found["environments"],
        found["skins"],
        _bases(index),
        {split: splits[split, ""] for split in sorted(lit, key=_place)},
        dict(index.ask("SELECT viewpoint, count(*) FROM samples GROUP BY 1 ORDER BY 2 DESC")),
        _numbers(index, images),
    )


def is_planned(state: RunState) -> bool:
    """Whether every image is decided on: the plan's refusals are written with its last row."""
    return state.is_finished or (state.manifest is not None and "plan" in state.manifest.shards["rejected"])


@cache
def environment_splits() -> Mapping[str, str]:
    """Every environment that is listed on this machine, to its split; none when the list cannot be read."""
    try:
        return {environment.id: environment.split for environment in read_environments()}
    except InputError:
        return {}


@cache
def skin_splits() -> Mapping[str, str]:
    """Every built-in skin to its split; none when the list cannot be read."""
    try:
        text = resources.files("blender_assets").joinpath("skins/skins.yaml").read_text(encoding="utf-8")
        return {name: values["split"] for name, values in yaml.safe_load(text).items()}
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return {}


def _named(kind: str, state: RunState) -> set[str]:
    """What the runs of a dataset could use."""
    runs = state.manifest.runs.values() if state.manifest else ()
    return {name for run in runs for name in run.config.get("inputs", {}).get(kind) or ()}


def _with_plan(index: RowIndex, names: str, coming: bool) -> dict[tuple[str, str], tuple[int, int]]:
    """(name, split) to the images that have it and to the planned ones that will."""
    ask = lambda table: {  # noqa: E731
        (name, split): count
        for name, split, count in index.ask(f"SELECT *, count(*) FROM ({names.format(table=table)}) GROUP BY ALL")
    }
    found, planned = ask("samples"), ask("plan") if coming else {}
    return {key: (found.get(key, 0), max(planned.get(key, 0) - found.get(key, 0), 0)) for key in found.keys() | planned}


def _kind(
    counts: Mapping[tuple[str, str], tuple[int, int]], allowed: set[str], known: Mapping[str, str], lit: set[str]
) -> Kind:
    """Uses of what is in images or in the plan, and of what could be: where its split has images or will have some."""
    used = {name for name, _ in counts}
    could = ((name, known.get(name, "")) for name in allowed - used)
    every = {**counts, **{key: (0, 0) for key in could if key[1] in lit | {""}}}
    of_split: dict[str, list[int]] = {"": [found + more for found, more in every.values()]}
    for (_, split), (found, more) in every.items():
        if split:
            of_split.setdefault(split, []).append(found + more)
    mean = {split: sum(totals) / max(len(totals), 1) for split, totals in of_split.items()}
    uses = [Use(name, split, *every[name, split], mean[split]) for name, split in sorted(every)]
    return Kind(tuple(uses))


def _bases(index: RowIndex) -> Kind:
    """Base poses by the poses that were made of them, with those of which every one was refused."""
    counts = {
        (base, split): (count, 0)
        for base, split, count in index.ask("SELECT base_pose, split, count(*) FROM poses GROUP BY ALL")
    }
    made = {base for base, _ in counts}
    tried = index.ask("SELECT DISTINCT base_pose FROM refusals WHERE stage = 'validate'")
    mean = sum(count for count, _ in counts.values()) / max(len(counts), 1)
    uses = [Use(base, split, *counts[base, split], mean) for base, split in sorted(counts)]
    return Kind((*uses, *(Use(base, "", 0, 0, mean) for (base,) in sorted(tried) if base not in made)))


def _cameras(index: RowIndex) -> tuple[np.ndarray, np.ndarray]:
    found = np.zeros((2, BANDS, SECTORS), dtype=np.int64)
    for band, sector, own, count in index.ask(_CAMERAS, {"bands": BANDS, "sectors": SECTORS, "own": EGOCENTRIC}):
        found[int(own), band, sector] += count
    return found.sum(0), found[1]


def _turns(index: RowIndex) -> np.ndarray:
    sql = (
        "SELECT floor(hdri_rotation / (2 * pi()) * $turns)::INT % $turns, count(*) FROM samples "
        "WHERE isfinite(hdri_rotation) GROUP BY 1"
    )
    found = np.zeros(TURNS, dtype=np.int64)
    for turn, count in index.ask(sql, {"turns": TURNS}):
        found[turn % TURNS] += count
    return found


def _numbers(index: RowIndex, images: int) -> dict[str, Distribution]:
    if not images:
        return {}
    ends = ", ".join(f"min({sql}), max({sql}), avg({sql})" for sql in _NUMBERS.values())
    exact = np.array(index.ask(f"SELECT {ends} FROM samples")[0], dtype=np.float64).reshape(-1, 3)
    columns = ", ".join(f"({sql})::DOUBLE AS {name}" for name, sql in _NUMBERS.items())
    sample = index.columns(f"SELECT {columns} FROM samples ORDER BY hash(sample_id), sample_id LIMIT {SAMPLED}")
    drawn = {name: _finite(np.ma.filled(sample[name], np.nan)) for name in _NUMBERS}
    return {
        name: Distribution(images, *map(float, ends), drawn[name])
        for name, ends in zip(_NUMBERS, exact, strict=True)
        if len(drawn[name]) and np.isfinite(ends).all()
    }


def _finite(values: Float[np.ndarray, "s"]) -> Float[np.ndarray, "f"]:
    return values[np.isfinite(values)]


def _place(split: str) -> tuple[int, str]:
    return (SPLITS.index(split) if split in SPLITS else len(SPLITS), split)
