"""The trainers that jobs can run."""

from dataclasses import dataclass
from importlib.util import find_spec

from dataset.errors import InputError


@dataclass(frozen=True)
class Trainer:
    """What trains a network: a module that torchrun starts once a process, by the contract of docs/training-jobs.md."""

    network: str
    module: str
    table: str
    """The table of the dataset that it learns from."""
    settings: tuple[str, ...] = ()
    """KEY=VALUE that make the module train this network and not another; the job's overrides come after them."""
    needs: tuple[str, ...] = ()
    """Packages of the extra `train` that it imports."""

    def check(self) -> None:
        """Refuse before any work what this version cannot train.

        Raises:
            InputError: there is no such module, or a package that it needs is not installed.
        """
        try:
            found = find_spec(self.module)
        except ModuleNotFoundError as error:
            if not self.module.startswith(str(error.name)):
                raise  # the trainer is there, and what it needs is not
            found = None
        if found is None:
            raise InputError(f"this version of render-ih has no trainer for {self.network} yet")
        if missing := [name for name in self.needs if find_spec(name) is None]:
            raise InputError(
                f"training {self.network} needs {', '.join(missing)}, not installed here; pip install 'render-ih[train]'"
            )


IHDIFF = Trainer("IHDiff", "tasks.ihdiff.training.trainer", "poses", ("model=ihdiff",), ("diffusers", "lightning"))
VAE = Trainer("VAE", "tasks.ihdiff.training.trainer", "poses", ("model=vae",), ("diffusers", "lightning"))
"""The baseline that IHDiff is compared with."""
TRANSHAND = Trainer("TransHand", "tasks.transhand.training.trainer", "images", needs=("lightning", "transformers"))
