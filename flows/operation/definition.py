"""prefect.yaml, read strictly: Prefect passes over keys that it does not know, so a slip of the pen goes unnoticed there."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from dataset.errors import InputError

TAG = "render-ih"
"""On every run of the project's deployments; automations know the runs by it."""

_CODE = Path(__file__).parents[2]
_PROBLEMS = {"extra_forbidden": "unknown key", "unexpected_keyword_argument": "unknown key", "missing": "is missing"}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Queue(_Part):
    """A work queue inside a pool."""

    description: str
    concurrency_limit: int | None = Field(None, ge=0)
    """Runs at once; empty: as many as there are workers for."""
    priority: int = Field(ge=1)
    """Queues of a pool are served in this order; the pool's `default` queue moves back where it must."""


class JobTemplate(_Part):
    """What a pool's workers start for each run."""

    variables: dict[str, Any]
    """JSON schema of what deployments and runs may set."""
    job_configuration: dict[str, Any]
    """What the worker gets, with the variables in `{{ }}`."""


class Pool(_Part):
    """A work pool."""

    type: Literal["process", "docker", "kubernetes"]
    description: str
    concurrency_limit: int | None = Field(None, ge=0)
    """Runs at once over all workers; empty: as many as the workers take."""
    queues: dict[str, Queue] = {}
    base_job_template: JobTemplate


class Definitions(_Part):
    """What Prefect's own file format has no place for."""

    pools: dict[str, Pool]
    automations: tuple[dict[str, Any], ...] = ()
    """In the form of Prefect's REST interface."""
    shared: dict[str, Any] = {}
    """Parts that the rest of the file refers to with YAML anchors."""


class WorkPool(_Part):
    """Where a deployment's runs wait for a worker."""

    name: str
    work_queue_name: str = "default"
    job_variables: dict[str, Any] = {}


class RunLimit(_Part):
    """How many runs of a deployment go at once."""

    limit: int = Field(ge=1)
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"]


class Schedule(_Part):
    """When a deployment runs by itself."""

    slug: str
    """Its name; another registration of the same name changes it."""
    cron: str
    timezone: str
    active: bool = False
    """At the first registration; afterwards the server's switch counts."""
    parameters: dict[str, Any] = {}
    """Instead of the deployment's own."""


class Deployment(_Part):
    """A flow that a server can start."""

    name: str
    entrypoint: str
    description: str
    tags: tuple[str, ...]
    parameters: dict[str, Any] = {}
    enforce_parameter_schema: Literal[True]
    """Parameters that do not fit are refused before there is a run."""
    work_pool: WorkPool
    concurrency_limit: RunLimit | None = None
    schedules: tuple[Schedule, ...] = ()


class PrefectFile(_Part):
    """The whole file."""

    name: str
    definitions: Definitions
    pull: tuple[dict[str, dict[str, Any]], ...]
    """Steps that a worker takes before it loads a flow."""
    deployments: tuple[Deployment, ...]


def checkout() -> Path | None:
    """The folder of the checkout that the code runs from; none where it is installed as a package."""
    return _CODE if (_CODE / "prefect.yaml").is_file() else None


def project_file() -> Path:
    """The project's own prefect.yaml: of the checkout, or the copy inside the installed package."""
    return (checkout() or _CODE / "flows") / "prefect.yaml"


def read_prefect_file(file: Path) -> PrefectFile:
    """The file, with every key known and every value of the right kind.

    Raises:
        InputError: there is no such file, it is no YAML, a key is unknown or missing, or a value is impossible.
    """
    try:
        values = yaml.safe_load(file.read_text())
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); name a prefect.yaml with --file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        place = getattr(error, "problem_mark", None)
        at = f" at line {place.line + 1}" if place else ""
        raise InputError(f"{file}: is no valid YAML{at}; mend it") from error
    return checked(PrefectFile, values, str(file))


def checked(kind: Any, value: Any, where: str) -> Any:
    """The value as `kind`, any type that Pydantic knows.

    Raises:
        InputError: it does not fit; the sentence names the first place that does not.
    """
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        problem = _PROBLEMS.get(first["type"], first["msg"].removeprefix("Value error, "))
        given = "" if isinstance(first["input"], dict) else f" (given: {first['input']!r})"
        raise InputError(f"{where}: {place + ': ' if place else ''}{problem}{given}") from error
