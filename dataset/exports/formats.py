"""Every format that a dataset can be exported to, by the name that the command knows it by."""

from collections.abc import Callable
from pathlib import Path

from dataset.errors import InputError
from dataset.exports.job import Format
from dataset.manifest import Manifest

# Each opener imports its own module: a format's library, and torch for the hands, are needed only by those who use them.


def _coco(manifest: Manifest, mano: Path | None) -> Format:
    from dataset.exports.coco import Coco

    return Coco()


def _webdataset(manifest: Manifest, mano: Path | None) -> Format:
    from dataset.exports.webdataset import WebDataset

    return WebDataset()


def _hugging_face(manifest: Manifest, mano: Path | None) -> Format:
    from dataset.exports.huggingface import HuggingFace

    return HuggingFace(manifest)


def _interhand(manifest: Manifest, mano: Path | None) -> Format:
    from dataset.assets.hand_files import hands_of
    from dataset.exports.interhand26m import InterHand26M

    return InterHand26M(manifest, hands_of(manifest, mano))


def _renderih(manifest: Manifest, mano: Path | None) -> Format:
    from dataset.assets.hand_files import hands_of
    from dataset.exports.renderih import RenderIH

    return RenderIH(manifest, hands_of(manifest, mano))


def _rerun(manifest: Manifest, mano: Path | None) -> Format:
    from dataset.assets.hand_files import hands_of
    from dataset.exports.rerun_recording import RerunRecordings

    return RerunRecordings(manifest, hands_of(manifest, mano))


FORMATS: dict[str, Callable[[Manifest, Path | None], Format]] = {
    "coco": _coco,
    "webdataset": _webdataset,
    "hf": _hugging_face,
    "interhand": _interhand,
    "renderih": _renderih,
    "rerun": _rerun,
}
"""Name of a format to what opens it for a dataset and, where the format needs them, the folder of its MANO files."""


def open_format(name: str, manifest: Manifest, mano: Path | None = None) -> Format:
    """The writer of a format.

    Args:
        name: one of `FORMATS`.
        manifest: of the dataset to be exported.
        mano: folder with the MANO files that it was made with; None for the built-in hand.

    Raises:
        InputError: there is no such format, a library for it is missing, or the hands are others than the dataset's.
    """
    if name not in FORMATS:
        raise InputError(f"there is no format '{name}'; choose one of {', '.join(FORMATS)}")
    try:
        return FORMATS[name](manifest, mano)
    except ModuleNotFoundError as error:
        raise InputError(
            f"the format '{name}' needs {error.name}; install it with `pip install 'render-ih[export]'`"
        ) from error
