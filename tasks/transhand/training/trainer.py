"""Trains TransHand in this process, as torchrun starts it: the contract of docs/training-jobs.md.

python -m tasks.transhand.training.trainer --dataset PLACE --out DIR --batch-scale 1 [--config FILE] [--set KEY=VALUE]…
"""

from pathlib import Path
from typing import Any

from dataset.assets.hand_files import hand_checksum
from dataset.atomic import explained
from dataset.versions import code_version
from tasks.lightning_training.places import place
from tasks.lightning_training.reporting import Reports
from tasks.lightning_training.running import fit, run_trainer, step_of
from tasks.transhand.training.config import TransHandTraining, load_training
from tasks.transhand.training.learner import Hands, Learner, new_network
from tasks.transhand.training.looking import Look
from tasks.transhand.training.sources import Learnt, Sources, Steps


def train(config: TransHandTraining, source: str, out: Path, parts: int = 1, resumed: Path | None = None) -> None:
    """Train in this process, one of as many as torchrun has started.

    Args:
        source: the first source of images: a dataset's folder or URL, or KIND=PATH of recorded images.
        parts: in how many pieces a batch lies on a device, one after the other.
        resumed: checkpoint to go on from.

    Raises:
        InputError: no images to learn from, or what the configuration names cannot be used.
    """
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
    sources = Sources(source, config, out)
    hands = sources.hands()
    learnt = sources.learnt(place(), hands)
    look = Look(sources.validation(hands) if place().rank == 0 and config.report.validation else None)
    learner = Learner(config, new_network(config, hands, resumed is not None), hands, learnt.samples, parts)
    first = step_of(resumed) if resumed else 0
    reports = Reports(out, look, _notes(config, sources, learnt, hands))
    fit(learner, Steps(learnt.mixture, first, learner.total), reports, resumed)


def _notes(config: TransHandTraining, sources: Sources, learnt: Learnt, hands: Hands) -> dict[str, Any]:
    """What a card says of the training, and a reader of its checkpoint must know."""
    return {
        "data": [
            Path(wish.place).name if "=" not in wish.place else wish.place.partition("=")[0] for wish in sources.wishes
        ],
        "data_sha256": learnt.contents,
        "images": learnt.images,
        "samples": learnt.samples,
        "hands": hand_checksum(hands),
        "bone": config.data.bone,
        "code_version": code_version(),
        "config": config.model_dump(mode="json"),
    }


if __name__ == "__main__":
    run_trainer(str(__doc__), load_training, train)
