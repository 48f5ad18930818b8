"""Check the automations in automations.yaml and apply them to a Prefect server.

An existing automation of the same name is updated, never duplicated.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import yaml
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from pydantic import SecretStr, ValidationError

AUTOMATIONS_YAML = Path(__file__).parent / "automations.yaml"
TAG = "kaiwa-audio"  # on all our runs; the server may be shared
BLOCK = "kaiwa-notification"
NOT_NOTIFIED = (
    "Nobody is notified: KAIWA_NOTIFICATION_WEBHOOK_URL was not set when this was applied."
)
_NO_BLOCK = UUID(int=0)  # checks need no server


def automations() -> list[dict[str, Any]]:
    """Return the automations of automations.yaml."""
    described: list[dict[str, Any]] = yaml.safe_load(AUTOMATIONS_YAML.read_text())["automations"]
    return described


def problems(described: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the problems of automations as messages; needs no server."""
    # The server's own model: it rejects unknown fields and bad templates, which the client
    # accepts. It is slow to import, and only the check needs it.
    from prefect.server.events.schemas.automations import AutomationCreate

    names = [automation.get("name") for automation in described]
    for name in sorted({str(name) for name in names if names.count(name) > 1}):
        yield f"{name}: described more than once"
    for automation in described:
        if not automation.get("description"):
            yield f"{automation.get('name')}: has no description for the Prefect UI"
        try:
            AutomationCreate.model_validate(addressed(automation, _NO_BLOCK))
        except ValidationError as error:
            for found in error.errors():
                where = ".".join(map(str, found["loc"]))
                yield f"{automation.get('name')}: {where}: {found['msg']}"


def addressed(automation: dict[str, Any], block_id: UUID | None) -> dict[str, Any]:
    """Return an automation whose webhook actions use a block.

    Without a block they do nothing, and the description says so; the automation still records in
    the server's events that it was triggered, and runs its other actions.
    """
    actions = automation.get("actions", [])
    calls = [action for action in actions if action.get("type") == "call-webhook"]
    if block_id is not None:
        named = [{**a, "block_document_id": str(block_id)} if a in calls else a for a in actions]
        return {**automation, "actions": named}
    if not calls:
        return automation
    muted = [{"type": "do-nothing"} if action in calls else action for action in actions]
    description = f"{automation.get('description')} {NOT_NOTIFIED}"
    return {**automation, "actions": muted, "description": description}


def apply(
    client: SyncPrefectClient, described: list[dict[str, Any]], url: SecretStr | None
) -> bool:
    """Create or update automations on a server, by name.

    Args:
        client: Client of the server.
        described: As in automations.yaml.
        url: URL that notifications are posted to; None keeps the URL of an earlier call.

    Returns:
        Whether notifications have a URL.
    """
    block_id = _save_block(url) if url else _find_block(client)
    for automation in described:
        wanted = AutomationCore.model_validate(addressed(automation, block_id))
        existing = client.read_automations_by_name(wanted.name)
        if existing:
            client.update_automation(existing[0].id, wanted)
        else:
            client.create_automation(wanted)
        for double in existing[1:]:  # created concurrently or by hand
            client.delete_automation(double.id)
    return block_id is not None


def _save_block(url: SecretStr) -> UUID:
    """Store the URL on the server, encrypted, replacing any earlier one."""
    headers = {"content-type": "application/json"}
    return cast(UUID, Webhook(url=url, headers=headers).save(BLOCK, overwrite=True))


def _find_block(client: SyncPrefectClient) -> UUID | None:
    try:
        return client.read_block_document_by_name(BLOCK, Webhook.get_block_type_slug()).id
    except ObjectNotFound:
        return None
