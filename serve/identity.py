"""From a credential to whoever it stands for, and from there to what they may do in one organization."""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from serve.access_tokens import LEEWAY_SECONDS, AccessTokens
from serve.roles import Role, scopes_of
from storage.api_keys import KEY_SUBJECT, ApiKeys
from storage.members import Membership, memberships_of
from storage.postgres import Pool, acquired
from storage.principals import Principal
from storage.provisioning import deleted_among, organization_exists
from storage.sessions import Holder, Session, Sessions
from storage.tickets import Standing

MEMBERSHIP_SECONDS: Final = 5.0
"""How long what a person may do is believed: so long a change made elsewhere may take. What is new shows at once."""
_REMEMBERED_PEOPLE: Final = 10_000
_KEY_PREFIX: Final = "sup_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whoever a credential stands for, with all they may do by organization. Only people have a `user_id`."""

    subject: str
    principals: Mapping[str, Principal]
    user_id: str | None = None
    email: str | None = None
    session_id: str | None = None
    expires_at: int | None = None
    """Of an access token, in Unix seconds."""

    @classmethod
    def of_one(cls, principal: Principal, *, session_id: str | None = None) -> "Identity":
        """That of a credential which speaks for one organization."""
        return cls(subject=principal.subject, principals={principal.organization_id: principal}, session_id=session_id)

    def standing(self, organization_id: str) -> Standing:
        """By what it is let into an organization, for `Identification.present` to ask again later."""
        return Standing(
            organization_id=organization_id,
            subject=self.subject,
            user_id=self.user_id,
            session_id=self.session_id,
            expires_at=self.expires_at,
        )


class Identification:
    """Knows credentials. Malformed, unknown, expired and revoked ones look the same: None.

    Without `tokens` nobody signs in with one. Every method raises UnavailableError when it cannot be told.
    """

    def __init__(
        self,
        *,
        pool: Pool,
        api_keys: ApiKeys,
        sessions: Sessions,
        tokens: AccessTokens | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._pool = pool
        self._api_keys = api_keys
        self._sessions = sessions
        self._tokens = tokens
        self._monotonic = monotonic
        self._now = now
        self._places: OrderedDict[str, tuple[float, Mapping[str, Principal]]] = OrderedDict()

    async def by_bearer(self, text: str) -> Identity | None:
        """Whoever sent `Authorization: Bearer <text>`: an API key or an access token."""
        if text.startswith(_KEY_PREFIX):
            principal = await self._api_keys.verify(text)
            return Identity.of_one(principal) if principal is not None else None
        person = await self._tokens.verify(text) if self._tokens is not None else None
        if person is None:
            return None
        return await self._person(person.user_id, person.email, expires_at=person.expires_at)

    async def by_session(self, token: str) -> Identity | None:
        """Whoever the session cookie was given to."""
        session = await self._sessions.find(token)
        return await self._of_session(session) if session is not None else None

    async def present(self, by: Standing | str) -> Identity | None:
        """Whoever was let in by this, as of now: a bearer's text, or what a ticket was issued by. None: it is over."""
        if isinstance(by, str):
            return await self.by_bearer(by)
        if by.session_id is not None:
            session = await self._sessions.named(by.session_id)
            if session is None or (by.user_id is None and not await self.is_organization(by.organization_id)):
                return None
            return await self._of_session(session)
        if by.user_id is not None and by.expires_at is not None:
            is_over = by.expires_at <= self._now() - LEEWAY_SECONDS
            return None if is_over else await self._person(by.user_id, None, expires_at=by.expires_at)
        principal = await self._api_keys.still(by.subject.removeprefix(KEY_SUBJECT))
        return Identity.of_one(principal) if principal is not None else None

    async def is_organization(self, organization_id: str) -> bool:
        """Whether there is one of that id, and it was not deleted."""
        async with acquired(self._pool) as connection:
            return await organization_exists(connection, organization_id)

    async def deleted_among(self, organization_ids: Collection[str]) -> AbstractSet[str]:
        """Those of these organizations that there are not, or that were deleted."""
        async with acquired(self._pool) as connection:
            return await deleted_among(connection, organization_ids)

    async def within(self, identity: Identity, organization_id: str) -> Principal | None:
        """What `identity` may do in an organization; None alike for a foreign one and one that does not exist."""
        principal = identity.principals.get(organization_id)
        if principal is None and identity.user_id is not None:
            principal = (await self._look_up(identity.user_id)).get(organization_id)
        return principal

    def forget(self, user_id: str) -> None:
        """Ask Postgres again what this person may do: it was changed here."""
        self._places.pop(user_id, None)

    async def _of_session(self, session: Session) -> Identity:
        holder = session.holder
        if holder.user_id is not None:
            return await self._person(holder.user_id, holder.email, session_id=session.session_id)
        return Identity.of_one(_of_link(holder), session_id=session.session_id)

    async def _person(
        self, user_id: str, email: str | None, *, session_id: str | None = None, expires_at: int | None = None
    ) -> Identity:
        kept = self._places.get(user_id)
        principals = kept[1] if kept is not None and kept[0] > self._monotonic() else await self._look_up(user_id)
        return Identity(
            subject=f"user:{user_id}",
            principals=principals,
            user_id=user_id,
            email=email,
            session_id=session_id,
            expires_at=expires_at,
        )

    async def _look_up(self, user_id: str) -> Mapping[str, Principal]:
        principals = _of_person(user_id, await memberships_of(self._pool, user_id))
        self._places[user_id] = (self._monotonic() + MEMBERSHIP_SECONDS, principals)
        self._places.move_to_end(user_id)
        if len(self._places) > _REMEMBERED_PEOPLE:
            self._places.popitem(last=False)
        return principals


def _of_person(user_id: str, memberships: Sequence[Membership]) -> Mapping[str, Principal]:
    return {
        each.organization_id: Principal(
            organization_id=each.organization_id,
            subject=f"user:{user_id}",
            scopes=scopes_of(Role(each.role)),
            role=each.role,
            user_id=user_id,
        )
        for each in memberships
    }


def _of_link(holder: Holder) -> Principal:
    if holder.organization_id is None:
        raise AssertionError("a session stands for a person or for an organization")
    return Principal(
        organization_id=holder.organization_id,
        subject=holder.subject,
        scopes=holder.scopes,
        role=Role.SUPERVISOR,
    )
