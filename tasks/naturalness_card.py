"""The model card of a natural discriminator: its README.md, made from its figures alone."""

from pathlib import Path

_TEMPLATE = Path(__file__).with_name("naturalness_card.md")
_FEW = (
    "- {poses} poses are few: a natural pose unlike all of them is called unnatural. Recordings (`--poses KIND=PATH`) make a "
    "better judge."
)
_OWN = "- It knows the poses of its recordings and no others."


def naturalness_card(metrics: dict) -> str:
    """The text of the card."""
    config, data, built_in = metrics["config"], metrics["data"], metrics["built_in"]
    figures = {**metrics["held_out"], **metrics["natural_poses"], **metrics["force"]}
    return _TEMPLATE.read_text().format(
        **data,
        **config["labels"],
        **figures,
        **{name: config[name] for name in ("epochs", "folds", "explorers")},
        samples=f"{config['samples']:,}",
        share=f"1/{config['folds']}",
        above=figures["share_above_0.9_after"],
        seed=metrics["seed"],
        limits=_FEW.format(**data) if built_in else _OWN,
        licence="Apache-2.0" if built_in else "what the licences of the recordings allow",
        command=_command(metrics),
    )


def _command(metrics: dict) -> str:
    config = metrics["config"]
    source = [] if metrics["built_in"] else ["--poses KIND=PATH"]
    numbers = [f"--{name} {config[name]}" for name in ("samples", "epochs", "folds")]
    return " ".join(["render-ih train naturalness", *source, f"--seed {metrics['seed']}", *numbers, "--out DIR"])
