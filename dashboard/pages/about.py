"""What a run is: the settings that matter most, its versions, and commands for its dataset."""

import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from dashboard.progress.headline import MADE_BY
from dashboard.watching.run import RunState
from dashboard.wording import count

_SHOWN_NAMES = 3


class Command(NamedTuple):
    """A line for a terminal."""

    what: str
    """It does."""
    line: str


def facts(run: RunState) -> list[tuple[str, str]]:
    """Name and value of what a run is; of a dataset put together from several runs, how it came to be."""
    if run.manifest is None:
        return []
    runs, operation = run.manifest.runs, str(run.manifest.origin.get("operation", "run"))
    if not run.config:
        programs = ", ".join(sorted({record.code_version for record in runs.values()}))
        return [
            ("Made by", f"{MADE_BY.get(operation, operation)}, of {count(len(runs), 'run')}"),
            ("Program", programs),
        ]
    found = [("Made by", MADE_BY[operation])] if operation in MADE_BY else []
    found += [(name, value) for name, value in _settings(run.config).items() if value]
    (digest, record), *_ = runs.items()
    return [*found, ("Program", record.code_version), ("Configuration", digest[:12])]


def versions(run: RunState) -> str:
    """Libraries that decide the content, where one run made it."""
    runs = list(run.manifest.runs.values()) if run.manifest else []
    return ", ".join(f"{name} {version}" for name, version in runs[0].versions.items()) if len(runs) == 1 else ""


def _settings(config: Mapping[str, Any]) -> dict[str, str]:
    def at(path: str) -> Any:
        value: Any = config
        for key in path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    size = f"{at('camera.width')} × {at('camera.height')} pixels" if at("camera.width") else ""
    look = f"{at('look.samples')} samples a pixel" if at("look.samples") else ""
    denoiser = "" if at("look.denoiser") in (None, "NONE") else ", denoised"
    copies, views = at("augmentation.copies"), at("camera.views")
    return {
        "Poses": _source(at("source.kind"), at("source.names"), at("source.subset")),
        "Augmentation": "" if copies is None else f"{count(copies, 'copy', 'copies')} of each" if copies else "none",
        "Views": f"{views} of each pose" if views else "",
        "Images": ", ".join(filter(None, (size, look))) + (denoiser if look else ""),
        "Kept as": _kept(at("picture.format"), at("picture.quality")),
        "Splits": {"all": "train, validation and test"}.get(at("split"), at("split")),
        "Environments": _named(at("inputs.environments")),
        "Skins": _named(at("inputs.skins")),
        "Seed": str(at("seed")) if at("seed") is not None else "",
    }


def _source(kind: Any, names: Any, subset: Any) -> str:
    if kind == "gestures":
        return f"{count(len(names), 'gesture')} of the library" if names else "the gesture library"
    return f"{kind}, {subset}" if kind in ("interhand26m", "reinterhand") else str(kind or "")


def _kept(form: Any, quality: Any) -> str:
    return f"JPEG, quality {quality}" if form == "jpeg" else str(form or "").upper()


def _named(things: Any) -> str:
    """How many, and the first names."""
    if not isinstance(things, Mapping) or not things:
        return ""
    names = sorted(map(str, things))
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return f"{', '.join(names[:_SHOWN_NAMES])}{more}"


def commands(run: RunState) -> list[Command]:
    """What one may want to do with the dataset, on the machine of the dashboard."""
    place = shlex.quote(run.place)
    found = []
    if not run.is_whole and not (run.manifest and run.manifest.origin.get("operation") in MADE_BY):
        found.append(Command("Go on with it", f"render-ih run --config CONFIG.yaml --out {place}"))
    found += [
        Command("Check every label and checksum", f"render-ih verify {place}"),
        Command("Write a report of counts and distributions", f"render-ih inspect {place}"),
        Command("Look at samples in 3D", f"render-ih view {place}"),
    ]
    if run.is_finished:
        found.append(Command("Export it", f"render-ih export {place} --format coco --out out/coco"))
    return found
