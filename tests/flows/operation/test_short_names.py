import subprocess
import sys
from pathlib import Path

import pytest

from flows.operation import short_names
from flows.operation.short_names import NAMES, expand, setup_environment

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", NAMES)
def test_a_short_name_is_flow_and_deployment(name):
    assert expand(["prefect", "deployment", "run", name]) == ["prefect", "deployment", "run", f"{name}/{name}"]


@pytest.mark.parametrize(
    ("given", "expanded"),
    [
        ("--profile x deployment run --watch render-ih", "--profile x deployment run --watch render-ih/render-ih"),
        ("deployment run -p seed=1 train-ihdiff --watch", "deployment run -p seed=1 train-ihdiff/train-ihdiff --watch"),
        ("deployment run --tag render-ih render-ih", "deployment run --tag render-ih render-ih/render-ih"),
        ("deployment run render-ih render-ih", "deployment run render-ih/render-ih render-ih"),
    ],
)
def test_only_the_name_itself_is_expanded(given, expanded):
    assert expand(["prefect", *given.split()]) == ["prefect", *expanded.split()]


@pytest.mark.parametrize(
    "given",
    [
        "deployment run render-ih/render-ih",
        "deployment run render",
        "deployment run render-ih-shards",
        "deployment run --id render-ih",
        "deployment run --flow-run-name render-ih other/other",
        "deployment inspect render-ih",
        "flow-run ls --flow-name render-ih",
        "deployment",
        "",
    ],
)
def test_everything_else_is_prefects(given):
    assert expand(["prefect", *given.split()]) == ["prefect", *given.split()]


def test_the_command_says_what_it_reads(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/prefect", "deployment", "run", "train-transhand"])
    setup_environment(ctx=None)
    assert sys.argv[1:] == ["deployment", "run", "train-transhand/train-transhand"]
    shown = capsys.readouterr()
    assert shown.err == "note: 'train-transhand' is short for 'train-transhand/train-transhand'\n"
    assert not shown.out


def test_python_minus_m_prefect_is_the_command_too(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["-m", "deployment", "run", "render-ih"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-X", "dev", "-m", "prefect", "deployment", "run", "render-ih"])
    setup_environment(ctx=None)
    assert sys.argv[-1] == "render-ih/render-ih"


@pytest.mark.parametrize("program", ["worker.py", "/usr/bin/pytest", "-c", "", "-m"])
def test_other_processes_are_left_alone(program, monkeypatch, capsys):
    given = [program, "deployment", "run", "render-ih"]
    monkeypatch.setattr(sys, "argv", list(given))
    monkeypatch.setattr(sys, "orig_argv", ["python", *given])
    monkeypatch.setattr(short_names, "expand", None)  # would fail if it were called
    setup_environment(ctx=None)
    assert sys.argv == given
    assert capsys.readouterr() == ("", "")


def test_prefect_loads_the_plugin_in_the_repository():
    code = (
        "import sys; sys.argv = ['prefect', 'deployment', 'run', 'render-ih']; import prefect; "
        "assert sys.argv[-1] == 'render-ih/render-ih', sys.argv"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "note: 'render-ih' is short for 'render-ih/render-ih'\n"
