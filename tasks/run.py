"""One run in progress: its configuration and what every step needs, loaded once and checked before work begins."""

import copy
import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from dataset.assets.anchors import load_anchors
from dataset.assets.environments import Environment, choose_environments, missing_environments
from dataset.assets.hand_files import hand_checksums, load_hands
from dataset.errors import InputError
from dataset.manifest import FILE, Manifest, refuse_foreign, refuse_other
from dataset.readers.source import RawPoses
from dataset.splits import SPLITS
from dataset.storage.opening import open_store
from dataset.storage.store import Store
from dataset.storage.suitability import refuse_unsuitable
from dataset.versions import code_version, library_versions
from dataset.work import control
from dataset.work.holder import worker_name
from dataset.work.raw_poses import read_raw
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
from rendering.views.planner import Planner
from tasks.config import RenderIHConfig
from tasks.limits import Watch
from tasks.pose_source import PoseSource, open_source


@dataclass
class Inputs:
    """What a configuration names, read and checked."""

    config: RenderIHConfig
    hands: dict[Side, HandModel]
    anchors: Anchors
    naturalness: NaturalDiscriminator
    source: PoseSource
    environments: list[Environment]
    skins: dict[str, Skin]
    coordinates: dict[Side, Coordinates | None]
    """Where textures lie on each hand."""

    @property
    def checksums(self) -> dict[str, Any]:
        """What tells the inputs from others, wherever they lie."""
        naturalness = b"".join(value.numpy().tobytes() for value in self.naturalness.state_dict().values())
        return {
            "hands": hand_checksums(self.hands),
            "source": self.source.sha256,
            "anchors": checksum(self.anchors.right.tobytes() + self.anchors.left.tobytes()),
            "naturalness": checksum(naturalness),
            "skins": skin_checksums(self.skins, self.coordinates),
            "environments": {environment.id: environment.sha256 for environment in self.environments},
        }


@dataclass
class Run(Inputs):
    """Everything that is read-only during a run, and the manifest that grows."""

    manifest: Manifest
    resources: ExitStack = field(default_factory=ExitStack)
    worker: str = field(default_factory=worker_name)
    """Who works here, for people."""
    watch: Watch = field(init=False)
    """What the run has used, against its limits."""

    def __post_init__(self) -> None:
        self.watch = Watch(self.config.limits)

    @property
    def store(self) -> Store:
        """Where the dataset is."""
        return self.manifest.store

    @classmethod
    @contextmanager
    def of(cls, inputs: Inputs, manifest: Manifest) -> Iterator["Run"]:
        """A run with these inputs; what it starts ends with the block."""
        with ExitStack() as resources:
            own = {field.name: getattr(inputs, field.name) for field in fields(inputs)}
            yield cls(**own, manifest=manifest, resources=resources)

    @property
    def planner(self) -> Planner:
        """What the views of a pose are drawn from: of environments and skins, those of the pose's split."""
        environments = {split: [e for e in self.environments if e.split == split] for split in SPLITS}
        skins = {split: [name for name, skin in self.skins.items() if skin.split == split] for split in SPLITS}
        config = self.config
        return Planner(self.hands, config.camera, config.look, environments, skins, config.seed)

    @cached_property
    def raw(self) -> RawPoses:
        """The raw poses: those that the run's leader has put on storage, or else those of the source."""
        return read_raw(self.store) or self.source.raw

    def work_lighter(self) -> bool:
        """After memory ran out: half the batch, and a new Blender process; False when the batch is one pose already."""
        if "renderer" in self.__dict__:
            self.renderer.close()
        machine = self.config.machine
        batch = max(1, machine.optimise_batch // 2)
        self.config = self.config.model_copy(update={"machine": machine.model_copy(update={"optimise_batch": batch})})
        return batch < machine.optimise_batch

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


def check_splits(
    raw: RawPoses, config: RenderIHConfig, environments: list[Environment], skins: dict[str, Skin]
) -> None:
    """Every split that gets poses must have something to show them with, and people of its own.

    Raises:
        InputError: one has no environment or no skin, shares a hand shape with another, or there is no pose for any.
    """
    made = sorted(set(raw.splits) & set(config.splits))
    if not made:
        raise InputError(f"no raw pose belongs to split '{config.split}'; name another split, or `all`")
    for split in made:
        if not any(environment.split == split for environment in environments):
            raise InputError(f"{missing_environments(split)}; or make one split only, e.g. --set split=train")
        if not any(skin.split == split for skin in skins.values()):
            raise InputError(
                f"no skin of split '{split}' is among the run's; add one, or make only a split that has one"
            )
    if config.augmentation.shape_sigma == 0 and len(made) > 1:
        _refuse_shared_shapes(raw)


def _refuse_shared_shapes(raw: RawPoses) -> None:
    """Without new shapes a person is who the raw poses say."""
    owners: dict[bytes, str] = {}
    for split, right, left in zip(raw.splits, raw.poses.right.betas, raw.poses.left.betas, strict=True):
        first = owners.setdefault(right.numpy().tobytes() + left.numpy().tobytes(), split)
        if first != split:
            raise InputError(
                f"augmentation.shape_sigma is 0, and {first} and {split} would share a hand shape; make one split only, or "
                "let shapes vary"
            )


@contextmanager
def open_run(config: RenderIHConfig, out: str | Path) -> Iterator[Run]:
    """Check every input, then create or resume the dataset at `out`; what is bad is refused before anything is written.

    Raw poses are read here when the dataset is new, later when they are asked for in one that is there.

    Raises:
        InputError: a hand, pose or environment file is missing or damaged, a split lacks something, or `out` belongs to
            another run.
    """
    store = open_store(out)
    is_new = store.read(FILE) is None
    inputs = _read_inputs(config, None if is_new else Manifest.read(store).config)
    if is_new:
        check_splits(inputs.source.raw, config, inputs.environments, inputs.skins)
        refuse_foreign(store)
        refuse_unsuitable(store)
    manifest = Manifest.open(store, config.identity() | {"inputs": inputs.checksums})
    control.begin(store)
    with Run.of(inputs, manifest) as run:
        try:
            yield run
        except BaseException as error:
            control.end(store, f"{type(error).__name__}: {error}")
            raise


@contextmanager
def join_run(config: RenderIHConfig, out: str | Path) -> Iterator[Run]:
    """A run that another process leads, for a worker that makes shards of it.

    Raises:
        InputError: no run goes on there, or it is of another configuration, other inputs or another program.
    """
    store = open_store(out)
    order = control.Control.read(store)
    if order is None:
        raise InputError(f"{store.url}: no run goes on there; start one with `render-ih run`")
    manifest = Manifest.read(store)
    _refuse_skew(store.url, manifest, order)
    config = config.model_copy(update={"source": config.source.model_copy(update={"path": None})})  # see Run.raw
    inputs = _read_inputs(config, manifest.config)
    refuse_other(store.url, manifest.config, config.identity() | {"inputs": inputs.checksums})
    with Run.of(inputs, manifest) as run:
        yield run


def _refuse_skew(place: str, manifest: Manifest, order: control.Control) -> None:
    """Another program, or other libraries, might make other rows."""
    here = {"render-ih": code_version()} | library_versions()
    there = {"render-ih": order.code_version} | manifest.run.versions
    if other := [name for name in there if there[name] != here.get(name)]:
        told = ", ".join(f"{name} {there[name]} there and {here.get(name, 'none')} here" for name in other)
        raise InputError(f"{place}: this worker differs from the run ({told}); install the same versions on every node")


@contextmanager
def reopen_run(manifest: Manifest, config_sha256: str, mano: Path | None = None) -> Iterator[Run]:
    """A run that made rows of a dataset, opened again to draw or judge what it planned; the dataset may hold other runs too.

    Args:
        manifest: of the dataset.
        config_sha256: which run, as `provenance.config_sha256` of its images says.
        mano: folder of the MANO files, when the run used them.

    Raises:
        InputError: a hand, environment or skin is not here, or is not the one that the run used.
    """
    there = manifest.runs[config_sha256].config
    stored = {key: value for key, value in there.items() if key != "inputs"} | {"hands": {"mano": mano}}
    config = RenderIHConfig.model_validate(stored)
    inputs = _read_inputs(config, there)
    refuse_other(manifest.store.url, there, config.identity() | {"inputs": inputs.checksums})
    with Run.of(inputs, manifest) as run:
        yield run


def _read_inputs(config: RenderIHConfig, there: dict[str, Any] | None) -> Inputs:
    """`there` is the configuration that a dataset was made with, if it exists."""
    if fault := device_fault(config.machine.optimise_device):
        raise InputError(f"machine.optimise_device: {fault}")
    if fault := render_device_fault(config.machine.render_device):
        raise InputError(fault)
    hands = load_hands(config.hands.mano)
    coordinates = {side: texture_coordinates(config.skins.folder, model.arrays) for side, model in hands.items()}
    return Inputs(
        config=config,
        hands=hands,
        anchors=load_anchors(hands, config.hands.anchors),
        naturalness=load_naturalness(config.naturalness.checkpoint),
        source=open_source(
            config.source,
            hands,
            known=there and there["inputs"].get("source", ""),
            seed=config.seed,
            device=config.machine.optimise_device,
        ),
        environments=choose_environments(config.environments.ids, config.splits, config.environments.folder),
        skins=choose_skins(config.skins.folder, config.skins.names, coordinates[Side.RIGHT]),
        coordinates=coordinates,
    )
