"""The command's root, and what its parts share."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from dataset.errors import InputError

PATH = click.Path(path_type=Path)


class Dataset(click.ParamType):
    """A dataset's folder; one in a bucket, s3://bucket/prefix, is brought to the user's cache first."""

    name = "dataset"

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Where the dataset lies on this machine."""
        if "://" not in str(value):
            return Path(value)
        from dataset.storage.mirror import local_copy
        from tasks.progress import bar

        return local_copy(value, bar)


class Folder(click.ParamType):
    """A folder of this machine."""

    name = "folder"

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path.

        Raises:
            InputError: it is a URL.
        """
        if "://" in str(value):
            raise InputError(f"{value}: this command writes to folders only; copy the dataset to one first")
        return Path(value)


MANO = click.option("--mano", type=PATH, default=None, help="MANO folder, when the dataset was made with MANO.")
DATASET = click.argument("dataset", type=Dataset())


RECORDED = click.option(
    "--prefect/--no-prefect",
    default=None,
    envvar="RENDER_IH_PREFECT",
    show_envvar=True,
    help="On the configured Prefect server only; or unrecorded. Default: there if it answers, or else recorded later.",
)
"""How Prefect gets to know of a run."""


def new_folder(what: str) -> Callable:
    """`--out DIR`, required: the folder of something that is made."""
    return click.option(
        "--out", type=Folder(), required=True, help=f"Folder for {what}; new, or of the same command stopped."
    )


class InOrder(click.Group):
    """Commands in the order of a dataset's life; bad input becomes one sentence and exit code 2, never a traceback."""

    def list_commands(self, ctx: click.Context) -> Sequence[str]:
        """As they were added, not by the alphabet."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command and translate what the user can mend."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            click.echo(f"error: {error}", err=True)
        except KeyboardInterrupt:
            click.echo("stopped; what is finished is kept, the same command goes on from there", err=True)
        sys.exit(2)


@click.group(cls=InOrder, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="render-ih")
def main() -> None:
    """Photo-realistic, perfectly labelled datasets of two interacting hands."""
