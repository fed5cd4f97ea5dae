"""The chaos proof: a dataset made by several nodes while they are killed is the one that a run makes in peace.

    python -m benchmarks.chaos --out DIR
    python -m benchmarks.chaos --out DIR --kills 10 --shards 20

One process makes the reference. Then the same recipe is made in a bucket (or folder) by three nodes and a leading one, through
Prefect's server, while a seed decides what is killed: Blender, flow runs, workers, whole nodes, the server; storage is away for
half a minute twice, and a disk is full once. Nobody helps. The result is compared with the reference, and so is the work done
twice: no more than one shard for each kill. Exit code 1 when anything is off. docs/resilience.md tells more.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml
from prefect.client.schemas.objects import StateType

from benchmarks.chaos.comparison import Check, compare
from benchmarks.chaos.disturbances import KILLS, Disturber, draw
from benchmarks.chaos.node import can_be_apart
from benchmarks.chaos.recipe import IMAGES, LEASE_S, SILENCE_S, recipe, shared
from benchmarks.chaos.site import Site, environment, frozen_code, open_site, render_ih
from benchmarks.chaos.watch import Watch, watching
from dataset.manifest import Manifest
from dataset.storage.mirror import local_copy
from dataset.storage.opening import open_store

LIMIT_S = 45 * 60
"""For the disturbed run."""
_LOOK_S, _STATE_S, _TELL_S = 0.5, 3.0, 60.0
"""Seconds between looks at what is due, at the flow run, and between lines that say how far it is."""
_ENDED = (StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.PAUSED)
"""A crashed run begins again by itself."""


def main() -> None:
    """Make both, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for everything; what it has is made use of")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the disturbances")
    parser.add_argument("--shards", type=int, default=60, help="of images, at least")
    parser.add_argument("--storage", choices=("bucket", "folder"), default="bucket")
    options = parser.parse_args()
    folder = options.out.resolve()
    config, reference = recipe(options.shards), folder / "reference"
    seconds = make_reference(folder, config, reference)
    print(f"reference: {Manifest.read(reference).rows('images')} images, {seconds:.0f} s", flush=True)
    checks = disturb(folder, config, reference, options)
    print("| | found | |\n|---|---|---|")
    for check in checks:
        print(f"| {check.what} | {check.found} | {'ok' if check.good else 'OFF'} |")
    sys.exit(0 if all(check.good for check in checks) else 1)


def make_reference(folder: Path, config: dict, reference: Path) -> float:
    """The recipe in one process, undisturbed and without Prefect; seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    code, file, started = frozen_code(folder / "code"), folder / "recipe.yaml", time.monotonic()
    file.write_text(yaml.safe_dump(config))
    words = render_ih("run", "--no-prefect", "--config", str(file), "--out", str(reference))
    with (folder / "reference.log").open("ab") as log:
        subprocess.run(words, cwd=code, env=environment(folder, code), stdout=log, stderr=log, check=True)
    return time.monotonic() - started


def disturb(folder: Path, config: dict, reference: Path, options: argparse.Namespace) -> list[Check]:
    """The same dataset in chaos, and all checks of it."""
    bucket = options.storage == "bucket"
    tables = Manifest.read(reference).shards
    image_shards = len(tables["images"])
    shards = 2 + -(-len(config["source"]["names"]) * (1 + config["augmentation"]["copies"]) // 3) + image_shards
    with open_site(folder, bucket) as site:
        os.environ.update(site.storage, XDG_CACHE_HOME=str(folder / "seen"))
        store = open_store(site.out)
        say, started = teller(folder / "disturbances.log"), time.monotonic()
        generator = np.random.default_rng(options.seed)
        order = draw(generator, options.kills, bucket)
        say(
            f"{len(order)} disturbances to come; nodes apart: {can_be_apart()}, lease {LEASE_S} s, silence {SILENCE_S} s"
        )
        with watching(store) as watch:
            disturber = Disturber(site, watch, generator, order, shards, say)
            ended = until_the_end(site, shared(config), disturber, watch, say)
        minutes = (time.monotonic() - started) / 60
        disturber.mend()
        checks = [
            Check("image shards", f"{image_shards} of {IMAGES} images", image_shards >= options.shards),
            Check("the run's end", f"{ended}, {minutes:.1f} minutes", ended == StateType.COMPLETED.value),
            *of_disturbances(disturber, options.kills),
            *of_waste(watch, disturber),
        ]
        if ended != StateType.COMPLETED.value:
            return checks
        checks += compare(reference, local_copy(site.out))
        left = store.names(".work/")
        return [*checks, Check("files of the work left", str(len(left)), not left), verified(folder, site)]


def until_the_end(site: Site, config: dict, disturber: Disturber, watch: Watch, say: Callable[[str], None]) -> str:
    """Disturb the run until it has ended; its last state."""
    run = site.start_run(config)
    started = looked = told = time.monotonic()
    state = "?"
    while time.monotonic() - started < LIMIT_S:
        disturber.look()
        now = time.monotonic()
        if now - looked > _STATE_S:
            looked, seen = now, site.look_at(run)
            if seen is not None and seen.state_type is not None:
                if seen.state_type.value != state:
                    say(f"   the run is {seen.state_name}: {seen.state.message or ''}"[:160])
                state = seen.state_type.value
                if seen.state_type in _ENDED:
                    return state
        if now - told > _TELL_S:
            told = now
            say(f"   {watch.done} of {disturber.shards} shards made, {watch.again} taken again")
        time.sleep(_LOOK_S)
    return f"{state} after {LIMIT_S / 60:.0f} minutes"


def of_disturbances(disturber: Disturber, kills: int) -> list[Check]:
    """What happened to the run."""
    done = disturber.done
    killed = ", ".join(f"{done[kind]} {kind}" for kind in KILLS)
    others = ", ".join(f"{count} {kind}" for kind, count in done.items() if kind not in KILLS)
    return [
        Check("kills", f"{disturber.kills}: {killed}", disturber.kills >= kills),
        Check("other disturbances", others, not set(disturber.order) - KILLS.keys()),
    ]


def of_waste(watch: Watch, disturber: Disturber) -> list[Check]:
    """Work that was done more than once."""
    return [
        Check(
            "shards taken again, and at most",
            f"{watch.again}, {disturber.allowance}",
            watch.again <= disturber.allowance,
        ),
        Check("claims not seen done", ", ".join(watch.unfinished) or "none", not watch.unfinished),
    ]


def verified(folder: Path, site: Site) -> Check:
    """`render-ih verify`."""
    variables = environment(folder, site.code, XDG_CACHE_HOME=str(folder / "seen"), **site.storage)
    answer = subprocess.run(
        render_ih("verify", site.out), cwd=site.code, env=variables, capture_output=True, text=True, check=False
    )
    said = (answer.stdout.strip() or answer.stderr.strip()).splitlines()
    return Check("render-ih verify", said[-1] if said else "nothing", answer.returncode == 0)


def teller(file: Path) -> Callable[[str], None]:
    """Says a line with the seconds since now, here and in a file."""
    started = time.monotonic()

    def say(line: str) -> None:
        told = f"{time.monotonic() - started:7.1f} s  {line}"
        print(told, flush=True)
        with file.open("a") as log:
            log.write(told + "\n")

    return say


if __name__ == "__main__":
    main()
