"""Configuration files: YAML, `section.key=value` on top, and one sentence for whatever is wrong with them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from dataset.errors import InputError

Config = TypeVar("Config", bound=BaseModel)


def read_config(
    model: type[Config],
    file: Path | None,
    overrides: Sequence[str] = (),
    described: str = "`render-ih run --help` says where the keys are described",
) -> Config:
    """A configuration file with `section.key=value` overrides on top; defaults when there is no file.

    Args:
        described: where a user finds the keys; ends the sentence about a wrong one.

    Raises:
        InputError: unreadable file, unknown key, impossible value.
    """
    values: dict[str, Any] = _read(file) if file else {}
    for override in overrides:
        _override(values, override)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{_sentence(error, None if overrides else file)}; {described}") from error


def _read(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(Path(file).read_text()) or {}
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such configuration file; the ready ones are in configs/") from error
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        place = getattr(error, "problem_mark", None)
        at = f" at line {place.line + 1}" if place else ""
        raise InputError(f"{file}: cannot be read as YAML{at}; mend it or start from configs/demo.yaml") from error
    if not isinstance(values, dict):
        raise InputError(f"{file}: must be a mapping of sections; see configs/demo.yaml")
    return values


def _override(values: dict[str, Any], override: str) -> None:
    path, separator, text = override.partition("=")
    if not separator or not path:
        raise InputError(f"--set {override}: write section.key=value, for example camera.views=4")
    *sections, key = path.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise InputError(f"--set {override}: '{section}' is not a section")
    values[key] = yaml.safe_load(text)


def _sentence(error: ValidationError, file: Path | None) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    given = f" (given: {first['input']!r})" if not isinstance(first["input"], dict) else ""
    problem = {"extra_forbidden": "unknown key", "unexpected_keyword_argument": "unknown key"}.get(
        first["type"], first["msg"].removeprefix("Value error, ")
    )
    return f"{file or 'configuration'}: {where}: {problem}{given}"
