"""One request's transaction as a user of one organization: Postgres itself shows and takes nothing of another's."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import NAMESPACE_URL, UUID, uuid5

import asyncpg
import orjson

from storage.errors import NotPermittedError, StorageUnavailableError
from storage.postgres import Connection, Pool, acquired
from storage.statements import statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What Postgres is told of a credential, for the policies of migrations/ to judge by.

    `subject` names the credential as the audit log does (`key:…`, `user:…`), never its secret. With `organization_id`
    it speaks for that organization alone, in `role` (None: it only reads). Without, for every organization that the
    user `user_id` is a member of, in the role it has there. `email` is needed to accept an invitation.
    """

    subject: str
    organization_id: str | None = None
    role: str | None = None
    user_id: str | None = None
    email: str | None = None

    def encoded(self) -> str:
        """As `request.jwt.claims` holds them, in the words of Supabase's tokens."""
        told = {
            "role": "authenticated",
            # auth.uid() reads a uuid, and a key's id is not one: what follows from it is, and is nobody's.
            "sub": self.user_id or str(uuid5(self._namespace, self.subject)),
            "actor": self.subject,
            "organization_id": self.organization_id,
            "organization_role": self.role,
            "email": self.email,
        }
        return orjson.dumps({name: value for name, value in told.items() if value is not None}).decode()

    @property
    def _namespace(self) -> UUID:
        return UUID(self.organization_id) if self.organization_id is not None else NAMESPACE_URL


@asynccontextmanager
async def tenant_reads(
    pool: Pool, *, organization_id: str, subject: str, role: str | None = None, user_id: str | None = None
) -> AsyncGenerator[Connection]:
    """A connection on which Postgres itself shows nothing but this organization's rows, all of one moment.

    The pool's login role must be allowed to become `authenticated`; the role and the claims end with the transaction.
    Queries still name the organization: row level security is the second lock. Raises StorageUnavailableError.
    """
    claims = Claims(organization_id=organization_id, subject=subject, role=role, user_id=user_id)
    async with claimed_reads(pool, claims) as connection:
        yield connection


@asynccontextmanager
async def tenant_writes(
    pool: Pool, *, organization_id: str, subject: str, role: str | None, user_id: str | None = None
) -> AsyncGenerator[Connection]:
    """A connection that changes what `role` may change of this organization: all on leaving, or nothing.

    Never the login role's own rights: what no policy lets through is refused, and a row of another organization is not
    there. Raises NotPermittedError, StorageUnavailableError; checks of the schema pass as Postgres' own errors.
    """
    claims = Claims(organization_id=organization_id, subject=subject, role=role, user_id=user_id)
    async with claimed_writes(pool, claims) as connection:
        yield connection


@asynccontextmanager
async def claimed_reads(pool: Pool, claims: Claims) -> AsyncGenerator[Connection]:
    """As `tenant_reads`, with claims of any kind: a person's before it chose an organization, for one."""
    async with (
        acquired(pool) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        await _become(connection, claims)
        yield connection


@asynccontextmanager
async def claimed_writes(pool: Pool, claims: Claims) -> AsyncGenerator[Connection]:
    """As `tenant_writes`, with claims of any kind."""
    async with acquired(pool) as connection, connection.transaction():
        await _become(connection, claims)
        try:
            yield connection
        except asyncpg.InsufficientPrivilegeError as refused:
            raise NotPermittedError(f"the credential may not do that: {refused}") from refused


async def _become(connection: Connection, claims: Claims) -> None:
    try:
        await connection.execute(statement("become_tenant"), claims.encoded())
    except asyncpg.InsufficientPrivilegeError as refused:
        raise StorageUnavailableError("the login role of DATABASE_URL may not become `authenticated`") from refused
