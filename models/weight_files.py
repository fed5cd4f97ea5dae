"""Trained networks as files: safetensors, which hold numbers and no code, and what a network says of itself in the metadata."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from torch import Tensor

FILE = "model.safetensors"
"""The name in a training's folder."""


@dataclass(frozen=True)
class WeightFiles:
    """One family's files."""

    key: str
    """Under which the metadata has what the file says of itself."""
    format: int
    """Changes when older files cannot be read any more."""
    names: dict[str, str] = field(default_factory=dict)
    """The kinds of network in such files, as a file and as a reader calls them."""

    def write(self, file: BinaryIO, kind: str, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
        """Write tensors, real numbers as float32, and `about`: plain JSON values."""
        from safetensors.torch import save

        content = {name: _plain(value) for name, value in tensors.items()}
        stated = {"format": self.format, "kind": kind} | about
        file.write(save(content, {self.key: json.dumps(stated, sort_keys=True)}))

    def read(self, path: Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """What a file, or a training's folder, says of itself, and its tensors.

        Raises:
            ValueError: there is none, it is damaged, of another version, or holds another network.
        """
        from safetensors import SafetensorError, safe_open

        name, make = self.names[kind], self.remedy(kind)
        path = path / FILE if path.is_dir() else path
        try:
            with safe_open(path, "pt") as file:
                about = json.loads((file.metadata() or {})[self.key])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
        except OSError as error:
            raise ValueError(f"{path}: no checkpoint of {name} that can be read here; {make}") from error
        except SafetensorError as error:
            raise ValueError(
                f"{path}: is damaged or no safetensors file, and nothing else is loaded; {make}"
            ) from error
        except (KeyError, ValueError, RecursionError) as error:
            raise ValueError(f"{path}: holds another network than {name}; {make}") from error
        self._check(path, kind, about, tensors)
        return about, tensors

    def misfit(self, path: Path, kind: str) -> ValueError:
        """What to raise for tensors that do not bear out what the file says."""
        path = path / FILE if path.is_dir() else path
        return ValueError(f"{path}: its weights do not fit the network it describes; {self.remedy(kind)}")

    def remedy(self, kind: str) -> str:
        """How to come by such a file."""
        return f"`render-ih train {kind}` makes one"

    def _check(self, path: Path, kind: str, about: Any, tensors: dict[str, Tensor]) -> None:
        name, make = self.names[kind], self.remedy(kind)
        if not isinstance(about, dict) or about.get("format") != self.format:
            raise ValueError(f"{path}: is a checkpoint of another version of render-ih; {make}")
        if (found := str(about.get("kind"))) != kind:
            other = f"{self.names[found]}, not" if found in self.names else "another network than"
            raise ValueError(f"{path}: holds {other} {name}; {make}")
        if not all(value.isfinite().all() for value in tensors.values()):
            raise ValueError(f"{path}: has weights that are no numbers; {make}")


def _plain(value: Tensor) -> Tensor:
    value = value.detach().cpu().contiguous()
    return value.float() if value.is_floating_point() else value
