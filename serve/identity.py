"""From a credential to whoever it stands for, and from there to what they may do in one organization."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from serve.access_tokens import AccessTokens
from serve.roles import Role, scopes_of
from storage.api_keys import ApiKeys
from storage.members import Membership, memberships_of
from storage.postgres import Pool
from storage.principals import Principal
from storage.sessions import Holder, Sessions

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

    @classmethod
    def of_one(cls, principal: Principal) -> "Identity":
        """That of a credential which speaks for one organization."""
        return cls(subject=principal.subject, principals={principal.organization_id: principal})


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
    ) -> None:
        self._pool = pool
        self._api_keys = api_keys
        self._sessions = sessions
        self._tokens = tokens
        self._monotonic = monotonic
        self._places: OrderedDict[str, tuple[float, Mapping[str, Principal]]] = OrderedDict()

    async def by_bearer(self, text: str) -> Identity | None:
        """Whoever sent `Authorization: Bearer <text>`: an API key or an access token."""
        if text.startswith(_KEY_PREFIX):
            principal = await self._api_keys.verify(text)
            return Identity.of_one(principal) if principal is not None else None
        person = await self._tokens.verify(text) if self._tokens is not None else None
        return await self._person(person.user_id, person.email) if person is not None else None

    async def by_session(self, token: str) -> Identity | None:
        """Whoever the session cookie was given to."""
        session = await self._sessions.find(token)
        if session is None:
            return None
        holder = session.holder
        if holder.user_id is not None:
            return await self._person(holder.user_id, holder.email, session.session_id)
        return Identity.of_one(_of_link(holder))

    async def within(self, identity: Identity, organization_id: str) -> Principal | None:
        """What `identity` may do in an organization; None alike for a foreign one and one that does not exist."""
        principal = identity.principals.get(organization_id)
        if principal is None and identity.user_id is not None:
            principal = (await self._look_up(identity.user_id)).get(organization_id)
        return principal

    async def bearer_within(self, text: str, organization_id: str) -> Principal | None:
        """What an `Authorization: Bearer <text>` may do in an organization."""
        identity = await self.by_bearer(text)
        return await self.within(identity, organization_id) if identity is not None else None

    def forget(self, user_id: str) -> None:
        """Ask Postgres again what this person may do: it was changed here."""
        self._places.pop(user_id, None)

    async def _person(self, user_id: str, email: str | None, session_id: str | None = None) -> Identity:
        kept = self._places.get(user_id)
        principals = kept[1] if kept is not None and kept[0] > self._monotonic() else await self._look_up(user_id)
        return Identity(
            subject=f"user:{user_id}", principals=principals, user_id=user_id, email=email, session_id=session_id
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
