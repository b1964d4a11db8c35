"""What the hub needs of the rest, as protocols."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol, TypeAlias

from actors.domain.json_types import JSON
from serve.identity import Identity
from storage.live_position import Break, Position
from storage.live_presence import Present, Watching
from storage.live_reader import Deliver, FeedEntry
from storage.principals import Principal
from storage.tickets import Standing


class Board(Protocol):
    """The whole live state of an organization at a position of its feed."""

    @property
    def position(self) -> str: ...

    @property
    def state(self) -> Mapping[str, JSON]: ...


Boards: TypeAlias = Callable[[str], Awaitable[Board | None]]
"""The board of an organization; None when there is no such organization. Raises UnavailableError."""


class Feed(Protocol):
    """The organizations' feeds (`storage.live_reader.FeedReader`)."""

    @property
    def reading(self) -> bool: ...

    def follow(self, organization_id: str, after: Position, deliver: Deliver) -> None: ...

    def unfollow(self, organization_id: str) -> None: ...

    async def run(self) -> None: ...

    async def newest(self, organization_id: str, *, limit: int) -> list[FeedEntry]: ...

    async def since(
        self, organization_id: str, after: Position, *, page: int, at_most: int
    ) -> Sequence[FeedEntry] | Break: ...


class PresenceBook(Protocol):
    """Where hubs tell one another who watches (`storage.live_presence.LivePresence`). Raises UnavailableError."""

    async def exchange(
        self, hub: str, here: Mapping[str, Sequence[Watching]], *, now: int
    ) -> Mapping[str, Present]: ...


class Changes(Protocol):
    """Whose credentials were changed (`storage.credential_changes.CredentialChanges`)."""

    def begin(self) -> str: ...

    async def since(self, position: str) -> tuple[str, AbstractSet[str]]:
        """Raises UnavailableError."""
        ...


Names: TypeAlias = Callable[[str, frozenset[str]], Awaitable[Mapping[str, str]]]
"""What an organization calls the holders of credentials, by subject; without those it has no name for."""


class Tickets(Protocol):
    async def redeem(self, ticket: str) -> Standing | None:
        """By what a ticket was issued, once; None ever after. Raises UnavailableError."""
        ...


class Credentials(Protocol):
    """What is known of credentials (`serve.identity.Identification`). All raise UnavailableError."""

    async def present(self, by: Standing | str) -> Identity | None:
        """Whoever stands behind a ticket, or an API key or access token, as of now; None when it is over."""
        ...

    async def within(self, identity: Identity, organization_id: str) -> Principal | None: ...

    async def is_organization(self, organization_id: str) -> bool: ...

    async def deleted_among(self, organization_ids: Collection[str]) -> AbstractSet[str]:
        """Those of these organizations that are none (any more)."""
        ...
