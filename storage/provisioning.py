"""What an organization needs before its first call: itself, its webhook secret, assistants and numbers."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any
from uuid import UUID

from storage.postgres import Connection
from storage.statements import statement


async def add_organization(
    connection: Connection, *, organization_id: str, name: str, slug: str, time_zone: str, plan_id: str | None = None
) -> bool:
    """Create the organization in the caller's transaction; False when it exists. Safe to repeat."""
    return bool(
        await connection.fetchval(statement("add_organization"), UUID(organization_id), name, slug, time_zone, plan_id)
    )


async def organization_exists(connection: Connection, organization_id: str) -> bool:
    """Whether there is such an organization, and it was not deleted."""
    return bool(await connection.fetchval(statement("organization_exists"), UUID(organization_id)))


async def deleted_among(connection: Connection, organization_ids: Collection[str]) -> AbstractSet[str]:
    """Those of these organizations that there are not, or that were deleted."""
    asked = [UUID(each) for each in organization_ids]
    return {str(row["id"]) for row in await connection.fetch(statement("deleted_among"), asked)}


async def put_member(connection: Connection, *, organization_id: str, user_id: str, email: str, role: str) -> None:
    """Make a person a member in a role, known by the id their tokens carry. Safe to repeat."""
    await connection.execute(statement("put_user"), UUID(user_id), email)
    await connection.execute(statement("put_member"), UUID(organization_id), UUID(user_id), role)


async def put_webhook_secret(
    connection: Connection, *, secret_id: UUID, organization_id: str, provider: str, sealed: bytes
) -> None:
    """Keep a sealed secret under its id, replacing what had it. Safe to repeat."""
    await connection.execute(statement("put_webhook_secret"), secret_id, UUID(organization_id), provider, sealed)


async def put_assistant(
    connection: Connection, *, assistant_id: UUID, organization_id: str, name: str, config: Mapping[str, Any]
) -> None:
    """Keep an assistant whose configuration goes out with each answer. Safe to repeat."""
    await connection.execute(statement("put_assistant"), assistant_id, UUID(organization_id), name, config)


async def put_phone_number(
    connection: Connection,
    *,
    phone_number_id: UUID,
    organization_id: str,
    provider_phone_number_id: str,
    number: str,
    assistant_id: UUID,
) -> None:
    """Keep a number and the assistant that answers it. Safe to repeat."""
    await connection.execute(
        statement("put_phone_number"),
        phone_number_id,
        UUID(organization_id),
        provider_phone_number_id,
        number,
        assistant_id,
    )


async def put_recipient(
    connection: Connection,
    *,
    recipient_id: UUID,
    organization_id: str,
    channel: str,
    address: str,
    kinds: Sequence[str],
) -> None:
    """Have somebody told, unless that address is known already. Safe to repeat."""
    await connection.execute(
        statement("put_recipient"), recipient_id, UUID(organization_id), channel, address, list(kinds)
    )


async def put_integration(
    connection: Connection,
    *,
    integration_id: UUID,
    organization_id: str,
    name: str,
    url: str,
    events: Sequence[str],
    sealed_secret: bytes,
) -> None:
    """Keep an endpoint under its id; one that is there keeps all but its address. Safe to repeat."""
    await connection.execute(
        statement("put_integration"), integration_id, UUID(organization_id), name, url, list(events), sealed_secret
    )


async def put_simulated_subscription(connection: Connection, *, organization_id: str, name: str) -> None:
    """Give an organization, unless it has one, a subscription of the simulated payment provider, and plans its prices.

    `name` tells it from others'. Safe to repeat.
    """
    await connection.execute(statement("put_simulated_prices"))
    await connection.execute(statement("put_simulated_subscription"), UUID(organization_id), name)


async def remove_simulated_subscriptions(connection: Connection) -> None:
    """Forget what the simulated payment provider gave: another one takes its place. Safe to repeat."""
    await connection.execute(statement("remove_simulated_subscriptions"))
    await connection.execute(statement("remove_simulated_prices"))
