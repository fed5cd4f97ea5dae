"""Table 1: hands drawn from a network, how much they vary and collide (IHDiff §5.2), and how they compare with real ones."""

import copy

import torch
from jaxtyping import Float
from torch import Tensor

from hands.random_streams import torch_stream
from models.ihdiff.checkpoint import IHDiff, TrainedVAE
from models.ihdiff.coverage import diversity_mm, precision_recall
from models.ihdiff.diffusion import sample, standard_noise
from models.ihdiff.metrics import align_right_wrist, average_pairwise_distance_mm, contact
from models.ihdiff.representation import Surfaces
from models.ihdiff.vae import latent_noise, sample_vae
from tasks.ihdiff.evaluation.judge import Judge, schedule, sound
from tasks.ihdiff.evaluation.pages import ALL, NAMES, Rows
from tasks.ihdiff.evaluation.parts import Result
from tasks.ihdiff.evaluation.penetration_volume import penetration_volume_cm3
from tasks.markdown_tables import grid, shown
from tasks.progress import bar

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


def drawn(
    model: IHDiff | TrainedVAE, count: int, steps: int, seed: int, judge: Judge, title: str
) -> tuple[Float[Tensor, "n 42 9"], Float[Tensor, "n 20"]]:
    """Random hands of a network, metres and rotations, and their shapes.

    All networks of a kind get the same noise, whatever the batch.
    """
    network, draws = copy.deepcopy(model.network).to(judge.device), torch_stream(seed, "samples")
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
        "diversity_mm": _diversity(joints, torch_stream(seed, "diversity")),
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


def page(found: Rows) -> str:
    """Table 1 as Markdown."""
    rows = [
        [NAMES[name], *(shown(row[ALL][key], digits) for key, _, digits in _COLUMNS)] for name, row in found.items()
    ]
    return "## Table 1: random samples\n\n" + grid(["", *(title for _, title, _ in _COLUMNS)], rows)
