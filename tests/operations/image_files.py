"""Dockerfiles and what they take from the repository, read for tests: no image can be built where the tests run."""

import json
import tomllib
from pathlib import Path

import click

from flows.cli import main

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """The instructions in order: name and the rest, with continued lines joined and without comments."""
    lines = [line for line in dockerfile.read_text().splitlines() if line.strip() and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined)]


def last(dockerfile: Path, name: str) -> str:
    """What the last instruction of a name says: the one that counts."""
    return [rest for found, rest in instructions(dockerfile) if found == name][-1]


def started_with(dockerfile: Path) -> list[str]:
    """The command line that an image starts with."""
    return json.loads(last(dockerfile, "ENTRYPOINT")) + json.loads(last(dockerfile, "CMD"))


def installed(dockerfile: Path) -> set[str]:
    """Packages that the instructions install with apt-get, and with pip by name."""
    words = [word for name, rest in instructions(dockerfile) if name == "RUN" for word in rest.split("&&")]
    lists = [line.split() for line in words if "install --yes" in line or "--constraint" in line]
    return {
        word for line in lists for word in line[line.index("install") + 1 :] if word[0].isalpha() and "/" not in word
    }


def context() -> set[str]:
    """What .dockerignore lets into an image, by name at the repository's root."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return {line[1:] for line in lines if line.startswith("!")}


def needed_by_the_wheel() -> set[str]:
    """What pyproject.toml names at the repository's root, and itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    texts = {project["project"]["readme"], *project["project"]["license-files"]}
    return {"pyproject.toml", *texts, *wheel["packages"], *wheel["force-include"]}


def parses(words: list[str]) -> bool:
    """Whether `render-ih` takes these words; nothing is done."""
    command, *rest = words
    try:
        main.commands[command].make_context(command, rest)
    except click.UsageError:
        return False
    return True
