"""docs/operations.md: what it shows for one machine is done, block after block, with a real server and real workers."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

from dataset.manifest import Manifest
from tests.flows.small_run import rows
from tests.operation_servers import environment, free_port, started

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
ELSEWHERE = "# on a fleet\n"
"""First line of a block that needs more than this machine."""
PATIENCE_S = 900
"""For all blocks together: a minute or two on an idle machine, and tests share machines."""
PRELUDE = """
set -euo pipefail
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
"""


def blocks() -> list[str]:
    """The shell blocks that this machine can run."""
    found = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [block for block in found if not block.startswith(ELSEWHERE)]


def images(folder: Path) -> list[dict]:
    """All images, without the time that each took and the commit, which may change while the test runs."""
    found = rows(folder, "images")
    for row in found:
        del row["render"]["seconds"], row["provenance"]["code_version"]
    return found


@pytest.mark.render
def test_the_page_leads_from_one_machine_to_workers_and_both_make_the_same(tmp_path):
    script = tmp_path / "page.sh"
    script.write_text(PRELUDE + "".join(blocks()).replace("4200", str(free_port())))
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    log = tmp_path / "log"
    with started(
        ["bash", str(script)], log, cwd=tmp_path, env=environment(tmp_path / "prefect", PATH=programs)
    ) as page:
        status = page.wait(PATIENCE_S)
    told = log.read_text(errors="replace")
    assert status == 0, told[-6000:]
    assert "for flow 'render-ih-shards'" in told, "a worker made the images"
    assert told.count("runs were interrupted") == 2, "both workers ended in order"

    alone, fleet = tmp_path / "out" / "alone", tmp_path / "out" / "fleet"
    assert Manifest.read(alone).is_finished and Manifest.read(fleet).is_finished
    assert len(images(alone)) > 2 and images(fleet) == images(alone)
    recipe = json.loads((tmp_path / "tiny.json").read_text())
    assert Manifest.read(fleet).config["seed"] == recipe["seed"]
