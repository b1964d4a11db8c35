"""One row of any table for an organization, built from the catalog: values by type, what it refers to first."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any, Final
from uuid import UUID, uuid4

from storage.bodies import packed
from storage.postgres import Connection

ACTOR: Final = "key:of-the-test"
"""The credential that writes the rows, as claims and the audit log name it."""

Values = dict[str, Any]

_REQUIRED: Final = """
    select column_name, data_type from information_schema.columns
    where table_schema = 'public' and table_name = $1
        and is_nullable = 'NO' and column_default is null and is_generated = 'NEVER' and is_identity = 'NO'
"""
_REFERENCES: Final = """
    select key.confrelid::regclass::text as parent,
        array(select attname::text from unnest(key.conkey) with ordinality as place (number, at)
              join pg_attribute on attrelid = key.conrelid and attnum = number order by at) as columns,
        array(select attname::text from unnest(key.confkey) with ordinality as place (number, at)
              join pg_attribute on attrelid = key.confrelid and attnum = number order by at) as parent_columns
    from pg_constraint as key
    where key.conrelid = $1::text::regclass and key.contype = 'f' and key.conparentid = 0
"""
_numbers = count(1)
_BY_TYPE: Final[Mapping[str, Any]] = {
    "uuid": uuid4,
    "text": lambda: f"text-{next(_numbers)}",
    "timestamp with time zone": lambda: datetime.now(UTC),
    "date": lambda: datetime.now(UTC).date() - timedelta(days=next(_numbers)),
    "integer": lambda: 1,
    "bigint": lambda: next(_numbers),
    "smallint": lambda: 1,
    "numeric": lambda: 1,
    "double precision": lambda: 1.0,
    "boolean": lambda: False,
    "bytea": lambda: next(_numbers).to_bytes(32),
    "jsonb": dict,
    "ARRAY": lambda: ["of-the-test"],
}
# What a check asks for beyond a type, and keys that have a default nobody but the credential itself can rely on.
_BESIDE: Final[Mapping[str, Mapping[str, Any]]] = {
    "organizations": {"name": lambda: "Another", "slug": lambda: f"slug-{next(_numbers)}"},
    "assistants": {"config": dict},
    "organization_members": {"role": lambda: "viewer"},
    "invitations": {"role": lambda: "viewer", "expires_at": lambda: datetime.now(UTC) + timedelta(days=7)},
    "industries": {"slug": lambda: f"slug-{next(_numbers)}"},
    "templates": {"slug": lambda: f"slug-{next(_numbers)}"},
    "integrations": {"url": lambda: "https://hooks.example/calls"},
    "notification_recipients": {"channel": lambda: "sms", "address": lambda: f"+4917{next(_numbers):08}"},
    "notifications": {"channel": lambda: "email"},
    "suppressions": {"channel": lambda: "email"},
    "webhook_delivery_attempts": {"response_status": lambda: 200},
    "usage_ledger": {"currency": lambda: "usd"},
    "call_notes": {"author": lambda: ACTOR},
    "call_tags": {"author": lambda: ACTOR},
    "webhook_bodies": {"packed": lambda: packed(b"{}")},
    "idempotency_keys": {"actor": lambda: ACTOR},
    "delivery_replays": {"until": lambda: datetime.now(UTC) + timedelta(days=1), "requested_by": lambda: ACTOR},
    "outbound_calls": {"requested_by": lambda: ACTOR},
    "onboardings": {
        "country": lambda: "US",
        "requested_by": lambda: ACTOR,
        # One may be under way: that is the one that is tried.
        "state": lambda: "completed",
        "finished_at": lambda: datetime.now(UTC),
    },
    "onboarding_steps": {"state": lambda: "done"},
    "archive_parts": {"month": lambda: date(2000 + next(_numbers), 1, 1)},
    "wiring_findings": {"kind": lambda: "assistant"},
    "minute_grants": {"month": lambda: date(2000 + next(_numbers), 1, 1), "granted_by": lambda: ACTOR},
}


async def new_row(service: Connection, table: str, organization_id: str) -> Values:
    """Values that make a row of the organization; what they refer to is written by `service`."""
    values: Values = {row["column_name"]: _BY_TYPE[row["data_type"]]() for row in await service.fetch(_REQUIRED, table)}
    values |= {name: make() for name, make in _BESIDE.get(table, {}).items()}
    if "organization_id" in values:
        values["organization_id"] = UUID(organization_id)
    if table == "call_notes":
        call = await add_row(service, "calls", organization_id)
        values |= {"call_id": call["id"], "call_created_at": call["created_at"]}
    for reference in await service.fetch(_REFERENCES, table):
        wanted = [name for name in reference["columns"] if name != "organization_id"]
        if wanted and all(name in values for name in wanted):
            parent = await _add_parent(service, reference["parent"], organization_id)
            values |= {
                name: parent[theirs]
                for name, theirs in zip(reference["columns"], reference["parent_columns"], strict=True)
                if theirs in parent
            }
    return values


async def add_row(service: Connection, table: str, organization_id: str) -> Values:
    """One more row of the organization in the table."""
    if table == "users":
        return await _add_member(service, organization_id)
    values = await new_row(service, table, organization_id)
    await insert(service, table, values)
    return values


async def insert(connection: Connection, table: str, values: Values) -> None:
    """One row, as the connection's role. The table may be a partition."""
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    columns = ", ".join(values)
    await connection.execute(f"insert into {table} ({columns}) values ({places})", *values.values())  # noqa: S608


async def _add_parent(service: Connection, table: str, organization_id: str) -> Values:
    return await (_add_person(service) if table == "users" else add_row(service, table, organization_id))


async def _add_person(service: Connection) -> Values:
    person = await new_row(service, "users", "")
    await insert(service, "users", person)
    return person


async def _add_member(service: Connection, organization_id: str) -> Values:
    person = await _add_person(service)
    membership = {"organization_id": UUID(organization_id), "user_id": person["id"], "role": "viewer"}
    await insert(service, "organization_members", membership)
    return person
