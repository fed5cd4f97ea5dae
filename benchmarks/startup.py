"""Seconds from the command `render-ih run` to its first work, the optimisation of poses; in fresh processes.

    python -m benchmarks.startup
    python -m benchmarks.startup --repeats 9 --set source.kind=parquet --set source.path=FILE

The times are those of the run's own journal; each run is ended after its first iteration. A run before the measured ones warms
the disk's cache and compiles kernels that have never been compiled here.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tasks.recording.story import Story, read_story

TARGET = 5.0
"""Seconds."""
PATIENCE = 600.0
COMMAND = [sys.executable, "-c", "from flows.cli import main; main()", "run", "--set", "optimisation.iterations=1"]
FIRST_WORK = "optimise_poses"


def start(folder: Path, overrides: list[str]) -> dict[str, float]:
    """Seconds of each phase of one start.

    Raises:
        RuntimeError: the run ended without any work; its words are the message.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "RENDER_IH"))}
    words = [*COMMAND, "--out", str(folder / "dataset"), *(word for one in overrides for word in ("--set", one))]
    log = folder / "log"
    with log.open("w") as output:
        spawned = time.time()
        process = subprocess.Popen(words, env=environment | {"PREFECT_HOME": str(folder)}, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.05)
            for journal in folder.glob("render-ih/[!.]*.jsonl"):
                if found := _phases(read_story(journal), spawned):
                    return found
        raise RuntimeError(log.read_text())
    finally:
        _end(process, folder)


def _phases(story: Story | None, spawned: float) -> dict[str, float] | None:
    """None until the first iteration is done."""
    work = [step for step in story.steps if step.name == FIRST_WORK] if story else []
    if not work or not work[0].ending:
        return None
    loaded, read, begun = (entry.began.timestamp() for entry in (story.run, story.steps[0], work[0]))
    return {
        "imports, configuration": loaded - spawned,
        "inputs": read - loaded,
        "steps before": begun - read,
        "FIRST WORK AFTER": begun - spawned,
        "first iteration, with kernels": work[0].ending.at.timestamp() - begun,
    }


def _end(process: subprocess.Popen, folder: Path) -> None:
    """Kill the run and its recorder, which is in a session of its own and names the folder."""
    process.kill()
    process.wait()
    for other in psutil.process_iter(["cmdline"]):
        if any(word.startswith(str(folder)) for word in other.info["cmdline"] or []):
            with suppress(psutil.NoSuchProcess):
                other.kill()


def main() -> None:
    """Parse, start, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="as of the run"
    )
    options = parser.parse_args()
    starts = []
    for _ in range(1 + options.repeats):
        with tempfile.TemporaryDirectory(prefix="render-ih-startup-") as folder:
            starts.append(start(Path(folder), options.overrides))
    medians = {phase: statistics.median(one[phase] for one in starts[1:]) for phase in starts[0]}
    for phase, seconds in medians.items():
        spread = [one[phase] for one in starts[1:]]
        print(f"{phase:<30} {seconds:6.2f} s   ({min(spread):.2f} to {max(spread):.2f})")
    print(f"median of {options.repeats} starts; load of the machine {os.getloadavg()[0]:.1f}; target {TARGET:g} s")
    sys.exit(0 if medians["FIRST WORK AFTER"] <= TARGET else 1)


if __name__ == "__main__":
    main()
