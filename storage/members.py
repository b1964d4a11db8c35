"""People of an organization and invitations to it: read and changed as the person or key that asks."""

import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

import asyncpg

from storage.errors import StorageError
from storage.postgres import Connection, Pool, acquired
from storage.statements import statement
from storage.tenant import Claims, claimed_writes

Row: TypeAlias = dict[str, Any]

INVITATION_LASTS: Final = timedelta(days=7)
_KEEPS_AN_OWNER: Final = "organization_members_keep_an_owner"


class InvitationUnderWayError(StorageError):
    """Another transaction invites the same address at this moment. Nothing was written."""


class LastOwnerError(StorageError):
    """An organization keeps at least one owner. Nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A person's place in one organization."""

    organization_id: str
    organization_name: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """An invitation as whoever made it sees it, once: `token` accepts it and is kept nowhere."""

    row: Row
    token: str = field(repr=False)


async def memberships_of(pool: Pool, user_id: str) -> Sequence[Membership]:
    """The organizations of a person, by name. Raises StorageUnavailableError."""
    async with acquired(pool) as connection:
        rows = await connection.fetch(statement("memberships_of_user"), UUID(user_id))
    return [
        Membership(organization_id=str(row["organization_id"]), organization_name=row["name"], role=row["role"])
        for row in rows
    ]


async def accept_invitation(pool: Pool, *, user_id: str, email: str, token: str) -> str | None:
    """Make a person a member by the token of an invitation to their address; the organization, or None.

    Works once. Unknown, used, revoked and expired tokens look the same, and so do those for another address. Raises
    StorageUnavailableError.
    """
    claims = Claims(subject=f"user:{user_id}", user_id=user_id, email=email)
    async with claimed_writes(pool, claims) as connection:
        accepted = await connection.fetchval(statement("accept_invitation"), _hash(token))
    return str(accepted) if accepted is not None else None


class TenantMembers:
    """Members and invitations of one organization, on a connection of `tenant_writes` or `tenant_reads`.

    Every change is noted in the audit log, within the same transaction.
    """

    def __init__(self, connection: Connection, organization_id: str) -> None:
        self._connection = connection
        self._organization_id = UUID(organization_id)

    async def all(self) -> Sequence[Row]:
        """At most 1,000 members, by address."""
        return await self._rows("members_of_organization")

    async def role_of(self, user_id: UUID) -> str | None:
        """The role of a member; None for whoever is none."""
        return await self._value("member_role", user_id)

    async def set_role(self, user_id: UUID, role: str) -> bool:
        """Give a member a role; False when there is no such member. Raises LastOwnerError."""
        async with _keeping_an_owner():
            changed = bool(await self._value("set_member_role", user_id, role))
        if changed:
            await self.note("member-role-changed", f"user:{user_id}", role)
        return changed

    async def remove(self, user_id: UUID) -> bool:
        """Let a member go; False when there is none. Raises LastOwnerError."""
        async with _keeping_an_owner():
            removed = bool(await self._value("remove_member", user_id))
        if removed:
            await self.note("member-removed", f"user:{user_id}", "removed")
        return removed

    async def invitations(self) -> Sequence[Row]:
        """At most 1,000 invitations that are open, newest first; some may have expired."""
        return await self._rows("open_invitations")

    async def is_member(self, email: str) -> bool:
        """Whether a person with that address is a member."""
        return bool(await self._value("is_member_by_email", email))

    async def invite(self, *, email: str, role: str, invited_by: str, now: datetime) -> Invitation:
        """Invite an address for INVITATION_LASTS, in place of an earlier invitation to it.

        Raises InvitationUnderWayError while another transaction invites it: waiting for that would hold a connection.
        """
        if not await self._value("lock_invitation", email):
            raise InvitationUnderWayError(email)
        await self._connection.execute(statement("revoke_invitations_to"), self._organization_id, email)
        invitation_id, token = uuid4(), secrets.token_urlsafe(32)
        row = await self._connection.fetchrow(
            statement("add_invitation"),
            invitation_id,
            self._organization_id,
            email,
            role,
            _hash(token),
            invited_by,
            now + INVITATION_LASTS,
        )
        if row is None:
            raise AssertionError("an insert that returns answers a row")
        await self.note("invitation-made", str(invitation_id), role)
        return Invitation(row=dict(row), token=token)

    async def revoke_invitation(self, invitation_id: UUID) -> bool:
        """Revoke an open invitation; False when there is none."""
        revoked = bool(await self._value("revoke_invitation", invitation_id))
        if revoked:
            await self.note("invitation-revoked", str(invitation_id), "revoked")
        return revoked

    async def note(self, action: str, target: str, result: str) -> None:
        """Keep in the audit log what the caller did."""
        await self._connection.execute(statement("audit"), self._organization_id, action, target, "", result)

    async def _rows(self, name: str, *arguments: Any) -> list[Row]:
        return [dict(row) for row in await self._connection.fetch(statement(name), self._organization_id, *arguments)]

    async def _value(self, name: str, *arguments: Any) -> Any:
        return await self._connection.fetchval(statement(name), self._organization_id, *arguments)


@asynccontextmanager
async def _keeping_an_owner() -> AsyncGenerator[None]:
    try:
        yield
    except asyncpg.CheckViolationError as refused:
        if refused.constraint_name != _KEEPS_AN_OWNER:
            raise
        raise LastOwnerError("an organization keeps at least one owner") from refused


def _hash(token: str) -> bytes:
    return sha256(token.encode(errors="surrogatepass")).digest()
