"""An organization's settings, read and changed: columns, the live owner and the audit log in one transaction."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from uuid import UUID, uuid4

import orjson

from actors.domain.commands import InboxRow
from actors.domain.json_types import JSON
from actors.slots import slot_of
from storage.errors import StorageError
from storage.inbox_rows import inbox_row
from storage.postgres import Connection, Pool, transaction
from storage.statements import statement
from storage.times import moment

Values: TypeAlias = Mapping[str, JSON]

# Its user part and its query are credentials: the audit log tells that it changed, not to what.
_SECRET: Final = frozenset({"tool_url"})


class SettingsChangedError(StorageError):
    """Somebody changed the settings since the caller read them; nothing was written."""


class UnknownAssistantsError(StorageError):
    """Limits for assistants that the organization does not have; nothing was written."""

    def __init__(self, assistant_ids: Collection[str]) -> None:
        super().__init__(", ".join(sorted(assistant_ids)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the settings say, and the name of this state of them: another state has another."""

    values: Values
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The settings after a change, and what the owner is to be told; None when nothing differed.

    `assistant_ids` are the assistants whose own limits may have changed with them.
    """

    settings: Settings
    row: InboxRow | None
    assistant_ids: Sequence[str] = ()


async def read_settings(connection: Connection, organization_id: str) -> Settings | None:
    """The settings; None when there is no such organization."""
    record = await connection.fetchrow(statement("settings"), UUID(organization_id))
    if record is None:
        return None
    values: Values = dict(record)
    told = orjson.dumps(values, option=orjson.OPT_SORT_KEYS)
    return Settings(values=values, version=hashlib.sha256(told).hexdigest()[:32])


async def change_settings(
    pool: Pool,
    *,
    organization_id: str,
    changes: Values,
    actor: str,
    at: int,
    only_from: Collection[str] | None = None,
) -> Change | None:
    """Set the members of `changes`, which must be valid, at `at` (ms); None when there is no such organization.

    With `only_from`, only while the settings are in one of these versions. Safe to repeat. The owner takes over what
    Postgres holds once it has the row, at once when it is handed over and within 2 s by its sweep.

    Raises SettingsChangedError, UnknownAssistantsError and StorageUnavailableError.
    """
    async with transaction(pool) as connection:
        await connection.fetchval(statement("settings_lock"), UUID(organization_id))
        before = await read_settings(connection, organization_id)
        if before is None:
            return None
        if only_from is not None and before.version not in only_from:
            raise SettingsChangedError(organization_id)
        differing = {name: value for name, value in changes.items() if before.values[name] != value}
        if not differing:
            return Change(settings=before, row=None)
        assistant_ids = await _write(connection, organization_id, {**before.values, **differing})
        after = await read_settings(connection, organization_id)
        if after is None:
            raise AssertionError("the row is locked, so it is still there")
        record = await connection.fetchrow(
            statement("settings_tell"),
            UUID(organization_id),
            slot_of(organization_id),
            f"organization-configured:{uuid4()}",
            moment(at),
            actor,
            ", ".join(sorted(differing)),
            _changed(before.values, differing),
        )
        if record is None:
            raise AssertionError("an insert answers its row")
        return Change(
            settings=after,
            row=inbox_row(record),
            assistant_ids=assistant_ids if "assistant_limits" in differing else (),
        )


async def _write(connection: Connection, organization_id: str, values: Values) -> Sequence[str]:
    """The ids of the organization's assistants."""
    await connection.execute(statement("settings_write"), UUID(organization_id), values)
    limits = values["assistant_limits"]
    asked: Mapping[str, JSON] = limits if isinstance(limits, dict) else {}
    known = await connection.fetch(statement("settings_write_assistants"), UUID(organization_id), asked)
    unknown = asked.keys() - {record["assistant_id"] for record in known}
    if unknown:
        raise UnknownAssistantsError(unknown)
    return [str(record["id"]) for record in known]


def _changed(before: Values, differing: Values) -> str:
    told = {
        name: "changed" if name in _SECRET else {"from": before[name], "to": value} for name, value in differing.items()
    }
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS).decode()
