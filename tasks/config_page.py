"""Every configuration key in words: `docs/configuration.md`, rewritten with `python -m tasks.config_page`."""

import json
from pathlib import Path
from typing import Any

from dataset.atomic import atomic_write
from tasks.config import RenderIHConfig

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"

_INTRODUCTION = """# Configuration

A recipe is a YAML file with the sections below; every key may be left out. `render-ih run --set section.key=value`
overrides one key. `machine` says how this machine works; everything else, with the checksums of the files used, is what
the dataset is: a directory made with other values is refused. Ready recipes are in `configs/`.

This page is generated from the configuration classes.
"""


def config_page() -> str:
    """The text of `docs/configuration.md`."""
    schema = RenderIHConfig.model_json_schema()
    sections = {name: field for name, field in schema["properties"].items() if "$ref" in field}
    top = {name: field for name, field in schema["properties"].items() if name not in sections}
    pages = [_INTRODUCTION, _table(top)]
    for name, field in sections.items():
        part = schema["$defs"][field["$ref"].split("/")[-1]]
        pages.append(f"## {name}\n\n{part['description'].splitlines()[0]}\n\n{_table(part['properties'])}")
    return "\n".join(pages)


def _table(fields: dict[str, Any]) -> str:
    rows = [f"| `{name}` | `{json.dumps(field.get('default'))}` | {_about(field)} |" for name, field in fields.items()]
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *rows]) + "\n"


def _about(field: dict[str, Any]) -> str:
    return " ".join(field.get("description", "").split())


if __name__ == "__main__":
    atomic_write(PAGE, config_page())
