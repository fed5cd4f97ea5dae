"""What the server does by itself when events come, or do not come."""

from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.schemas.automations import AutomationCore

from dataset.errors import InputError
from flows.operation.changes import Change, Did
from flows.operation.definition import checked


def read_automation(written: dict[str, Any], where: str) -> AutomationCore:
    """An automation of prefect.yaml as Prefect understands it.

    Raises:
        InputError: Prefect does not know a key, or the automation is none.
    """
    automation = checked(AutomationCore, written, where)
    unknown = _unknown(written, automation.model_dump(mode="json"))
    if unknown:
        raise InputError(f"{where}: {unknown}: unknown key; Prefect would pass over it")
    return automation


def register_automation(client: SyncPrefectClient, automation: AutomationCore) -> Change:
    """Make the automation, or make the one of that name alike; one that was turned off stays off.

    Raises:
        InputError: there are several of the name.
    """
    found = client.read_automations_by_name(automation.name)
    if len(found) > 1:
        raise InputError(f"the server has {len(found)} automations '{automation.name}'; delete all but one")
    there = found[0] if found else None
    if there is not None:
        automation = automation.model_copy(update={"enabled": there.enabled})
    change = Change.between("automation", automation.name, there and _plain(there), _plain(automation))
    if there is None:
        client.create_automation(automation)
    elif change.did is Did.UPDATED:
        client.update_automation(there.id, automation)
    return change


def _plain(automation: AutomationCore) -> dict[str, Any]:
    """Name, trigger and so on as JSON values, without the order that sets do not have."""
    return _sorted(AutomationCore.model_validate(automation.model_dump()).model_dump(mode="json"))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(part) for key, part in value.items() if key != "id"}
    if isinstance(value, list):
        return sorted((_sorted(part) for part in value), key=str)
    return value


def _unknown(written: Any, understood: Any, place: str = "") -> str:
    """The first key that is written and not understood."""
    if isinstance(written, dict) and isinstance(understood, dict):
        for key, value in written.items():
            here = f"{place}.{key}" if place else str(key)
            found = _unknown(value, understood[key], here) if key in understood else here
            if found:
                return found
    if isinstance(written, list) and isinstance(understood, list) and len(written) == len(understood):
        found = (_unknown(part, understood[i], f"{place}.{i}") for i, part in enumerate(written))
        return next(filter(None, found), "")
    return ""
