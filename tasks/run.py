"""One run in progress: its configuration and what every step needs, loaded once and checked before work begins."""

import copy
import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from dataset.assets.anchors import load_anchors
from dataset.assets.environments import Environment, choose_environments
from dataset.assets.hand_files import load_hands
from dataset.errors import InputError
from dataset.manifest import FILE, Manifest
from hands.contact import Anchors
from hands.forearm import Forearm
from hands.joints import Side
from hands.kernels import device_fault
from hands.model import HandModel
from hands.optimise import Engine
from models.discriminator import NaturalDiscriminator, load_discriminator
from rendering.devices import device_fault as render_device_fault
from rendering.skin.skins import Skin
from rendering.skin.textures import Coordinates, choose_skins, skin_checksums, texture_coordinates, with_coordinates
from rendering.supervisor import Renderer
from rendering.surface import HandSurface
from tasks.config import RenderIHConfig
from tasks.pose_source import PoseSource, open_source


@dataclass
class Run:
    """Everything that is read-only during a run, and the manifest that grows."""

    config: RenderIHConfig
    hands: dict[Side, HandModel]
    anchors: Anchors
    naturalness: NaturalDiscriminator
    source: PoseSource
    environments: list[Environment]
    skins: dict[str, Skin]
    coordinates: dict[Side, Coordinates | None]
    """Where textures lie on each hand."""
    manifest: Manifest
    resources: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def engine(self) -> Engine:
        """What optimises poses, on the machine's device."""
        naturalness = copy.deepcopy(self.naturalness).to(self.config.machine.optimise_device)
        return Engine(self.hands, self.anchors, naturalness)

    @cached_property
    def forearms(self) -> dict[Side, Forearm]:
        """What continues each hand to the elbow."""
        return {side: Forearm.build(model.arrays) for side, model in self.hands.items()}

    @cached_property
    def surfaces(self) -> dict[Side, HandSurface]:
        """The surfaces that are rendered and labelled."""
        return {
            side: HandSurface.build(with_coordinates(model.arrays, self.coordinates[side]))
            for side, model in self.hands.items()
        }

    @cached_property
    def renderer(self) -> Renderer:
        """Blender in its own process, started by the first image and shared by all shards."""
        machine = self.config.machine
        renderer = Renderer(self.surfaces, device=machine.render_device, job_timeout=machine.render_timeout)
        return self.resources.enter_context(renderer)


def load_naturalness(checkpoint: Path | None) -> NaturalDiscriminator:
    """The discriminator of a file, or the project's own, in float64.

    Raises:
        InputError: the file is missing, damaged or holds something else.
    """
    try:
        return load_discriminator(checkpoint).double()
    except ValueError as error:
        raise InputError(str(error)) from error


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

    Raw poses are read here when the directory is new, later when they are asked for in one that is there.

    Raises:
        InputError: a hand, pose or environment file is missing or damaged, or `out` belongs to another run.
    """
    if fault := device_fault(config.machine.optimise_device):
        raise InputError(f"machine.optimise_device: {fault}")
    if fault := render_device_fault(config.machine.render_device):
        raise InputError(fault)
    hands = load_hands(config.hands.mano)
    anchors = load_anchors(hands, config.hands.anchors)
    naturalness = load_naturalness(config.naturalness.checkpoint)
    source = open_source(config.source, hands, out)
    environments = choose_environments(config.environments.ids, config.split, config.environments.folder)
    coordinates = {side: texture_coordinates(config.skins.folder, model.arrays) for side, model in hands.items()}
    skins = choose_skins(config.skins.folder, config.skins.names, coordinates[Side.RIGHT])
    content = {"hands": hand_checksums(hands), "source": source.sha256}
    content["anchors"] = checksum(anchors.right.tobytes() + anchors.left.tobytes())
    content["naturalness"] = checksum(b"".join(v.numpy().tobytes() for v in naturalness.state_dict().values()))
    content["skins"] = skin_checksums(skins, coordinates)
    content["environments"] = {environment.id: environment.sha256 for environment in environments}
    if not (Path(out) / FILE).exists():
        source.check()
    manifest = Manifest.open(out, config.identity() | {"inputs": content})
    with ExitStack() as resources:
        yield Run(config, hands, anchors, naturalness, source, environments, skins, coordinates, manifest, resources)
