"""The last step: what the splits consist of, contact sheet, dataset card and Croissant beside the shards."""

from dataclasses import dataclass
from pathlib import Path

from dataset.documents.card import write_card
from dataset.documents.croissant import write_croissant
from dataset.errors import InputError
from dataset.inspection.contact_sheet import choose_rows, write_html, write_png
from dataset.manifest import Manifest
from dataset.splits import split_contents
from dataset.storage.mirror import local_copy
from dataset.work import control
from tasks.observing.artifacts import show_dataset
from tasks.run import Run
from tasks.step import step

DOCUMENTS = ("contact_sheet.png", "contact_sheet.html", "README.md", "croissant.json")


@dataclass(frozen=True)
class DatasetRef:
    """Where a finished dataset is and how much it holds."""

    url: str
    """Where it is, as it was given."""
    folder: Path
    """Where its files are on this machine."""
    images: int
    poses: int
    rejected: int
    contact_sheet: Path | None
    """None while there are no images."""
    stopped: str = ""
    """Why there are fewer images than planned; empty when there are all."""


@step
def publish_dataset(run: Run, stopped: str = "") -> DatasetRef:
    """Finish the manifest and write what a person looks at first; where everything is. `stopped`: why images are missing.

    Raises:
        InputError: it was stopped before there was an image.
    """
    manifest = run.manifest
    if stopped and not manifest.rows("images"):
        raise InputError(f"{stopped}, before there was an image; the same command goes on from there")
    manifest.finish(split_contents(manifest.paths("images")), stopped)
    made = DatasetRef(
        url=run.store.url,
        folder=manifest.folder,
        images=manifest.rows("images"),
        poses=manifest.rows("poses"),
        rejected=manifest.rows("rejected"),
        contact_sheet=write_documents(manifest),
        stopped=stopped,
    )
    show_dataset(manifest)
    if not stopped:
        control.clear(run.store)
    return made


def poses_alone(run: Run) -> DatasetRef:
    """What there is when all poses are made and no image is wanted yet; the dataset stays open for its images."""
    rows, stopped = run.manifest.rows, "all poses are made, limits.poses_only=true"
    return DatasetRef(run.store.url, run.manifest.folder, 0, rows("poses"), rows("rejected"), None, stopped)


def write_documents(manifest: Manifest) -> Path:
    """Contact sheet, card and Croissant of a dataset whose manifest is final; where the contact sheet is."""
    local_copy(manifest.store.url)  # they are made of the whole dataset
    rows = choose_rows(manifest)
    write_png(rows, manifest.folder / "contact_sheet.png")
    write_html(rows, manifest.folder / "contact_sheet.html", manifest.folder.name)
    write_card(manifest.folder)
    write_croissant(manifest.folder)
    for name in DOCUMENTS:
        manifest.store.publish(name)
    return manifest.folder / "contact_sheet.html"
