"""`prefect deployment run render-ih`: Prefect's command asks for FLOW/DEPLOYMENT, and here both have the same name.

A plugin of Prefect (entry point group `prefect.plugins`) that reads the command line before Prefect's own command does.
Prefect loads plugins where its setting `plugins.enabled` says so: in this repository by pyproject.toml, elsewhere after
`prefect config set PREFECT_PLUGINS_ENABLED=true`.
"""

import sys
from pathlib import Path

from prefect.plugins import HookContext, register_hook

NAMES = ("render-ih", "train-ihdiff", "train-transhand")
"""Flows whose deployment has the flow's name. All other names are left to Prefect."""

_COMMAND = ["deployment", "run"]
_FLAGS = ("--watch", "--no-watch")
"""Options of that command that take no value; what follows any other option is its value."""


@register_hook
def setup_environment(*, ctx: HookContext) -> None:
    """Expand a short name in Prefect's own command line, and say so; return at once in every other process.

    Prefect calls it each time it is imported, with this parameter.
    """
    if not _is_prefect_command():
        return
    expanded = expand(sys.argv)
    for short, full in zip(sys.argv, expanded, strict=True):
        if short != full:
            sys.stderr.write(f"note: '{short}' is short for '{full}'\n")
    sys.argv[:] = expanded


def expand(arguments: list[str]) -> list[str]:
    """The arguments with NAME as NAME/NAME where the command is `prefect … deployment run … NAME …`."""
    expanded = list(arguments)
    start = next((i for i in range(1, len(arguments)) if arguments[i : i + 2] == _COMMAND), None)
    if start is None:
        return expanded
    for i in range(start + 2, len(arguments)):
        before = arguments[i - 1]
        is_value = before.startswith("-") and before not in _FLAGS
        if arguments[i] in NAMES and not is_value:
            expanded[i] = f"{arguments[i]}/{arguments[i]}"
            break
    return expanded


def _is_prefect_command() -> bool:
    """Whether this process is the command `prefect`, or `python -m prefect` (which has no name of its own yet)."""
    if sys.argv[0] == "-m":
        return ("-m", "prefect") in zip(sys.orig_argv, sys.orig_argv[1:], strict=False)
    return Path(sys.argv[0]).stem == "prefect"
