"""The rooms: imports point one way, and nothing needs more than its room promises."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "hands": set(),
    "models": {"hands"},
    "dataset": {"hands"},
    "rendering": {"hands", "dataset"},
    "tasks": {"hands", "models", "dataset", "rendering"},
    "dashboard": {"hands", "dataset", "tasks"},
    "flows": {"hands", "models", "dataset", "rendering", "tasks", "dashboard"},
}
DASHBOARD = {
    "watching": set(),
    "rows": {"watching"},
    "progress": {"watching", "rows"},
    "alarms": {"watching", "rows"},
    "pictures": {"watching", "rows"},
    "quality": {"watching", "rows"},
    "diversity": {"watching", "rows", "pictures"},
    "training": {"watching"},
    "rating": {"watching", "rows", "pictures"},
}
"""Rooms of the dashboard, and which others each may use; `pages` and what stands beside the rooms may use all."""
BARE = {"torch", "numpy", "jaxtyping", "pysdf", "safetensors", "warp"}


def imported(file: Path) -> set[str]:
    """Top-level names that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("room", ALLOWED)
def test_imports_point_one_way(room):
    for file in (ROOT / room).rglob("*.py"):
        foreign = (imported(file) & ALLOWED.keys()) - ALLOWED[room] - {room}
        assert not foreign, f"{file.relative_to(ROOT)} imports {foreign}"


@pytest.mark.parametrize("room", DASHBOARD)
def test_rooms_of_the_dashboard_point_one_way(room):
    for file in (ROOT / "dashboard" / room).rglob("*.py"):
        text = file.read_text()
        used = set(re.findall(r"^\s*from dashboard\.(\w+)", text, re.MULTILINE)) & (DASHBOARD.keys() | {"pages"})
        assert used <= DASHBOARD[room] | {room}, f"{file.relative_to(ROOT)} imports {used - DASHBOARD[room] - {room}}"


def test_only_rendering_imports_bpy_and_only_two_rooms_prefect():
    for room in ALLOWED:
        for file in (ROOT / room).rglob("*.py"):
            names = imported(file)
            assert room == "rendering" or not names & {"bpy", "mathutils"}, file
            assert room in ("tasks", "flows") or "prefect" not in names, file


@pytest.mark.parametrize(
    ("room", "besides", "when_used"), [("hands", {"warp"}, set()), ("models", set(), {"diffusers", "transformers"})]
)
def test_bare_rooms_import_with_torch_and_numpy_alone(room, besides, when_used):
    """Warp is the one wheel more that posing and optimising hands take to a GPU machine; the networks need none.

    What they need only when something is used, the libraries of noise schedules and of image models, is imported there.
    """
    standard = set(sys.stdlib_module_names)
    for file in (ROOT / room).rglob("*.py"):
        assert imported(file) <= standard | BARE | when_used | {"hands", "models"}, file
    absent = ({"pysdf", "warp", "safetensors", "trimesh", "prefect", "bpy", "pyarrow", "scipy"} | when_used) - besides
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent}));"
        f"import pkgutil, importlib, {room}; "
        f"[importlib.import_module(m.name) for m in pkgutil.walk_packages({room}.__path__, '{room}.')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_prefect_server_and_parquet_import_together():
    code = "import prefect.server.api.server, pyarrow.parquet, numpy; assert numpy.__version__ < '2'"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_no_file_is_large():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    assert listed, "the tests run in a git checkout"
    large = {name for name in listed if (ROOT / name).is_file() and (ROOT / name).stat().st_size > 2 << 20}
    assert large <= {"blender_assets/ihdiff/model.safetensors"}  # a network to draw hands from without training one


def test_no_two_test_files_have_one_name():
    """Pytest would take one for the other."""
    names = [file.name for file in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
