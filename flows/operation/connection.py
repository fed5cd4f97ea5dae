"""A connection to the Prefect server that is configured, checked before anything is asked of it."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import prefect
from packaging.version import InvalidVersion, Version
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from dataset.errors import InputError, StorageError

_START = "start one with `render-ih server`"


@contextmanager
def connect(api: str | None = None) -> Iterator[SyncPrefectClient]:
    """A client of the server at `api`, or else of the one that Prefect's settings name, while the block runs.

    Raises:
        InputError: no server is named, it cannot be reached or refuses the key, it is of another minor version of Prefect,
            or it refuses what the block asks of it.
    """
    api = (api or PREFECT_API_URL.value() or "").rstrip("/")
    if not api:
        raise InputError(f"no Prefect server is configured; {_START}, or name one with --api URL or PREFECT_API_URL")
    if not api.startswith(("http://", "https://")):
        raise InputError(f"{api}: is no address of a Prefect server; it looks like http://HOST:4200/api")
    busy = {PREFECT_CLIENT_MAX_RETRIES: PREFECT_CLIENT_MAX_RETRIES.value()}
    at_once = {PREFECT_API_URL: api, PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(at_once), get_client(sync_client=True) as client:
        try:
            _check_version(api, client)
            with temporary_settings(busy):  # one that has just answered may be too busy for a moment
                yield client
        except httpx.HTTPStatusError as error:
            raise InputError(f"{api}: {_refusal(error.response)}") from error
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise StorageError(
                f"{api}: no Prefect server answers ({reason}); {_START}, or mend PREFECT_API_URL"
            ) from error


def _check_version(api: str, client: SyncPrefectClient) -> None:
    try:
        server, own = Version(client.api_version()), Version(prefect.__version__)
    except (ValueError, TypeError, InvalidVersion) as error:
        raise InputError(f"{api}: what answers is no Prefect server; its address ends in /api") from error
    if server.release[:2] != own.release[:2]:
        raise InputError(
            f"{api}: the server runs Prefect {server} and this is {own}; install the same minor version on both sides"
        )


def _refusal(response: httpx.Response) -> str:
    """What a refused request means and what to do."""
    if response.status_code in (401, 403):
        return "the server refuses the key; set PREFECT_API_AUTH_STRING (USER:PASSWORD) or PREFECT_API_KEY to its own"
    if response.status_code == 404:
        return f"the server has no {response.request.url.path}; the address of a Prefect server ends in /api"
    return f"the server refused {response.request.url.path} ({response.status_code}): {_detail(response)}"


def _detail(response: httpx.Response) -> str:
    """What the server says, in one line."""
    try:
        said = response.json()
    except ValueError:
        said = response.text
    detail = said.get("detail", said) if isinstance(said, dict) else said
    return " ".join(str(detail).split())[:400]
