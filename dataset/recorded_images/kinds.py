"""Every data set whose images are read, by its name.

A kind is a module with `SUBSETS` (the first one is meant where none is named), `files(folder, subset)`, what annotations are
read by name, and `read(folder, subset, hands)`, which gives images, faults, and what is left out between them.
"""

from types import ModuleType

from dataset.errors import InputError
from dataset.recorded_images import ego3dhands, h2o3d, hic, interhand26m

KINDS: dict[str, ModuleType] = {
    "interhand26m": interhand26m,
    "hic": hic,
    "h2o3d": h2o3d,
    "ego3dhands": ego3dhands,
}


def kind_of(name: str) -> ModuleType:
    """The module of a kind.

    Raises:
        InputError: there is none of that name.
    """
    if name not in KINDS:
        raise InputError(f"images of '{name}' cannot be read; there are {', '.join(KINDS)}")
    return KINDS[name]
