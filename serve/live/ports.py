"""What the hub needs of the rest, as protocols."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from actors.domain.json_types import JSON
from storage.live_position import Break, Position
from storage.live_reader import Deliver, FeedEntry


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


class Tickets(Protocol):
    async def redeem(self, ticket: str) -> str | None:
        """The organization a ticket admits to, once; None ever after. Raises UnavailableError."""
        ...


class Principal(Protocol):
    """What a credential may do in one organization."""

    @property
    def scopes(self) -> frozenset[str]: ...


class Credentials(Protocol):
    async def bearer_within(self, text: str, organization_id: str) -> Principal | None:
        """What an API key or access token may do there; None when it is not good there. Raises UnavailableError."""
        ...
