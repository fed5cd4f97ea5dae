"""A flow of the tests: pauses the run at the folder that is given; resumed, it ends."""

from pathlib import Path
from types import SimpleNamespace

from prefect import flow

from dataset.storage.folder import FolderStore
from dataset.work import control
from flows.operation.refusals import refuses_plainly
from tasks.sharing.pause import pause


@flow(name="pausing", validate_parameters=False)
@refuses_plainly
def pausing(folder: str) -> str:
    """Ends when the run was paused before."""
    store = FolderStore(Path(folder))
    if control.Control.read(store) is not None:
        return "went on"
    control.begin(store)
    pause(SimpleNamespace(store=store), "too many images were refused")
