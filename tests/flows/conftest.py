"""One finished small dataset for all tests of flows and commands."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from flows.cli import main
from tests.flows.small_run import SMALL


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """A finished small dataset; tests must not change it."""
    folder = tmp_path_factory.mktemp("made") / "small"
    result = CliRunner().invoke(main, ["run", "--out", str(folder), *[w for o in SMALL for w in ("--set", o)]])
    assert result.exit_code == 0, result.output
    assert str(folder) in result.output and "contact_sheet.html" in result.output
    return folder
