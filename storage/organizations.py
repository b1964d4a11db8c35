"""What VAPI's messages to an organization are checked against and answered with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
import structlog

from actors.domain.json_types import JSON
from storage.postgres import Pool, acquired
from storage.recent_copies import RecentCopies
from storage.sealing import Sealer, SealError
from storage.statements import statement

_CACHED = 10_000
_UNKNOWN_CACHED = 1_000
# Of the door's few connections, so that a flood of made-up ids leaves those that organizations and inserts need.
_FIRST_LOADS = 2
_FIRST_LOADS_WAITING = 500
_FRESH_SECONDS = 5.0
_STALE_SECONDS = 3_600.0
_LOAD_SECONDS = 0.7

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistant:
    """An assistant VAPI keeps under an id, or one whose configuration (JSON text) is sent with each answer.

    `assistant_id` is the name its calls and its limits go by: VAPI's id, or ours where VAPI keeps none.
    """

    assistant_id: str
    provider_assistant_id: str | None
    config: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """How an organization meets VAPI. At most two webhook secrets live at once; they are never shown in a repr."""

    secrets: tuple[bytes, ...] = field(repr=False)
    tool_url: str | None
    transfer_destination: JSON
    handoff_destination: JSON
    refusal_message: str | None = None
    refusal_destination: JSON = None
    """What a refused caller hears, or where the call goes instead."""

    assistants: Mapping[str, Assistant]
    """By VAPI's phone number id, and by number in E.164."""

    def assistant_for(self, phone_number_id: str | None, number: str | None) -> Assistant | None:
        """The assistant that answers a phone number; VAPI's id of the number counts before the number itself."""
        return self.assistants.get(phone_number_id or "") or self.assistants.get(number or "")


class Organizations:
    """Receptions, copied into this process: at most 5 s old, an hour while Postgres is away."""

    def __init__(self, pool: Pool, sealer: Sealer) -> None:
        self._pool = pool
        self._sealer = sealer
        self._receptions = RecentCopies(
            self._load,
            size=_CACHED,
            size_of_nothing=_UNKNOWN_CACHED,
            first_loads=_FIRST_LOADS,
            first_loads_waiting=_FIRST_LOADS_WAITING,
            fresh_seconds=_FRESH_SECONDS,
            stale_seconds=_STALE_SECONDS,
            load_seconds=_LOAD_SECONDS,
        )

    async def reception(self, organization_id: str) -> Reception | None:
        """None when there is no such organization. Raises StorageUnavailableError within 0.7 s when no copy is held."""
        return await self._receptions.get(organization_id)

    async def close(self) -> None:
        """End loads under way."""
        await self._receptions.close()

    async def _load(self, organization_id: str) -> Reception | None:
        async with acquired(self._pool, seconds=_LOAD_SECONDS) as connection:
            record = await connection.fetchrow(
                statement("organization_reception"), UUID(organization_id), timeout=_LOAD_SECONDS
            )
        if record is None:
            return None
        opened = (self._opened(organization_id, sealed) for sealed in record["secrets"])
        return Reception(
            secrets=tuple(secret for secret in opened if secret),
            tool_url=record["tool_url"],
            transfer_destination=record["transfer_destination"],
            handoff_destination=record["handoff_destination"],
            refusal_message=record["refusal_message"],
            refusal_destination=record["refusal_destination"],
            assistants=_assistants(record),
        )

    def _opened(self, organization_id: str, sealed: bytes) -> bytes | None:
        try:
            return self._sealer.open(organization_id, sealed)
        except SealError:
            # The other live secret must go on working.
            _log.exception("webhook secret cannot be opened", organization_id=organization_id)
            return None


def _assistants(record: asyncpg.Record) -> dict[str, Assistant]:
    kept = {
        key: Assistant(assistant_id=value[0] or key, provider_assistant_id=value[0], config=value[1])
        for key, value in record["assistants"].items()
    }
    found: dict[str, Assistant] = {}
    for provider_id, number, assistant_id in record["phone_numbers"]:
        assistant = kept.get(assistant_id)
        if assistant is not None:
            found.update({key: assistant for key in (provider_id, number) if key})
    return found
