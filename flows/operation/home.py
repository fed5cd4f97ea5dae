"""The step that a worker takes before a run: it enters the folder that the run's relative paths start from."""

import os
from pathlib import Path

from dataset.errors import InputError
from flows.operation.definition import checkout

VARIABLE = "RENDER_IH_HOME"
"""Environment variable of the worker that names the folder."""


def enter_home() -> dict[str, str]:
    """Make the folder in RENDER_IH_HOME the current one, or else the checkout that the code was installed from.

    Without either the current folder stays: in a container the image's own, otherwise a temporary one of the worker.

    Raises:
        InputError: RENDER_IH_HOME names no folder.
    """
    named = os.environ.get(VARIABLE)
    if named and not Path(named).is_dir():
        raise InputError(f"{VARIABLE} names {named}, which is no folder here; make it, or set the variable to another")
    os.chdir(named or checkout() or Path.cwd())
    return {"directory": str(Path.cwd())}
