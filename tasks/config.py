"""The whole configuration of a render-ih run: the parts lie beside what they configure."""

import json
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from dataset.splits import SPLITS
from hands.augment import AugmentationConfig
from hands.optimise import OptimisationConfig
from rendering.devices import PATTERN
from rendering.views.cameras import CameraConfig
from rendering.views.plan import LookConfig
from tasks.config_file import read_config

DEMO = Path(str(resources.files("configs"))) / "demo.yaml"
"""The recipe that a run takes when none is named: minutes on two cores, where the defaults below take days."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class HandsConfig(_Part):
    """Which hand model."""

    mano: Path | None = None
    """Folder with MANO_RIGHT.pkl and MANO_LEFT.pkl; empty: the built-in free hand."""
    anchors: Path | None = None
    """Anchor file made by `render-ih assets anchors`; empty: the built-in one, or evenly spread anchors for another hand."""


class SourceConfig(_Part):
    """Where raw poses come from; docs/pose-sources.md describes the formats."""

    kind: Literal["gestures", "interhand26m", "reinterhand", "hic", "parquet", "ihdiff"] = "gestures"
    """gestures: the gesture library; interhand26m, reinterhand, hic: recordings; parquet: any table of poses; ihdiff: poses
    drawn from a trained IHDiff. `--set source=KIND:PATH` gives kind and path at once."""
    path: Path | None = None
    """Folder of the data set, file or folder of Parquet, or checkpoint of IHDiff; not for gestures."""
    subset: str = "train"
    """interhand26m: train, val or test; reinterhand: train, test or all. The others have none."""
    distinct: int = Field(0, ge=0)
    """This many poses, chosen to differ as much as possible; 0: all. The paper has 3680."""
    max_hand_distance_mm: float = Field(50.0, gt=0)
    """Frames whose hands are farther apart are left out; not for gestures."""
    faults: Literal["skip", "refuse"] = "skip"
    """skip: what cannot be read is left out and listed in `rejected/`; refuse: it ends the run."""
    gestures: Path | None = None
    """Folder of gesture files; empty: the built-in library."""
    names: tuple[str, ...] = ()
    """Only these gestures; empty: all. Ignored by the other kinds."""
    samples: int = Field(256, ge=1)
    """ihdiff: how many poses are drawn. Ignored by the other kinds."""
    sampling_steps: int = Field(100, ge=1, le=1000)
    """ihdiff: steps from noise to hands. Ignored by the other kinds."""

    @model_validator(mode="before")
    @classmethod
    def _kind_and_path_in_one(cls, values: object) -> object:
        if isinstance(values, dict) and len(values) == 1 and list(values.values()) == [None]:
            values = next(iter(values))  # YAML reads `ihdiff:` as a key
        if not isinstance(values, str):
            return values
        kind, sign, path = values.partition(":")
        if not sign or not path:
            raise ValueError("write KIND:PATH, for example source=ihdiff:out/ihdiff, or source.kind and source.path")
        return {"kind": kind, "path": path}

    @model_serializer(mode="wrap")
    def _without_what_plays_no_part(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Datasets of the other kinds are the same with and without the keys of ihdiff."""
        values = serialise(self)
        if self.kind != "ihdiff":
            values = {name: value for name, value in values.items() if name not in ("samples", "sampling_steps")}
        return values

    @model_validator(mode="after")
    def _places_belong_to_the_kind(self) -> "SourceConfig":
        if self.kind == "gestures" and self.path:
            raise ValueError(
                "path is given, but kind is gestures; add source.kind, or name gestures in source.gestures"
            )
        if self.kind != "gestures" and self.gestures:
            raise ValueError(f"gestures is given, but kind is {self.kind}; take one of the two away")
        return self


class NaturalnessConfig(_Part):
    """What judges whether a hand's pose is natural."""

    checkpoint: Path | None = None
    """Weights made by `render-ih train naturalness`; empty: the built-in ones, trained on the gesture library."""


class ValidationConfig(_Part):
    """What an accepted pose must satisfy; the rest go to `rejected/` with the reason."""

    max_penetration_mm: float = Field(2.0, ge=0)
    """Deepest vertex allowed inside the other hand."""
    max_limit_excess_deg: float = Field(0.5, ge=0)
    """Largest angle allowed outside Table 2."""
    max_distance_mm: float = Field(150.0, ge=0)
    """Hands farther apart than this do not interact."""
    min_contact_vertices: int = Field(0, ge=0)
    """Fewest vertices of both hands within 3 mm of the other hand."""
    min_naturalness: float = Field(0.0, ge=0, le=1)
    """Least probability of being natural, of the less natural hand."""
    max_forearm_depth_mm: float = Field(8.0, ge=0)
    """How deep a forearm may lie in the other hand or forearm after the wrists were bent to avoid it."""


class EnvironmentsConfig(_Part):
    """Which environment maps."""

    ids: tuple[str, ...] = ()
    """Names in hdri_manifest.yaml; empty: every one of the splits that is present."""
    folder: Path | None = None
    """Folder of pulled maps and of your own; empty: where `render-ih assets pull` puts them, in the user's cache."""


class SkinsConfig(_Part):
    """Which skins; docs/skins.md describes the built-in ones and the folder."""

    folder: Path | None = None
    """Folder of skin textures of your own, NAME.png or NAME.jpg; empty: only the built-in skins."""
    names: tuple[str, ...] = ()
    """Only these skins; empty: all of the folder, or all built-in ones."""


class LabelsConfig(_Part):
    """Which labels are written beside those that every image has."""

    normals: bool = False
    """Surface normals, a picture of their own."""


class PictureConfig(_Part):
    """How the pictures are kept; masks, depth and normals are always PNG."""

    format: Literal["jpeg", "png"] = "jpeg"
    """jpeg: a third of the size of png and faster to read; png loses nothing."""
    quality: int = Field(95, ge=50, le=100)
    """Of JPEG, always with full colour resolution."""


class ShardsConfig(_Part):
    """How much work one task does."""

    poses: int = Field(256, ge=1)
    """Candidate poses in one shard."""
    images: int = Field(200, ge=1)
    """Images in one shard; 4,000 of 512 × 334 make a file of some 330 MB, a size that Parquet readers like."""


class MachineConfig(_Part):
    """How this machine works; not part of what the dataset is."""

    render_device: str = Field("AUTO", pattern=PATTERN)
    """AUTO: the best there is; CPU, OPTIX, CUDA, HIP, ONEAPI, METAL: that one or no run; CUDA:1 is the second of its kind."""
    render_timeout: float = Field(600.0, gt=0)
    """Seconds after which an image is given up and Blender restarted."""
    optimise_device: str = "cpu"
    """Torch device of the pose optimiser."""
    optimise_batch: int = Field(64, ge=1)
    """Poses optimised at once; changes speed, not results."""
    optimise_threads: int = Field(0, ge=0)
    """Batches optimised side by side; 0: one a core, or one on a GPU."""
    plan_processes: int = Field(0, ge=0)
    """Processes that draw views when they are thousands; 0: one a core."""


class FleetConfig(_Part):
    """Who makes the shards; docs/operations.md goes from one machine to many. No part of what the dataset is."""

    poses: str = ""
    """Deployment whose runs optimise shards of poses, e.g. render-ih-shards/gpu; empty: the leading process does."""
    images: str = ""
    """Deployment whose runs render shards of images; empty: the leading process does."""
    most: int = Field(256, ge=1)
    """Runs of a deployment at once; as many workers as there are take part up to this."""
    lease_seconds: float = Field(60.0, ge=2)
    """A shard whose worker has been silent for so long is given to another."""
    shard_hours: float = Field(6.0, gt=0)
    """A shard that takes longer has failed."""

    def uses(self, stage: str) -> str:
        """The deployment that makes a stage's shards; empty for none."""
        return {"poses": self.poses, "images": self.images}.get(stage, "")


class LimitsConfig(_Part):
    """When a run stops before its end; the same command goes on from there. No part of what the dataset is."""

    images: int = Field(0, ge=0)
    """Stop when the dataset has so many images; 0: no limit."""
    hours: float = Field(0.0, ge=0)
    """Stop after so many hours of this run; 0: no limit."""
    cost: float = Field(0.0, ge=0)
    """Stop when this run has cost so much: worker hours times `price_per_hour`; 0: no limit."""
    poses_only: bool = False
    """Stop when all poses are made: they are what IHDiff learns from."""
    price_per_hour: float = Field(0.0, ge=0)
    """Of one worker, in any currency."""
    max_refused: float = Field(0.5, ge=0, le=1)
    """Pause when more than this share of the last images rendered was refused (black, failed, labels differ)."""

    @model_validator(mode="after")
    def _a_cost_has_a_price(self) -> "LimitsConfig":
        if self.cost and not self.price_per_hour:
            raise ValueError("cost is limited, but price_per_hour is 0; say what a worker costs an hour")
        return self


class RenderIHConfig(_Part):
    """A run of render-ih."""

    seed: int = Field(0, ge=0)
    """Everything random follows from it."""
    split: str = Field("all", pattern="^(all|train|validation|test)$")
    """all: each base pose goes to its own split, with environments and skins of the same; or only the poses of one."""
    hands: HandsConfig = HandsConfig()
    source: SourceConfig = SourceConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    optimisation: OptimisationConfig = OptimisationConfig()
    naturalness: NaturalnessConfig = NaturalnessConfig()
    validation: ValidationConfig = ValidationConfig()
    camera: CameraConfig = CameraConfig()
    look: LookConfig = LookConfig()
    environments: EnvironmentsConfig = EnvironmentsConfig()
    skins: SkinsConfig = SkinsConfig()
    picture: PictureConfig = PictureConfig()
    labels: LabelsConfig = LabelsConfig()
    shards: ShardsConfig = ShardsConfig()
    machine: MachineConfig = MachineConfig()
    fleet: FleetConfig = FleetConfig()
    limits: LimitsConfig = LimitsConfig()

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that the run makes."""
        return SPLITS if self.split == "all" else (self.split,)

    def identity(self) -> dict[str, Any]:
        """What decides the dataset's content, as plain JSON values: all but who makes it, how far, and where files lie.

        Whether faults end a run is no part of it either: where there are none, both ways make the same dataset.
        """
        places = {
            "hands": {"mano", "anchors"},
            "naturalness": {"checkpoint"},
            "source": {"gestures", "path", "faults"},
            "environments": {"folder"},
            "skins": {"folder"},
        }
        if self.source.kind != "gestures":
            places["source"].add("names")
        return json.loads(self.model_dump_json(exclude={"machine": True, "fleet": True, "limits": True, **places}))


def load_config(file: Path | None, overrides: tuple[str, ...] = ()) -> RenderIHConfig:
    """A configuration file with `section.key=value` overrides on top; defaults when there is no file.

    Raises:
        InputError: unreadable file, unknown key, impossible value.
    """
    return read_config(RenderIHConfig, file, overrides)
