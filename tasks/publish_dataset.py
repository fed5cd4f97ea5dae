"""The last step: contact sheet and dataset card beside the shards."""

from dataclasses import dataclass
from pathlib import Path

from dataset.documents.card import write_card
from dataset.documents.croissant import write_croissant
from dataset.inspection.contact_sheet import choose_rows, write_html, write_png
from dataset.splits import split_contents
from tasks.run import Run
from tasks.step import step


@dataclass(frozen=True)
class DatasetRef:
    """Where a finished dataset is and how much it holds."""

    folder: Path
    images: int
    poses: int
    rejected: int
    contact_sheet: Path


@step
def publish_dataset(run: Run) -> DatasetRef:
    """Write what a person looks at first; where everything is."""
    manifest = run.manifest
    rows = choose_rows(manifest)
    write_png(rows, manifest.folder / "contact_sheet.png")
    write_html(rows, manifest.folder / "contact_sheet.html", manifest.folder.name)
    manifest.finish(split_contents(manifest.paths("images")))
    write_card(manifest.folder)
    write_croissant(manifest.folder)
    return DatasetRef(
        folder=manifest.folder,
        images=manifest.rows("images"),
        poses=manifest.rows("poses"),
        rejected=manifest.rows("rejected"),
        contact_sheet=manifest.folder / "contact_sheet.html",
    )
