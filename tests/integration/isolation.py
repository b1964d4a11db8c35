"""The isolation matrix: every table and partition of `public`, each verb, each credential, own and other's rows.

What is permitted stands in DECISIONS; whatever else succeeds is a leak. Relations are read from the catalog, so a table
that nobody decided about is found too.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias
from uuid import UUID, uuid4

import asyncpg

from storage.postgres import Connection, Pool
from storage.tenant import Claims
from tests.integration.tenant_rows import ACTOR, Values, add_row, insert, new_row

Verb: TypeAlias = Literal["select", "insert", "update", "delete", "truncate"]
Least: TypeAlias = Literal["anybody", "viewer", "supervisor", "admin", "owner", "self"] | None
"""Who may: any user, a member from this role on, the person itself; None is nobody, whom no grant reaches either."""

VERBS: Final[Sequence[Verb]] = ("select", "insert", "update", "delete", "truncate")
RANKS: Final = {"viewer": 1, "supervisor": 2, "admin": 3, "owner": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a user may do with an organization's own rows of a table; of another's, never anything."""

    select: Least = None
    insert: Least = None
    update: Least = None
    delete: Least = None

    def least(self, verb: Verb) -> Least:
        return None if verb == "truncate" else getattr(self, verb)


_CLOSED: Final = Access()
_READ: Final = Access(select="viewer")
_CATALOGUE: Final = Access(select="anybody")
_KEPT: Final = Access(select="viewer", insert="admin", update="admin")
_SECRET: Final = Access(select="admin", insert="admin", update="admin")

DECISIONS: Final[Mapping[str, Access]] = {
    "organizations": Access(select="viewer", update="admin"),
    "users": Access(select="viewer", update="self"),
    "organization_members": Access(select="viewer", insert="admin", update="admin", delete="admin"),
    "invitations": _SECRET,
    "api_keys": _SECRET,
    "webhook_secrets": _SECRET,
    "provider_keys": replace(_SECRET, delete="admin"),
    "assistants": _KEPT,
    "phone_numbers": _KEPT,
    "integrations": _KEPT,
    "notification_recipients": replace(_KEPT, delete="admin"),
    "suppressions": Access(select="viewer", delete="admin"),
    "call_notes": Access(select="viewer", insert="supervisor", delete="supervisor"),
    "call_tags": _READ,
    "idempotency_keys": Access(select="viewer", insert="viewer", update="viewer", delete="viewer"),
    "delivery_replays": Access(select="viewer", insert="supervisor"),
    "outbound_calls": Access(select="viewer", insert="supervisor"),
    "call_controls": _CLOSED,
    "plans": _CATALOGUE,
    "industries": _CATALOGUE,
    "templates": _CATALOGUE,
    "call_keys": _READ,
    "call_sources": _READ,
    "calls": _READ,
    "call_transcripts": _READ,
    "call_costs": _READ,
    "call_actions": _READ,
    "call_recordings": _READ,
    "webhook_inbox": _READ,
    "webhook_deliveries": _READ,
    "webhook_delivery_attempts": _READ,
    "notifications": _READ,
    "alarm_rules": _READ,
    "incidents": _READ,
    "audit_log": _READ,
    "daily_usage": _READ,
    "concurrency_limits": _READ,
    "usage_ledger": _READ,
    "meter_events": _READ,
    "billing_events": _READ,
    "usage_alerts": _READ,
    "webhook_bodies": _CLOSED,
    "effects": _CLOSED,
    "slot_owner": _CLOSED,
    "shards": _CLOSED,
    "shard_plan": _CLOSED,
    "archive_parts": _CLOSED,
    "archive_files": _CLOSED,
    "reconciliations": _READ,
    "webhook_refusals": _READ,
    "webhook_refusal_writes": _CLOSED,
    "wiring_checks": _READ,
    "wiring_findings": Access(select="viewer", update="admin"),
    "integration_health": _READ,
    "minute_grants": Access(select="viewer", insert="admin"),
    "early_words": _CLOSED,
    "endpoint_events": _CLOSED,
    "account_events": _CLOSED,
    "onboardings": Access(select="viewer", insert="owner"),
    "onboarding_steps": _READ,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Who asks: a database role, with claims or without. `rank` is its standing in its own organization; 0 is none."""

    name: str
    role: str
    rank: int = 0
    claims: Claims | None = None

    def may(self, least: Least) -> bool:
        if least is None or self.role == "anon":
            return False
        if least == "self":
            return self.claims is not None and self.claims.user_id is not None
        return least == "anybody" or self.rank >= RANKS[least]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table, or a partition by its own name. `owned` rows belong to an organization."""

    name: str
    table: str
    owned: bool

    @property
    def is_partition(self) -> bool:
        return self.name != self.table


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a try ended: None is a refusal, else how many rows were shown or changed."""

    relation: Relation
    verb: Verb
    credential: Credential
    owner: str
    rows: int | None

    @property
    def is_permitted(self) -> bool:
        own = self.owner == "own" and not self.relation.is_partition
        return own and self.credential.may(DECISIONS[self.relation.table].least(self.verb))

    @property
    def is_as_decided(self) -> bool:
        if self.is_permitted:
            return bool(self.rows)
        never = self.relation.is_partition or DECISIONS[self.relation.table].least(self.verb) is None
        # Where nobody may, not even the right to ask is granted; elsewhere nothing to be seen is as good.
        return self.rows is None if never or self.credential.role == "anon" else not self.rows

    def __str__(self) -> str:
        told = "is refused" if self.rows is None else f"gets {self.rows}"
        return f"{self.verb} of {self.owner} rows in {self.relation.name}: {self.credential.name} {told}"


_RELATIONS: Final = """
    select c.relname as name, coalesce(p.relname, c.relname) as table,
        exists (select from pg_attribute
                where attrelid = c.oid and attname = 'organization_id' and not attisdropped) as owned
    from pg_class c
    left join pg_inherits on inhrelid = c.oid
    left join pg_class p on p.oid = inhparent
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
    order by 1
"""
_COLUMNS: Final = """
    select attname as name,
        has_column_privilege('authenticated', attrelid, attnum, 'insert') as inserted,
        has_column_privilege('authenticated', attrelid, attnum, 'select')
            and has_column_privilege('authenticated', attrelid, attnum, 'update') as updated
    from pg_attribute
    where attrelid = $1::text::regclass and attnum > 0 and not attisdropped and attidentity = '' and attgenerated = ''
    order by attname <> 'organization_id', attnum
"""


async def relations(pool: Pool, tables: Iterable[str] | None = None) -> list[Relation]:
    """Everything with rows in `public`, partitions too; or that of some tables."""
    wanted = None if tables is None else set(tables)
    found = [Relation(**dict(row)) for row in await pool.fetch(_RELATIONS)]
    return [each for each in found if wanted is None or each.table in wanted]


class Matrix:
    """A database with two organizations that have a row in each table, and the credentials of one of them."""

    def __init__(self, pool: Pool, own: str, other: str, member_id: UUID) -> None:
        self._pool = pool
        self._organizations = {"own": own, "other": other}
        self._people: dict[str, list[UUID]] = {"own": [member_id], "other": []}
        self.credentials = _credentials(own, str(member_id))

    @classmethod
    async def of(cls, pool: Pool, *, own: str, other: str) -> "Matrix":
        """The two organizations exist. Adds the person whose membership, not its claims, is what makes it an admin."""
        member_id = uuid4()
        async with pool.acquire() as service:
            await insert(service, "users", {"id": member_id, "email": "admin@own.example"})
            membership = {"organization_id": UUID(own), "user_id": member_id, "role": "admin"}
            await insert(service, "organization_members", membership)
        return cls(pool, own, other, member_id)

    async def outcomes(self, tables: Iterable[str] | None = None) -> list[Outcome]:
        """Every case of these tables and their partitions (None: of all), each tried and undone."""
        tried = await relations(self._pool, tables)
        async with self._pool.acquire() as service:
            for relation in tried:
                await self._fill(service, relation)
            rows = {
                (relation.name, owner): await new_row(service, relation.table, self._organizations[owner])
                for relation in tried
                for owner in _owners(relation)
            }
            columns = {relation.name: await service.fetch(_COLUMNS, relation.name) for relation in tried}
        found: list[Outcome] = []
        for credential in self.credentials:
            async with self._acting(credential) as user:
                for relation in tried:
                    for owner in _owners(relation):
                        values = rows[relation.name, owner]
                        for verb in VERBS:
                            statement, arguments = self._try(relation, owner, verb, values, columns[relation.name])
                            found.append(
                                Outcome(
                                    relation=relation,
                                    verb=verb,
                                    credential=credential,
                                    owner=owner,
                                    rows=await _tried(user, statement, arguments),
                                )
                            )
        return found

    async def _fill(self, service: Connection, relation: Relation) -> None:
        if relation.is_partition or relation.name in {"organizations", "slot_owner"}:
            return
        for owner in _owners(relation):
            row = await add_row(service, relation.name, self._organizations[owner])
            if relation.name == "users":
                self._people[owner].append(row["id"])

    def _try(
        self, relation: Relation, owner: str, verb: Verb, values: Values, columns: Sequence[asyncpg.Record]
    ) -> tuple[str, Sequence[object]]:
        where = self._where(relation, owner)
        if verb == "select":
            return f"select count(*) from {relation.name} where {where}", ()  # noqa: S608
        if verb == "delete":
            return f"delete from {relation.name} where {where}", ()  # noqa: S608
        if verb == "truncate":
            return f"truncate {relation.name} cascade", ()
        if verb == "update":
            updated = [row["name"] for row in columns if row["updated"]] or [columns[0]["name"]]
            changes = ", ".join(f"{name} = {name}" for name in updated)
            return f"update {relation.name} set {changes} where {where}", ()  # noqa: S608
        granted = {row["name"] for row in columns if row["inserted"]}
        sent = {name: value for name, value in values.items() if name in granted} if granted else values
        places = ", ".join(f"${place}" for place in range(1, len(sent) + 1))
        if not sent:
            return f"insert into {relation.name} default values", ()
        return f"insert into {relation.name} ({', '.join(sent)}) values ({places})", list(sent.values())  # noqa: S608

    def _where(self, relation: Relation, owner: str) -> str:
        organization_id = self._organizations[owner]
        if relation.table == "organizations":
            return f"id = '{organization_id}'"
        if relation.table == "users":
            people = ", ".join(f"'{person}'" for person in self._people[owner])
            return f"id in ({people})"
        return f"organization_id = '{organization_id}'" if relation.owned else "true"

    @asynccontextmanager
    async def _acting(self, credential: Credential) -> AsyncGenerator[Connection]:
        claims = credential.claims.encoded() if credential.claims is not None else ""
        async with self._pool.acquire() as connection:
            acting = connection.transaction()
            await acting.start()
            await connection.execute(
                "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)",
                credential.role,
                claims,
            )
            yield connection
            await acting.rollback()


def _owners(relation: Relation) -> Sequence[str]:
    has_owner = relation.owned or relation.table in {"organizations", "users"}
    return ("own", "other") if has_owner else ("own",)


def _credentials(organization_id: str, member_id: str) -> Sequence[Credential]:
    return (
        Credential(name="anon", role="anon"),
        Credential(name="a user of nothing", role="authenticated"),
        *(
            Credential(
                name=f"a key as {role}",
                role="authenticated",
                rank=rank,
                claims=Claims(organization_id=organization_id, subject=ACTOR, role=role),
            )
            for role, rank in RANKS.items()
        ),
        Credential(
            name="a member",
            role="authenticated",
            rank=RANKS["admin"],
            claims=Claims(subject=ACTOR, user_id=member_id),
        ),
    )


async def _tried(user: Connection, statement: str, arguments: Sequence[object]) -> int | None:
    attempt = user.transaction()
    await attempt.start()
    try:
        if statement.startswith("select"):
            return int(await user.fetchval(statement, *arguments))
        answer = await user.execute(statement, *arguments)
        return int(answer.rpartition(" ")[2]) if answer[-1].isdigit() else 1
    except asyncpg.InsufficientPrivilegeError:
        return None
    finally:
        await attempt.rollback()
