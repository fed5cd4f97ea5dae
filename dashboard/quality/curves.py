"""How quality goes while a run goes on: medians, and between what eight tenths lie, in the order in which shards arrived."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboard.quality.figures import HANDS, Course, courses
from dashboard.rows.index import RowIndex
from dashboard.series import Series
from dashboard.settings import Alarms

IMAGES, POSES = "images made", "poses made"


@dataclass(frozen=True)
class Curve:
    """A chart."""

    title: str
    series: Series
    note: str


@dataclass(frozen=True)
class _Kind:
    """What is drawn of a table's number."""

    name: str
    title: str
    unit: str
    note: str
    factor: float = 1.0
    most: float | None = None


_OF_POSES = (
    _Kind("depth", "Deepest penetration", "mm", "Flat is good. A step up: another source of poses, or fewer iterations."),
    _Kind("natural", "Naturalness", "", "Flat is good. A step down: base poses that the discriminator does not know.", most=1),
)  # fmt: skip
_OF_HANDS = (
    _Kind(
        "visible", "Visible part of a hand", "%", "Flat is good. A step: cameras or poses of another kind.", 100, 100
    ),
)
_OF_IMAGES = (
    _Kind("seconds", "Render seconds an image", "s", "Slow workers lift p90; a step of all three: another device or setting."),
)  # fmt: skip
_OF_PHOTOS = (
    _Kind(
        "light", "Light", "%", "Of the pictures that were looked at. A fall to 0: something renders black.", 100, 100
    ),
    _Kind("hand_light", "Light on the hands", "%", "Of the hands alone.", 100, 100),
)
_SQL = {"depth": "max_penetration_mm", "natural": "naturalness"}


def curves(index: RowIndex, alarms: Alarms) -> list[Curve]:
    """All of them; those without data say so."""
    marks = {"alarm": alarms.penetration_mm} if alarms.penetration_mm else {}
    parts = (
        (_OF_POSES, POSES, courses(index, "poses", _columns(_OF_POSES))),
        (_OF_HANDS, IMAGES, courses(index, HANDS, _columns(_OF_HANDS), "samples")),
        (_OF_IMAGES, IMAGES, courses(index, "samples", _columns(_OF_IMAGES))),
        (_OF_PHOTOS, IMAGES, courses(index, "photos", _columns(_OF_PHOTOS), "samples")),
    )
    return [
        _curve(kind, label, found[kind.name], marks if kind.name == "depth" else {})
        for kinds, label, found in parts
        for kind in kinds
    ]


def _columns(kinds: Sequence[_Kind]) -> dict[str, str]:
    return {kind.name: _SQL.get(kind.name, kind.name) for kind in kinds}


def _curve(kind: _Kind, label: str, course: Course, marks: Mapping[str, float]) -> Curve:
    scaled = lambda values: [None if value is None else kind.factor * value for value in values]  # noqa: E731
    series = Series(
        id=f"course-{kind.name}",
        x=course.upto,
        curves={"median": scaled(course.middle), "p10": scaled(course.low), "p90": scaled(course.high)},
        unit=kind.unit,
        axis="number",
        label=label,
        least=0,
        most=kind.most,
        marks=marks,
        empty="No picture has been looked at." if kind in _OF_PHOTOS else "It begins with the first shard.",
    )
    return Curve(kind.title, series, kind.note)
