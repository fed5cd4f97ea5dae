"""A look at a network in training: its loss on poses not learnt from, hands drawn from it, and a picture of each."""

from pathlib import Path

import numpy as np
import torch

from dataset.atomic import atomic_write
from hands.random_streams import torch_stream
from hands.ray_collision import colliding
from models.ihdiff.diffusion import Samples, Schedule, sample, standard_noise
from models.ihdiff.learning import Batch
from models.ihdiff.metrics import average_pairwise_distance_mm, contact
from models.ihdiff.representation import Surfaces, surfaces
from models.ihdiff.vae import sample_vae
from tasks.ihdiff.training.learner import Learner
from tasks.ihdiff.training.quick_picture import quick_picture


@torch.no_grad()
def look(learner: Learner, step: int, out: Path) -> dict[str, float]:
    """Metrics by the names of docs/training-jobs.md; pictures of the samples go to `out`/pictures."""
    data, offsets = learner.held
    found = {}
    if data.validation:
        terms = learner.validation_terms(Batch(*(value.to(learner.device) for value in data.validation)))
        found = {f"loss/{name}": float(value) for name, value in terms.items()}
        found = {"loss": sum(found.values()), **found}
    if count := learner.config.report.samples:
        drawn = draw(learner, count)
        meshes = surfaces(learner.losses.standard.restore(drawn.scaled), drawn.betas, learner.losses.hands)
        touching = contact(meshes.right, meshes.left)
        found["samples_in_contact_percent"] = 100 * float((touching.right.any(1) | touching.left.any(1)).float().mean())
        found["samples_APD_mm"] = average_pairwise_distance_mm(meshes.both)
        if offsets:
            found["samples_collision_percent"] = 100 * float(
                colliding(offsets(meshes.right, meshes.left)).float().mean()
            )
        faces = [data.hands[side].arrays.faces for side in data.hands]
        write_pictures(meshes, faces, out / "pictures" / f"{step:08d}")
    return found


def draw(learner: Learner, count: int) -> Samples:
    """Hands from noise that is the same at every look."""
    config, draws = learner.config, torch_stream(learner.config.seed, "samples")
    if config.model == "vae":
        noise = torch.randn(count, config.vae.latents, config.vae.width, generator=draws)
        return sample_vae(learner.network, noise.to(learner.device))
    noise = standard_noise(count, draws).to(learner.device)
    return sample(learner.network, Schedule(config.report.sampling_steps), noise)


def write_pictures(meshes: Surfaces, faces: list[np.ndarray], folder: Path) -> None:
    """`sample-00.png` … in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    right, left = (mesh.cpu().numpy() for mesh in (meshes.right, meshes.left))
    for number in range(len(right)):
        picture = quick_picture([(right[number], faces[0]), (left[number], faces[1])])
        atomic_write(folder / f"sample-{number:02d}.png", picture)
