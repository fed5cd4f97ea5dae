"""What a dataset contains, as one self-contained page."""

from pathlib import Path

from dataset.atomic import atomic_write
from dataset.inspection.contact_sheet import choose_rows, page, with_pictures
from dataset.inspection.sections import images, poses, quality, splits, storage, table_1
from dataset.inspection.statistics import Inspection
from dataset.inspection.wording import plural, share, size
from dataset.manifest import Manifest

PAGE = "inspection.html"
_SECTIONS = {
    "Table 1": table_1,
    "Poses": poses,
    "Images": images,
    "Splits": splits,
    "Quality": quality,
    "Storage": storage,
}


def write_report(dataset_dir: Path, found: Inspection, path: Path | None = None) -> Path:
    """Write the page with figures, labelled samples and charts, inside the dataset unless `path` is given.

    Raises:
        InputError: the directory is not a dataset, a shard or picture is damaged or missing, or the page cannot be written.
    """
    path = path or Path(dataset_dir) / PAGE
    rows = with_pictures(choose_rows(Manifest.read(dataset_dir))) if found.rows["images"] else []
    subtitle = (
        f"{plural(found.rows['images'], 'image')} of {plural(found.counts.poses_seen, 'pose')} of two interacting hands"
    )
    after = "\n".join(_section(title, draw(found)) for title, draw in _SECTIONS.items())
    atomic_write(path, page(found.name, subtitle, rows, _links() + _figures(found), after))
    return path


def _links() -> str:
    links = [f'<a href="#{_anchor(title)}">{title}</a>' for title in ("Samples", *_SECTIONS)]
    return f"<nav>{''.join(links)}</nav>"


def _section(title: str, content: str) -> str:
    return f'<section id="{_anchor(title)}"><h2>{title}</h2>{content}</section>'


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _figures(found: Inspection) -> str:
    names, planned = found.counts.names, max(found.rows["plan"], found.rows["images"])
    seconds = found.images.numbers["seconds"]
    figures = {
        "images" if found.rows["images"] == planned else f"images of {planned:,} planned": f"{found.rows['images']:,}",
        "accepted poses": f"{found.rows['poses']:,}",
        "poses kept": share(found.acceptance),
        "base poses": f"{names['base poses'].distinct:,}",
        "environments": f"{names['environments'].distinct:,}",
        "skins": f"{names['skins'].distinct:,}",
        "of joints visible": share(found.images.visible_joints),
        "on disk": size(sum(found.bytes.values())),
        "to render one": f"{seconds.mean:.2g} s" if seconds.count else "–",
    }
    boxes = [f'<div class="figure"><b>{value}</b><span>{name}</span></div>' for name, value in figures.items()]
    return f'<section class="figures">{"".join(boxes)}</section>'
