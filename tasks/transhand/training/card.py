"""The model card of a training of TransHand: its README.md, made from what the checkpoint says of itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.transhand.checkpoint import TrainedTransHand
from models.weight_files import FILE
from tasks.lightning_training.config import epochs_of
from tasks.transhand.training.config import OptimiserConfig

_TEMPLATE = Path(__file__).with_name("card.md")
_FEW = 100_000
"""Images below which a card says that they are few; the paper's networks learn from 366,000 and more."""


def model_card(model: TrainedTransHand, sheet: str, curves: str, tables: str) -> str:
    """The text of the card.

    Args:
        sheet: the file beside the card with what the network sees; empty when nothing was drawn.
        curves: the file with the course of the training; empty when there is none.
        tables: Markdown of what was measured; empty when nothing was.
    """
    notes, network = model.notes, model.network
    config = notes["config"]
    wish = OptimiserConfig(**config["optimiser"])
    return _TEMPLATE.read_text().format(
        file=FILE,
        weights=sum(value.numel() for value in network.parameters()),
        backbone=network.config.backbone.name,
        sizes=_listed({name: value for name, value in config["network"].items() if name != "backbone"}),
        size=network.config.image_size,
        vertices=network.meshes.vertices,
        residual=f"{1e3 * float(network.meshes.residual[0]):.2f}",
        frame=_frame(notes["bone"]),
        hands=notes["hands"],
        version=notes["code_version"],
        seed=config["seed"],
        data=_data(notes),
        init=f"It began with the network `{Path(config['init']).name}`." if config["init"] else "",
        steps=notes["steps"],
        batch=wish.batch,
        epochs=epochs_of(notes["steps"], wish, notes["samples"]),
        hours=notes["seconds"] / 3600,
        rate=f"{wish.learning_rate:g}, {wish.schedule}, weight decay {wish.weight_decay:g}",
        ema=wish.ema or "none",
        losses=_listed(config["losses"]),
        augmentation=_listed(config["augmentation"]),
        sheet=f"![Input, prediction and truth of each image]({sheet})" if sheet else "Nothing was drawn.",
        curves=f"![Course of the training]({curves})" if curves else "",
        tables=tables.strip() or "Nothing was measured.",
        limits=_limits(notes),
    )


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )


def _frame(bone: float) -> str:
    about = "camera axes about the left hand's middle MCP"
    scaled = f"scaled so that the mean bone from wrist to middle MCP is {1e3 * bone:g} mm" if bone else "metres"
    return f"{about}, {scaled}"


def _data(notes: Mapping[str, Any]) -> str:
    rows = zip(notes["data"], notes["images"], notes["data_sha256"], strict=True)
    return "\n".join(f"- {name}: {images:,} images; checksum `{sha256}`" for name, images, sha256 in rows)


def _limits(notes: Mapping[str, Any]) -> str:
    lines = [
        "- It sees two hands that a box around both has cut out of the image; it does not find them, and one hand alone is "
        "nothing it has learnt.",
        "- One image does not tell how large a hand is: sizes and distances are those of hands with the bone named above."
        if notes["bone"]
        else "- One image does not tell how large a hand is: sizes are guessed from the hands that were learnt from.",
    ]
    if (images := sum(notes["images"])) < _FEW:
        lines.append(f"- {images:,} images are few. The paper's networks learn from 366,000 and more.")
    return "\n".join(lines)
