"""Images: what is in them is there, starts, is no user root, and holds no secret."""

import re
import subprocess
import sys
from importlib import metadata

import prefect.settings
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dataset.versions import COMMIT
from flows.operation.home import VARIABLE
from rendering.devices import LIBRARIES
from tests.operations.image_files import (
    DOCKER,
    ROOT,
    context,
    installed,
    instructions,
    last,
    needed_by_the_wheel,
    parses,
    started_with,
)

IMAGES = sorted(DOCKER.glob("*.Dockerfile"))
SECRET = re.compile(r"PASSWORD|AUTH_STRING|SECRET|CONNECTION_URL|ACCESS_KEY|TOKEN")
BLOCKED = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"{name} is not in the image")
sys.meta_path.insert(0, Absent())
sys.argv = ["render-ih", "server", "--print-settings"]
from flows.cli import main
main()
"""


def test_there_is_an_image_for_the_server_and_one_for_workers():
    assert [path.name for path in IMAGES] == ["server.Dockerfile", "worker.Dockerfile"]


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.stem)
def test_it_is_no_user_root_and_starts_a_command_that_there_is(image):
    assert int(last(image, "USER")) > 0, "a number: Kubernetes cannot see who a name is"
    program, *words = started_with(image)
    scripts = metadata.distribution("render-ih").entry_points.select(group="console_scripts")
    assert program in scripts.names
    assert parses(words)


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.stem)
def test_what_it_copies_is_there(image):
    for name, rest in instructions(image):
        if name == "COPY" and not rest.startswith("--from="):
            *sources, _ = rest.split()
            assert all(source == "." or (source in context() and (ROOT / source).exists()) for source in sources), rest


def test_the_wheel_gets_what_it_is_made_of_and_images_nothing_else():
    assert context() == needed_by_the_wheel() | {"constraints.txt"}
    assert all((ROOT / name).exists() for name in context())
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith(("#", "!"))]
    assert rules[0] == "*"


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.stem)
def test_it_holds_no_secret(image):
    told = [rest for name, rest in instructions(image) if name in ("ENV", "ARG")]
    assert not any(SECRET.search(rest) for rest in told)


def test_examples_of_environment_files_name_secrets_and_hold_none():
    examples = sorted(DOCKER.glob("*.env.example"))
    assert len(examples) == 3
    for example in examples:
        pairs = [line.lstrip("#").split("=", 1) for line in example.read_text().splitlines() if "=" in line]
        assert all(value == "" for name, value in pairs if SECRET.search(name)), example
        settings = {name for name, _ in pairs if name.startswith("PREFECT_")} - {"PREFECT_REDIS_MESSAGING_URL"}
        assert all(hasattr(prefect.settings, name) for name in settings), example
    assert (DOCKER / ".gitignore").read_text().split() == ["*.env"]


def test_variables_of_images_are_prefects_settings_or_the_projects():
    told = " ".join(rest for image in IMAGES for name, rest in instructions(image) if name == "ENV")
    names = {word.partition("=")[0] for word in told.split() if "=" in word}
    others = {name for name in names if not hasattr(prefect.settings, name)}
    assert others == {VARIABLE, COMMIT, "PATH", "PYTHONUNBUFFERED", "NVIDIA_DRIVER_CAPABILITIES"}


def test_workers_have_the_libraries_that_blender_links_to():
    assert set(LIBRARIES.split()) <= installed(DOCKER / "worker.Dockerfile")


def test_the_server_starts_with_what_its_image_installs_and_no_more():
    there = {name for package in installed(DOCKER / "server.Dockerfile") for name in closure(package)}
    modules = metadata.packages_distributions()
    absent = {name for name, owners in modules.items() if not {canonicalize_name(o) for o in owners} & there}
    assert {"torch", "bpy", "warp"} <= absent
    absent -= {"flows", "tasks", "dataset", "hands", "models", "rendering"}
    code = f"ABSENT = {absent!r}\n{BLOCKED}"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert "PREFECT_SERVER_API_PORT=4200" in answer.stdout


def closure(package: str, seen: set[str] | None = None) -> set[str]:
    """A package and all that it needs, as far as they are installed here."""
    seen = set() if seen is None else seen
    name = canonicalize_name(package)
    if name in seen:
        return seen
    try:
        requirements = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return seen
    seen.add(name)
    for requirement in map(Requirement, requirements):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            closure(requirement.name, seen)
    return seen
