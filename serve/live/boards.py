"""One organization's board for many who ask at once: built once, handed to all."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from actors.domain.json_types import JSON
from actors.ports import UnavailableError
from serve.live.encoding import Encoding
from serve.live.frames import Reason, encode_state, snapshot_frame
from serve.live.ports import Boards
from serve.live.wallboard import Wallboard
from storage.live_position import Position

log = structlog.get_logger(__name__)

REUSE_SECONDS: Final = 2.0
RETRY_SECONDS: Final = (0.05, 1.0)


class NoSuchOrganizationError(Exception):
    """The credential was good, but its organization is gone."""


class EncodedBoard:
    """A board and its snapshot frames, each encoded when it is first asked for."""

    def __init__(self, position: Position, state: Mapping[str, JSON], wallboard: Wallboard, built_at: float) -> None:
        self.position = position
        self.built_at = built_at
        self._state = state
        self._wallboard = wallboard
        self._states: dict[Encoding, bytes] = {}
        self._frames: dict[tuple[Encoding, Reason], bytes] = {}

    def frame(self, reason: Reason, encoding: Encoding) -> bytes:
        """Raises what a state of another release that cannot be encoded so fails with."""
        key = (encoding, reason)
        if key not in self._frames:
            self._frames[key] = snapshot_frame(self.position, reason, self._encoded(encoding), encoding)
        return self._frames[key]

    def _encoded(self, encoding: Encoding) -> bytes:
        if encoding not in self._states:
            wallboard = self._wallboard if encoding is Encoding.WALLBOARD else None
            self._states[encoding] = encode_state(self._state, wallboard)
        return self._states[encoding]


class BoardSource:
    """Builds the board when asked, once for all who wait and for `REUSE_SECONDS` after.

    `is_usable` says whether a board at that position can be continued without a hole; one that cannot is built anew.
    """

    def __init__(
        self, organization_id: str, boards: Boards, wallboard: Wallboard, is_usable: Callable[[Position], bool]
    ) -> None:
        self._organization_id = organization_id
        self._boards = boards
        self._wallboard = wallboard
        self._is_usable = is_usable
        self._board: EncodedBoard | None = None
        self._building: asyncio.Task[EncodedBoard] | None = None
        self.built = 0

    async def board(self) -> EncodedBoard:
        """A usable board; while the source is away, waits and tries again. Raises NoSuchOrganizationError."""
        now = asyncio.get_running_loop().time()
        if self._board is not None and now - self._board.built_at < REUSE_SECONDS:
            if self._is_usable(self._board.position):
                return self._board
            self._board = None
        if self._building is None or self._building.done():
            self._building = asyncio.create_task(self._build())
        # Whoever leaves must not end the building for the others.
        return await asyncio.shield(self._building)

    def expire(self) -> None:
        """Drop a board too old to be handed out again."""
        if self._board is not None and asyncio.get_running_loop().time() - self._board.built_at >= REUSE_SECONDS:
            self._board = None

    def close(self) -> None:
        if self._building is not None:
            self._building.cancel()

    async def _build(self) -> EncodedBoard:
        pause = RETRY_SECONDS[0]
        while True:
            try:
                board = await self._boards(self._organization_id)
            except UnavailableError as away:
                log.info("no board yet", organization_id=self._organization_id, reason=str(away))
            else:
                if board is None:
                    raise NoSuchOrganizationError(self._organization_id)
                self.built += 1
                position = _position(board.position)
                if self._is_usable(position):
                    now = asyncio.get_running_loop().time()
                    self._board = EncodedBoard(position, board.state, self._wallboard, now)
                    return self._board
            await asyncio.sleep(pause)
            pause = min(pause * 2, RETRY_SECONDS[1])


def _position(text: str) -> Position:
    position = Position.parse(text)
    if position is None:
        raise ValueError(f"a board at {text!r}, which is no position")
    return position
