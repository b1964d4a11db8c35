"""One organization's sockets on this hub: bringing them into step with the feed, and keeping them there."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Final

import structlog
from websockets.exceptions import ConnectionClosed

from actors.ports import UnavailableError
from serve.live.boards import BoardSource, NoSuchOrganizationError
from serve.live.encoding import Encoding
from serve.live.frames import Reason, events_frames, heartbeat_frame
from serve.live.peer import Peer
from serve.live.ports import Boards, Feed
from serve.live.recent import Recent
from serve.live.wallboard import Wallboard
from storage.live_position import BEFORE_ALL, Break, Position, break_between
from storage.live_reader import FeedEntry

log = structlog.get_logger(__name__)

COALESCE_SECONDS: Final = (0.004, 0.02)
"""The shortest and the longest an entry waits for others to share its frame."""
COALESCE_SECONDS_PER_SOCKET: Final = 0.00002
"""A frame costs some 9 microseconds a socket: waiting twice that keeps one channel under a third of a core."""
HEARTBEAT_SECONDS: Final = 5.0
RECENT_ENTRIES: Final = 1_000
RECENT_BYTES: Final = 1024 * 1024
PAGE_ENTRIES: Final = 500
CATCH_UP_ENTRIES: Final = 5_000
"""Missed more than that, a snapshot is cheaper."""
FEED_PATIENCE_SECONDS: Final = 2.0
"""How long who resumes waits for a feed that cannot be read before it is given a snapshot."""
RETRY_SECONDS: Final = 0.1
FAULT_RETRY_SECONDS: Final = 1.0


class Channel:
    """Fans one feed out to its peers.

    A peer is joining (its own task sends a snapshot or what it missed), in step (it has exactly what was sent to all),
    or ahead (its snapshot is newer than what was read from the feed). It moves into step only where nothing is awaited,
    so nothing falls into the seam. The first entry after a quiet spell is sent at once, then what gathered: the more
    sockets, the longer it gathers.
    """

    def __init__(self, organization_id: str, feed: Feed, boards: Boards, wallboard: Wallboard) -> None:
        self.organization_id = organization_id
        self.source = BoardSource(organization_id, boards, wallboard, self._can_continue)
        self._wallboard = wallboard
        self._feed = feed
        self._recent = Recent(entries=RECENT_ENTRIES, size=RECENT_BYTES)
        self._gathered: list[FeedEntry] = []
        self._peers: set[Peer] = set()
        self._in_step: dict[Encoding, set[Peer]] = {encoding: set() for encoding in Encoding}
        self._ahead: dict[Peer, Position] = {}
        self._joining: dict[Peer, asyncio.Task[None]] = {}
        self._flushing: asyncio.TimerHandle | None = None
        self._besides: bytes | None = None
        self._loop = asyncio.get_running_loop()
        self._heartbeat = self._loop.call_later(HEARTBEAT_SECONDS, self._beat)
        self._opening = asyncio.create_task(self._open())
        self.frames = 0

    def join(self, peer: Peer, after: Position | None, reason: Reason) -> None:
        """Bring a peer into step: from what follows `after` if that can be told exactly, else with a snapshot."""
        self._peers.add(peer)
        self._joining[peer] = asyncio.create_task(self._bring_in(peer, after, reason))

    def leave(self, peer: Peer) -> None:
        self._peers.discard(peer)
        self._in_step[peer.encoding].discard(peer)
        self._ahead.pop(peer, None)
        joining = self._joining.pop(peer, None)
        if joining is not None:
            joining.cancel()

    @property
    def is_empty(self) -> bool:
        return not self._peers

    def close(self) -> None:
        self._feed.unfollow(self.organization_id)
        self._heartbeat.cancel()
        if self._flushing is not None:
            self._flushing.cancel()
        self._opening.cancel()
        self.source.close()
        for joining in self._joining.values():
            joining.cancel()

    def tell(self, frame: bytes) -> None:
        """Send a frame that is no part of the feed: now to those here, and to each who comes until the next one.

        It may name people, so it is for those alone who are sent everything.
        """
        self._besides = frame
        for peer in self._attached():
            if peer.encoding is Encoding.FULL:
                peer.push(frame)

    def check(self, now: float) -> None:
        """Cut off peers that fell behind; those joining have a deadline of their own."""
        for peer in self._attached():
            peer.check(now)

    def _attached(self) -> list[Peer]:
        return [*chain.from_iterable(self._in_step.values()), *self._ahead]

    # Reading the feed

    async def _open(self) -> None:
        while True:
            try:
                newest = await self._feed.newest(self.organization_id, limit=RECENT_ENTRIES)
                break
            except UnavailableError:
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:  # heartbeats would go on without the feed, and nobody would know
                log.exception("a feed cannot be opened", organization_id=self.organization_id)
                await asyncio.sleep(FAULT_RETRY_SECONDS)
        for entry in newest:
            self._recent.append(entry)
        self._feed.follow(self.organization_id, self._recent.last, self._gather)
        for peer, position in list(self._ahead.items()):
            if position <= self._recent.last:
                del self._ahead[peer]
                self.join(peer, position, "gap")

    def _gather(self, entries: Sequence[FeedEntry]) -> None:
        self._gathered.extend(entries)
        if self._flushing is None:
            self._flush()

    def _flush(self) -> None:
        self._flushing = None
        if not self._gathered:
            return
        gathered, self._gathered = self._gathered, []
        run: list[FeedEntry] = []
        after = self._recent.last
        for entry in gathered:
            broken = break_between(self._recent.last, entry.position)
            if broken is not None:
                self._send(run, after)
                run, after = [], self._recent.last
                self._start_over(broken)
            self._recent.append(entry)
            run.append(entry)
        self._send(run, after)
        shortest, longest = COALESCE_SECONDS
        pause = min(max(COALESCE_SECONDS_PER_SOCKET * len(self._peers), shortest), longest)
        self._flushing = self._loop.call_later(pause, self._flush)

    def _start_over(self, broken: Break) -> None:
        """Nobody in step can be told what was missed: all get a snapshot that says why."""
        self._recent.clear()
        for peers in self._in_step.values():
            for peer in peers:
                self.join(peer, None, broken)
            peers.clear()

    def _send(self, run: Sequence[FeedEntry], after: Position) -> None:
        if not run:
            return
        for encoding, peers in self._in_step.items():
            if peers:
                frames = self._frames(run, after, encoding)
                for peer in peers:
                    self._push(peer, frames)
                self.frames += len(frames or ()) * len(peers)
        for peer, position in list(self._ahead.items()):
            self._catch(peer, position, run)

    def _catch(self, peer: Peer, position: Position, run: Sequence[FeedEntry]) -> None:
        """See whether the feed has come to where a peer already is."""
        if run[-1].position < position:
            return
        del self._ahead[peer]
        fresh = [entry for entry in run if entry.position > position]
        broken = break_between(position, fresh[0].position) if fresh else None
        if broken is not None:
            self.join(peer, None, broken)
            return
        self._push(peer, self._frames(fresh, position, peer.encoding))
        self._in_step[peer.encoding].add(peer)

    def _frames(self, entries: Sequence[FeedEntry], after: Position, encoding: Encoding) -> Sequence[bytes] | None:
        """The frames of one encoding; None when an entry cannot be encoded so, which ends nobody else's feed."""
        try:
            return list(self._encoded(entries, after, encoding))
        except Exception:  # such as a figure that the owner's release does not have yet
            log.exception("entries cannot be told", organization_id=self.organization_id, encoding=encoding)
            return None

    def _encoded(self, entries: Sequence[FeedEntry], after: Position, encoding: Encoding) -> Iterator[bytes]:
        return events_frames(entries, after, self._wallboard if encoding is Encoding.WALLBOARD else None)

    @staticmethod
    def _push(peer: Peer, frames: Sequence[bytes] | None) -> None:
        if frames is None:
            peer.cut("what follows cannot be told")
            return
        for frame in frames:
            peer.push(frame)

    def _beat(self) -> None:
        self._heartbeat = self._loop.call_later(HEARTBEAT_SECONDS, self._beat)
        self.source.expire()
        frame = self._heartbeat_at(self._recent.last)
        for peer in chain.from_iterable(self._in_step.values()):
            peer.push(frame)
        for peer, position in self._ahead.items():
            peer.push(self._heartbeat_at(position))

    def _heartbeat_at(self, position: Position) -> bytes:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return heartbeat_frame(position, now, current=self._feed.reading)

    # Joining

    def _can_continue(self, position: Position) -> bool:
        return position > self._recent.last or self._recent.after(position) is not None

    async def _bring_in(self, peer: Peer, after: Position | None, reason: Reason) -> None:
        try:
            await self._catch_up(peer, after, reason)
        except NoSuchOrganizationError:
            await peer.close(4504, "no such organization")
        except (ConnectionError, ConnectionClosed):
            pass  # the peer left meanwhile; its handler takes leave
        except Exception:
            log.exception("a peer cannot join", organization_id=self.organization_id)
            await peer.close(1011, "internal error")
        finally:
            if self._joining.get(peer) is asyncio.current_task():
                del self._joining[peer]

    async def _catch_up(self, peer: Peer, position: Position | None, reason: Reason) -> None:
        exists = False
        while True:
            if position is None:
                board = await self.source.board()
                await peer.give(board.frame(reason, peer.encoding))
                position, exists = board.position, True
            missed = self._recent.after(position)
            if missed is None:
                if exists and position > self._recent.last:
                    self._attach(peer, position)
                    return
                told = await self._missed(position)
                if isinstance(told, str):
                    position, reason = None, told
                    continue
                if not told and position < self._recent.last:
                    # Either more was said since the stream was asked, or it lost what was read from it before.
                    if self._recent.after(position) is None:
                        position, reason = None, "gap"
                    continue
                missed, exists = told, True
            elif not missed:
                self._attach(peer, position)
                return
            for frame in self._encoded(missed[:PAGE_ENTRIES], position, peer.encoding):
                await peer.give(frame)
            if missed:
                position = missed[:PAGE_ENTRIES][-1].position

    def _attach(self, peer: Peer, position: Position) -> None:
        if not peer.is_open:
            raise ConnectionAbortedError
        if position == self._recent.last:
            self._in_step[peer.encoding].add(peer)
        else:
            self._ahead[peer] = position
        # Its clock, and the answer to a resumption that missed nothing.
        peer.push(self._heartbeat_at(position))
        if self._besides is not None and peer.encoding is Encoding.FULL:
            peer.push(self._besides)

    async def _missed(self, position: Position) -> Sequence[FeedEntry] | Break:
        if position == BEFORE_ALL:
            return "gap"
        until = self._loop.time() + FEED_PATIENCE_SECONDS
        while True:
            try:
                return await self._feed.since(
                    self.organization_id, position, page=PAGE_ENTRIES, at_most=CATCH_UP_ENTRIES
                )
            except UnavailableError:
                if self._loop.time() > until:
                    return "gap"
            await asyncio.sleep(RETRY_SECONDS)
