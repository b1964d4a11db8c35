"""Endpoints that were disabled, and the messages that tell their organization: one for each address and disabling."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from storage.notifications import MessageRef
from storage.postgres import Pool, fetch

_MOST_ADDRESSES: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class DisabledEndpoint:
    """`reason` is `gone` or `failing`; `missed_since`: since when it misses what a replay brings."""

    id: UUID
    name: str
    disabled_at: datetime
    reason: str
    failing_since: datetime | None
    missed_since: datetime | None
    organization_name: str


class EndpointNotices:
    """Every change is safe to repeat. Raises StorageUnavailableError."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def organizations(self) -> Sequence[str]:
        """Those with an endpoint that was disabled and that not everybody was told of."""
        return [str(row["organization_id"]) for row in await fetch(self._pool, "endpoint_notice_organizations")]

    async def next(self, organization_id: str) -> DisabledEndpoint | None:
        """The endpoint that was disabled first of those."""
        rows = await fetch(self._pool, "endpoint_notice_next", organization_id)
        return DisabledEndpoint(**dict(rows[0])) if rows else None

    async def addresses(self, organization_id: str) -> Sequence[str]:
        """Where the organization is told, the first 50."""
        rows = await fetch(self._pool, "endpoint_notice_addresses", organization_id, _MOST_ADDRESSES)
        return [row["address"] for row in rows]

    async def message(
        self, organization_id: str, endpoint: DisabledEndpoint, address: str, *, subject: str, body: str
    ) -> MessageRef:
        """The message that tells the address: there is one, whoever asks, and its words are those of the first."""
        told = f"disabled:{endpoint.disabled_at.isoformat()}:{address.lower()}"
        ref = MessageRef(organization_id=organization_id, id=uuid5(endpoint.id, told), created_at=endpoint.disabled_at)
        await fetch(self._pool, "endpoint_notice_add", organization_id, ref.id, ref.created_at, address, subject, body)
        return ref

    async def told(self, organization_id: str, endpoint: DisabledEndpoint) -> None:
        """Everybody was told, as far as they can be."""
        await fetch(self._pool, "endpoint_notice_told", organization_id, endpoint.id, endpoint.disabled_at)
