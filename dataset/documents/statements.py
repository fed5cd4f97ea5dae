"""What must be said of a dataset beside its numbers: what it is for, what it lacks, whose rights it touches.

The sentences are in `statements.yaml`; what is in the dataset chooses among them. Card and Croissant metadata say the same.
"""

from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import yaml

from dataset.documents.contents import Contents

FILE = Path(__file__).with_name("statements.yaml")
_BUILT_IN = "gestures"
"""The source of poses that needs no recording."""

RENDERIH = """@inproceedings{li2023renderih,
  title = {{RenderIH}: A Large-scale Synthetic Dataset for {3D} Interacting Hand Pose Estimation},
  author = {Li, Lijun and Tian, Linrui and Zhang, Xindi and Wang, Qi and Zhang, Bang and Liu, Mengyuan and Chen, Chen},
  booktitle = {IEEE/CVF International Conference on Computer Vision (ICCV)},
  year = {2023}
}"""
"""The paper whose pipeline this project follows."""
MANO = """@article{romero2017embodied,
  title = {Embodied Hands: Modeling and Capturing Hands and Bodies Together},
  author = {Romero, Javier and Tzionas, Dimitrios and Black, Michael J.},
  journal = {ACM Transactions on Graphics},
  volume = {36},
  year = {2017}
}"""
"""The paper of the parameters that the columns hold, whichever hand was drawn."""


@dataclass(frozen=True)
class Statements:
    """Sentences about one dataset."""

    summary: str
    collection: str
    annotation: str
    biases: list[str]
    limitations: list[str]
    use_cases: list[str]
    personal_information: list[str]
    licences: list[str]

    @classmethod
    def of(cls, contents: Contents) -> "Statements":
        """The sentences that are true of a dataset."""
        said = yaml.safe_load(FILE.read_text(encoding="utf-8"))
        recorded = [source for source in contents.sources if source != _BUILT_IN]
        hand, pose = "built_in" if contents.built_in_hands else "brought", "recorded" if recorded else "built_in"
        facts = _facts(contents) | {
            "recorded": ", ".join(recorded),
            "hand_bias": said["hand_bias"][hand],
            "pose_bias": said["pose_bias"][pose],
        }
        chosen = {
            name: said[name] for name in ("summary", "collection", "annotation", "biases", "limitations", "use_cases")
        }
        personal = said["personal_information"]
        chosen["personal_information"] = [personal["always"], *([personal["recorded"]] if recorded else [])]
        rights = (
            said["hand_licence"][hand],
            said["pose_licence"][pose],
            said["environment_licence"],
            said["skin_licence"],
        )
        return cls(**_filled(chosen | {"licences": list(rights)}, facts))


def _facts(contents: Contents) -> dict[str, str]:
    counts = {kind: len(contents.names(kind)) for kind in ("base_poses", "skins", "environments")}
    counts |= {table: contents.manifest.rows(table) for table in ("images", "poses")}
    counts["shapes"] = sum(split["shapes"] for split in contents.splits.values())
    sources = ["hand-made gestures" if source == _BUILT_IN else source for source in contents.sources]
    licences = [f"{count:,} under {licence}" for licence, count in sorted(contents.licences.items())]
    texts = {"sources": ", ".join(sources) or "none", "licences": ", ".join(licences) or "none"}
    return {name: f"{count:,}" for name, count in counts.items()} | texts


def _filled(value: Any, facts: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(inner, facts) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, facts) for inner in value]
    return Template(value).substitute(facts)
