"""One run in progress: its configuration and what every step needs, loaded once and checked before work begins."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from dataset.environments import Environment, choose_environments
from dataset.gestures import load_gestures
from dataset.hand_files import load_hands
from dataset.manifest import Manifest
from hands.gestures import Gesture
from hands.joints import Side
from hands.model import HandModel
from rendering.skins import Skin, load_skins
from rendering.supervisor import Renderer
from rendering.surface import HandSurface
from tasks.config import RenderIHConfig


@dataclass
class Run:
    """Everything that is read-only during a run, and the manifest that grows."""

    config: RenderIHConfig
    hands: dict[Side, HandModel]
    gestures: list[Gesture]
    environments: list[Environment]
    skins: dict[str, Skin]
    manifest: Manifest
    resources: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def surfaces(self) -> dict[Side, HandSurface]:
        """The surfaces that are rendered and labelled."""
        return {side: HandSurface.build(model.arrays) for side, model in self.hands.items()}

    @cached_property
    def renderer(self) -> Renderer:
        """Blender in its own process, started by the first image and shared by all shards."""
        machine = self.config.machine
        renderer = Renderer(self.surfaces, device=machine.render_device, job_timeout=machine.render_timeout)
        return self.resources.enter_context(renderer)


def checksum(content: bytes) -> str:
    """SHA-256 as hexadecimal text."""
    return hashlib.sha256(content).hexdigest()


def hand_checksums(hands: dict[Side, HandModel]) -> dict[str, str]:
    """What tells one hand model from another wherever its file lies: a checksum of the shaped surface's arrays."""
    arrays = {side: (m.arrays.v_template, m.arrays.shapedirs, m.arrays.weights) for side, m in hands.items()}
    return {
        str(side): checksum(b"".join(np.ascontiguousarray(a).tobytes() for a in parts))
        for side, parts in arrays.items()
    }


@contextmanager
def open_run(config: RenderIHConfig, out: Path) -> Iterator[Run]:
    """Check every input, then create or resume the dataset directory; what is bad is refused before anything is written.

    Raises:
        InputError: a hand, gesture or environment file is missing or damaged, or `out` belongs to another run.
    """
    hands = load_hands(config.hands.mano)
    gestures = load_gestures(config.source.gestures, config.source.names)
    environments = choose_environments(config.environments.ids, config.split, config.environments.folder)
    skins = load_skins()
    content = {"hands": hand_checksums(hands), "gestures": checksum(repr(gestures).encode())}
    content["environments"] = {environment.id: environment.sha256 for environment in environments}
    manifest = Manifest.open(out, config.identity() | {"inputs": content})
    with ExitStack() as resources:
        yield Run(config, hands, gestures, environments, skins, manifest, resources)
