"""Table 1: hands drawn from a network, how much they vary and collide (IHDiff §5.2), and how they compare with real ones.

What all tables share is here too: how hands are measured, and how finished results are kept.
"""

import copy
import json
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dataset.atomic import atomic_write, is_partial
from dataset.errors import InputError
from hands.joints import Side
from hands.model import HandModel
from hands.random_streams import stream
from hands.ray_collision import RayCollision
from models.ihdiff.checkpoint import IHDiff, TrainedVAE
from models.ihdiff.coverage import diversity_mm, precision_recall
from models.ihdiff.diffusion import Schedule, sample, standard_noise
from models.ihdiff.metrics import align_right_wrist, average_pairwise_distance_mm, collision_percent, contact
from models.ihdiff.representation import Surfaces, surfaces
from models.ihdiff.vae import latent_noise, sample_vae
from tasks.ihdiff.evaluation.penetration_volume import penetration_volume_cm3, shared_volume_cm3
from tasks.progress import bar

Hands = dict[Side, HandModel]
Result = dict[str, Any]
Rows = dict[str, dict[str, Result]]
"""Results by method and kind of targets."""
NAMES = {
    "data-train": "poses learnt from",
    "data": "poses of the split",
    "truth": "true hands",
    "search": "NN search",
    "regressor": "regressor",
    "regression": "regressor + Col. reg.",
    "vae": "VAE",
    "without_collision": "IHDiff without L_col",
    "self_attention": "IHDiff (SA only)",
    "ihdiff": "IHDiff",
}
"""Rows of all tables, in their order."""
ALL = "all"
"""The one column of a table without kinds of targets."""
_COLUMNS = (
    ("APD_mm", "APD (mm)", 2),
    ("collision_percent", "collision (%)", 2),
    ("in_contact_percent", "in contact (%)", 1),
    ("penetration_volume_cm3", "volume in common (cm³)", 3),
    ("precision", "precision", 3),
    ("recall", "recall", 3),
    ("density", "density", 3),
    ("diversity_mm", "diversity (mm)", 0),
    ("samples", "pairs", 0),
    ("failed", "failed", 0),
)
NEIGHBOURS = 3
"""k of precision, recall and density."""
PAIRS = 200
"""Of samples, at most, that diversity looks at."""
INSTALL = "IHDiff's noise schedule needs diffusers, which is not installed; pip install 'render-ih[train]'"


@dataclass(frozen=True, eq=False)
class Judge:
    """Poses and measures hands a batch at a time, on one device; what it returns is on the CPU."""

    hands: Hands
    search: RayCollision
    batch: int
    device: str

    @staticmethod
    def build(hands: Hands, batch: int, device: str) -> "Judge":
        """One search tree for all batches."""
        moved = {side: HandModel(model.arrays).to(device) for side, model in hands.items()}
        return Judge(moved, RayCollision.build(hands, batch, device), batch, device)

    @torch.no_grad()
    def meshes(self, x: Float[Tensor, "n 42 9"], betas: Float[Tensor, "n 20"]) -> Surfaces:
        """Both hands seen from the right wrist, metres."""
        parts = zip(x.split(self.batch), betas.split(self.batch), strict=True)
        posed = [surfaces(rows.to(self.device), shape.to(self.device), self.hands) for rows, shape in parts]
        return Surfaces(*(torch.cat(blocks).cpu() for blocks in zip(*posed, strict=True)))

    @torch.no_grad()
    def collisions(self, meshes: Surfaces) -> Float[Tensor, "n"]:
        """Share of vertices deeper than 3 mm in the other or their own hand, %; NaN where a coordinate is no number."""
        found = torch.full((len(meshes.right),), torch.nan)
        for rows in sound(meshes).nonzero()[:, 0].split(self.batch):
            right, left = (side[rows].to(self.device) for side in (meshes.right, meshes.left))
            found[rows] = collision_percent(self.search.offsets(right, left)).cpu()
        return found


def sound(meshes: Surfaces) -> Tensor:
    """Which pairs consist of finite numbers."""
    return meshes.both.isfinite().flatten(1).all(1)


def require_volumes() -> None:
    """Find out before hours of sampling that volumes cannot be computed.

    Raises:
        InputError: manifold3d is not installed.
    """
    shared_volume_cm3([], [])


def generator(seed: int, *names: str | int) -> torch.Generator:
    """Random numbers of one purpose, on the CPU: a seed means the same on every device."""
    return torch.Generator().manual_seed(int(stream(seed, *names).integers(2**62)))


def schedule(steps: int) -> Schedule:
    """The way from noise to hands.

    Raises:
        InputError: diffusers is not installed.
    """
    try:
        return Schedule(steps)
    except ModuleNotFoundError as error:
        raise InputError(INSTALL) from error


def drawn(
    model: IHDiff | TrainedVAE, count: int, steps: int, seed: int, judge: Judge, title: str
) -> tuple[Float[Tensor, "n 42 9"], Float[Tensor, "n 20"]]:
    """Random hands of a network, metres and rotations, and their shapes.

    All networks of a kind get the same noise, whatever the batch.
    """
    network, draws = copy.deepcopy(model.network).to(judge.device), generator(seed, "samples")
    found = []
    if isinstance(model, TrainedVAE):
        noise = latent_noise(model.network.config, count, draws)
        with bar(title, count, "hand pairs") as advance:
            for block in noise.split(judge.batch):
                found.append(sample_vae(network, block.to(judge.device)))
                advance(len(block))
    else:
        noise, way = standard_noise(count, draws), schedule(steps)
        blocks = noise.split(judge.batch)
        with bar(title, len(blocks) * steps, "steps") as advance:
            found = [sample(network, way, block.to(judge.device), on_step=advance) for block in blocks]
    scaled, betas = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
    return model.standard.restore(scaled), betas


def measured(
    x: Float[Tensor, "n 42 9"], betas: Float[Tensor, "n 20"], real: Float[Tensor, "m 126"], judge: Judge, seed: int
) -> Result:
    """What Table 1 says of hands, and more.

    Args:
        real: `features` of poses learnt from, that precision, recall and density compare with.
    """
    every = judge.meshes(x, betas)
    whole = sound(every)
    meshes = Surfaces(*(part[whole] for part in every))
    collisions = judge.collisions(meshes)
    touching = contact(meshes.right, meshes.left)
    volumes = _volumes(meshes, judge)
    joints = features(meshes)
    return {
        "samples": len(x),
        "failed": int((~whole).sum()),
        "APD_mm": average_pairwise_distance_mm(align_right_wrist(meshes.both, meshes.joints[:, 0])),
        "collision_percent": _mean(collisions),
        "in_contact_percent": 100 * _mean((touching.right.any(1) | touching.left.any(1)).float()),
        "penetration_volume_cm3": _mean(volumes),
        "diversity_mm": _diversity(joints, generator(seed, "diversity")),
        **_covered(joints, real),
        "each": {"collision_percent": collisions.tolist(), "penetration_volume_cm3": volumes.tolist()},
    }


def features(meshes: Surfaces) -> Float[Tensor, "n 126"]:
    """Joints relative to the right wrist, millimetres."""
    return 1e3 * (meshes.joints - meshes.joints[:, :1]).flatten(1)


def _volumes(meshes: Surfaces, judge: Judge) -> Float[Tensor, "n"]:
    found = []
    with bar("volumes in common", len(meshes.right), "hand pairs") as advance:
        for right, left in zip(meshes.right.split(judge.batch), meshes.left.split(judge.batch), strict=True):
            found.append(penetration_volume_cm3(right, left, judge.hands))
            advance(len(right))
    return torch.cat(found)


def _diversity(joints: Float[Tensor, "n 126"], draws: torch.Generator) -> float:
    pairs = min(PAIRS, len(joints) // 2)
    return diversity_mm(joints, draws, pairs) if pairs else torch.nan


def _covered(joints: Float[Tensor, "n 126"], real: Float[Tensor, "m 126"]) -> Result:
    if min(len(joints), len(real)) <= NEIGHBOURS:
        return {"precision": torch.nan, "recall": torch.nan, "density": torch.nan}
    return precision_recall(joints, real, NEIGHBOURS)._asdict()


def _mean(values: Float[Tensor, "n"]) -> float:
    return values.double().mean().item()


@dataclass(frozen=True, eq=False)
class Part:
    """One result that is computed or read."""

    table: int
    method: str
    target: str
    settings: dict[str, Any]
    make: Callable[[], Result] = field(repr=False)

    @property
    def name(self) -> str:
        """Of its file."""
        return "-".join(filter(None, (f"table{self.table}", self.method, self.target)))


def computed(out: Path, part: Part) -> Result:
    """Compute a result and keep it."""
    result = plain(part.make())
    atomic_write(_file(out, part), json.dumps({"settings": part.settings, "result": result}, allow_nan=False) + "\n")
    return result


def stored(out: Path, part: Part) -> Result | None:
    """What an earlier run found; None: nothing.

    Raises:
        InputError: it had other settings, or the file is damaged.
    """
    file = _file(out, part)
    if not file.exists():
        return None
    try:
        there = json.loads(file.read_text(encoding="utf-8"))
        settings, result = dict(there["settings"]), dict(there["result"])
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise InputError(f"{file}: is damaged; remove it, and it is computed again") from error
    if different := sorted(name for name in settings | part.settings if settings.get(name) != part.settings.get(name)):
        raise InputError(f"{file}: is a result of another {', '.join(different)}; give an empty folder, or remove it")
    return result


def _file(out: Path, part: Part) -> Path:
    return out / "parts" / f"{part.name}.json"


def plain(value: Any) -> Any:
    """The same for JSON, which has no NaN: null."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def refuse_foreign(out: Path, ours: Collection[str]) -> None:
    """Results are not written among other things.

    Raises:
        InputError: the folder holds something else, or is a file.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; give a directory for the tables")
    if foreign := sorted(path.name for path in out.glob("*") if path.name not in ours and not is_partial(path)):
        raise InputError(f"{out}: holds something else ({', '.join(foreign[:3])}); give an empty directory")


def page(found: Rows) -> str:
    """Table 1 as Markdown."""
    rows = [
        [NAMES[name], *(shown(row[ALL][key], digits) for key, _, digits in _COLUMNS)] for name, row in found.items()
    ]
    return "## Table 1: random samples\n\n" + grid(["", *(title for _, title, _ in _COLUMNS)], rows)


def shown(value: float | None, digits: int) -> str:
    """A number in a table; a dash for one that there is not."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def grid(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown, numbers to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
