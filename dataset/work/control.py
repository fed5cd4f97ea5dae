"""What a run tells all who work on it: go on, or stop and why. While it is there, the run goes on."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import Literal

from dataset.errors import InputError
from dataset.storage.store import Store
from dataset.versions import code_version

FILE = ".work/control.json"
FOLDER = ".work/"


@dataclass(frozen=True)
class Control:
    """The state of a run."""

    state: Literal["running", "paused", "stopped"]
    reason: str = ""
    code_version: str = ""
    """Program that leads the run; workers of another one would make other rows."""

    @property
    def is_running(self) -> bool:
        """Whether work goes on."""
        return self.state == "running"

    @classmethod
    def read(cls, store: Store) -> "Control | None":
        """The state on storage; None when no run goes on."""
        stored = store.read(FILE)
        if stored is None:
            return None
        content = json.loads(stored.content)
        return cls(**{field.name: content[field.name] for field in fields(cls)})

    def write(self, store: Store) -> None:
        """Tell everybody."""
        store.write(FILE, (json.dumps(asdict(self), indent=1) + "\n").encode())


def begin(store: Store) -> None:
    """The run goes on, whatever stopped it before."""
    Control("running", code_version=code_version()).write(store)


def end(store: Store, reason: str) -> None:
    """Whoever works on the run stops, unless it was paused or is finished."""
    with suppress(InputError):
        order = Control.read(store)
        if order is not None and order.is_running:
            Control("stopped", reason, code_version()).write(store)


def clear(store: Store) -> None:
    """The dataset is finished: nothing of the work stays. The state goes first, so that nobody takes up anything."""
    store.remove(FILE)
    store.clear(FOLDER)
