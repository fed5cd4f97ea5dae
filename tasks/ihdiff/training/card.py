"""The model card of a training of IHDiff or its baseline: its README.md, made from what the checkpoint says of itself."""

from collections.abc import Sequence
from pathlib import Path

from models.ihdiff.checkpoint import FILE, IHDiff, TrainedVAE

_TEMPLATE = Path(__file__).with_name("card.md")
_TITLES = {
    "ihdiff": "IHDiff: a diffusion prior of two interacting hands",
    "vae": "VAE of two interacting hands, IHDiff's baseline",
}
_USES = {
    "ihdiff": (
        "`render-ih sample {file} --out DIR`, `render-ih fit`, `render-ih run --set source=ihdiff:{file}`; "
        "in Python `models.ihdiff.checkpoint.load`"
    ),
    "vae": "`render-ih evaluate ihdiff --vae {file}`; in Python `models.ihdiff.checkpoint.load_vae`",
}
_FEW = 100_000
"""Poses below which a card says that they are few; the recordings of the paper hold more."""


def model_card(model: IHDiff | TrainedVAE, pictures: Sequence[Path], tables: str) -> str:
    """The text of the card.

    Args:
        pictures: of samples, relative to the card.
        tables: Markdown of what was measured; empty when nothing was.
    """
    notes, network = model.notes, model.network
    config, poses = notes["config"], notes["poses"]
    kind = config["model"]
    wish = config["optimiser"]
    return _TEMPLATE.read_text().format(
        title=_TITLES[kind],
        file=FILE,
        use=_USES[kind].format(file=FILE),
        weights=sum(value.numel() for value in network.parameters()),
        sizes=", ".join(f"{name} {value}" for name, value in vars(network.config).items()),
        data=notes["data"],
        sha256=notes["data_sha256"],
        counts=", ".join(f"{count:,} {split}" for split, count in poses.items()),
        mirror="and their mirror images" if config["data"]["mirror"] else "no mirror images",
        steps=notes["steps"],
        hours=notes["seconds"] / 3600,
        batch=wish["batch"],
        epochs=notes["steps"] * wish["batch"] / max(1, poses["train"] * (2 if config["data"]["mirror"] else 1)),
        rate=f"{wish['learning_rate']:g}, {wish['schedule']}, warm-up {wish['warmup']}",
        ema=wish["ema"],
        losses=", ".join(f"{name} {value:g}" for name, value in config["losses"].items()),
        hands=notes["hands"],
        version=notes["code_version"],
        seed=config["seed"],
        samples="\n".join(f"![samples]({path})" for path in pictures) or "None were drawn.",
        tables=tables.strip() or "Nothing was measured.",
        limits=_limits(poses["train"], notes["data"]),
    )


def _limits(poses: int, data: str) -> str:
    lines = [
        "- It knows hands in contact only, and of these the kinds it has seen.",
        "- It knows the surface, not the flesh: small collisions between hands remain (the paper, §6).",
    ]
    if poses < _FEW:
        lines.append(f"- {poses:,} poses are few. The paper's networks learn from recordings at 30 frames a second.")
    if "gestures" in data:
        lines.append(
            "- Its poses are variations of a few dozen gestures made up for this project; no person was recorded."
        )
    return "\n".join(lines)
