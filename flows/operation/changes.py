"""What a registration did with each thing."""

from dataclasses import dataclass
from enum import StrEnum


class Did(StrEnum):
    """What happened to it on the server."""

    CREATED = "created"
    UPDATED = "updated"
    KEPT = "unchanged"


@dataclass(frozen=True)
class Change:
    """One thing on the server."""

    what: str
    """Its kind: work pool, queue, deployment, automation."""
    name: str
    did: Did
    fields: tuple[str, ...] = ()
    """What of it was updated."""

    @classmethod
    def between(cls, what: str, name: str, there: dict | None, wanted: dict) -> "Change":
        """What has to be done so that what is there (None: nothing) becomes what is wanted."""
        if there is None:
            return cls(what, name, Did.CREATED)
        fields = tuple(key for key, value in wanted.items() if there.get(key) != value)
        return cls(what, name, Did.UPDATED if fields else Did.KEPT, fields)

    def __str__(self) -> str:
        """One line for a terminal."""
        fields = f" ({', '.join(self.fields)})" if self.fields else ""
        return f"{self.did:<9} {self.what} {self.name}{fields}"
