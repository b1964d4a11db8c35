"""The live hub: a websocket server on a port of its own that fans the organizations' feeds out to their sockets."""

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, cast

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Origin

from actors.domain.json_types import JSON
from actors.ports import UnavailableError
from actors.watches import RENEW_SECONDS
from serve.live.access import Access, Admission, Refusal, Target, target_of
from serve.live.channel import Channel
from serve.live.encoding import Encoding
from serve.live.looks import Looks
from serve.live.pace import Pace
from serve.live.peer import Peer
from serve.live.ports import Boards, Changes, Feed, Names, PresenceBook
from serve.live.presence import Presence
from serve.live.wallboard import Wallboard

log = structlog.get_logger(__name__)

INBOUND_BYTES: Final = 64 * 1024
SEND_BUFFER_BYTES: Final = 256 * 1024
"""The kernel's share of what may wait for a peer. Left alone it grows to megabytes, unseen by us."""
OPEN_SECONDS: Final = 5.0
CREDENTIAL_SECONDS: Final = 5.0
CHECK_SECONDS: Final = 1.0
DRAIN_PEERS: Final = 200
DRAIN_PAUSE_SECONDS: Final = 0.1
CLOSE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOptions:
    """`origins`: pages that may connect; programs, which send none, always may. Port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 8001
    origins: Sequence[str] = ()
    accepts_per_second: float = 300.0
    sockets: int = 20_000


class LiveHub:
    """Serves `GET /live/{organization_id}`: `?ticket=` or a bearer key, `?after=<position>` to resume.

    `?view=wallboard`, or a credential that permits no more, is sent the figures and nothing of any caller; all of them
    whenever it comes.
    A socket only listens: what it sends is read and dropped. It receives a snapshot or what it missed, then events and
    heartbeats, and may be closed with 4001 (credential expired), 4503 (not permitted), 4504 (no such organization),
    1012 (restart), 1013 (a server is away), or cut off when it is slow. All but 45xx are to come back. `watch` is told,
    again and again, whose boards are looked at; it must not block. With `presence` sockets are told who else is there,
    by the `names` their organization has for them. `wallboard_secret` names alarms on wallboards, alike at all hubs.
    Deleting an organization closes its sockets within ten seconds; so does ending a credential, with `changes`, else
    within a minute or so.
    """

    def __init__(
        self,
        options: HubOptions,
        *,
        feed: Feed,
        boards: Boards,
        access: Access,
        watch: Callable[[str], object],
        wallboard_secret: bytes,
        presence: PresenceBook | None = None,
        names: Names | None = None,
        changes: Changes | None = None,
    ) -> None:
        self._options = options
        self._feed = feed
        self._boards = boards
        self._access = access
        self._watch = watch
        self._wallboard_secret = wallboard_secret
        self._watched_at = 0.0
        self._presence = Presence(presence, names or _no_names, self._tell) if presence is not None else None
        self._pace = Pace(options.accepts_per_second)
        self._channels: dict[str, Channel] = {}
        self._looks = Looks(changes, access.deleted_among, lambda: list(self._channels))
        self._peers: dict[Peer, Admission] = {}
        self._renewing: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._server: Server | None = None
        self._stopping = False

    async def start(self) -> None:
        """Listen. Several hubs may listen on one port; the kernel shares the sockets out."""
        listener = socket.create_server((self._options.host, self._options.port), reuse_port=True, backlog=1024)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)  # inherited by its sockets
        running = (self._feed.run(), self._check_peers(), self._looks.run())
        self._tasks = [asyncio.create_task(each) for each in running]
        if self._presence is not None:
            self._tasks.append(asyncio.create_task(self._presence.run()))
        self._server = await serve(
            self._handle,
            sock=listener,
            create_connection=Peer,
            compression=None,
            origins=[*(cast("Origin", origin) for origin in self._options.origins), None],
            process_request=self._receive,
            server_header=None,
            max_size=INBOUND_BYTES,
            open_timeout=OPEN_SECONDS,
            ping_interval=None,
            close_timeout=CLOSE_SECONDS,
        )

    @property
    def port(self) -> int:
        return self._listening.sockets[0].getsockname()[1]

    def check_health(self) -> None:
        """Raise what ended a task that must not end."""
        for task in self._tasks:
            if task.done():
                raise RuntimeError("the hub no longer reads the feeds") from task.exception()

    def status(self) -> dict[str, JSON]:
        return {
            "sockets": len(self._peers),
            "organizations": len(self._channels),
            "reading": self._feed.reading,
            "frames": sum(channel.frames for channel in self._channels.values()),
            "boards_built": sum(channel.source.built for channel in self._channels.values()),
        }

    async def stop(self) -> None:
        """Take no more sockets and send those there elsewhere, in batches, so that they do not all return at once."""
        self._stopping = True
        self._listening.close(close_connections=False)
        peers = list(self._peers)
        async with asyncio.TaskGroup() as closing:
            for start in range(0, len(peers), DRAIN_PEERS):
                for peer in peers[start : start + DRAIN_PEERS]:
                    closing.create_task(peer.close(1012, "restart"))
                await asyncio.sleep(DRAIN_PAUSE_SECONDS)
        await self._listening.wait_closed()
        for task in (*self._tasks, *self._renewing):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._renewing, return_exceptions=True)
        if self._presence is not None:
            await self._presence.close()

    @property
    def _listening(self) -> Server:
        if self._server is None:
            raise RuntimeError("the hub was not started")
        return self._server

    async def _receive(self, connection: ServerConnection, request: Request) -> Response | None:
        if target_of(request) is None:
            return connection.respond(HTTPStatus.NOT_FOUND, "Live feeds are at /live/{organization_id}.\n")
        if len(self._peers) < self._options.sockets and await self._pace.admits():
            return None
        busy = connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "Too many at once; come back.\n")
        busy.headers["Retry-After"] = "1"
        return busy

    async def _handle(self, connection: ServerConnection) -> None:
        peer = cast("Peer", connection)
        target = target_of(cast("Request", connection.request))
        if target is None:
            raise AssertionError("a socket was opened for a request that was refused")
        try:
            async with asyncio.timeout(CREDENTIAL_SECONDS):
                admission = await self._access.admit(target, asyncio.get_running_loop().time())
        except (UnavailableError, TimeoutError):
            await peer.close(1013, "try again later")
            return
        if admission is None:
            await peer.close(*Refusal.NOT_PERMITTED.value)
            return
        await self._attend(peer, target, admission)

    async def _attend(self, peer: Peer, target: Target, admission: Admission) -> None:
        if self._stopping:  # opened while the others were sent away
            await peer.close(1012, "restart")
            return
        channel = self._channels.get(target.organization_id)
        if channel is None:
            wallboard = Wallboard.of(target.organization_id, self._wallboard_secret)
            channel = Channel(target.organization_id, self._feed, self._boards, wallboard)
            self._channels[target.organization_id] = channel
            if self._presence is not None and (told := self._presence.frame(target.organization_id)) is not None:
                channel.tell(told)
        self._peers[peer] = admission
        peer.encoding = admission.encoding
        # A wallboard is small, and told whole each time: the hub it comes from, of another release or under another
        # key, may have named its alarms otherwise, and those would never end here.
        after = target.after if peer.encoding is Encoding.FULL else None
        channel.join(peer, after, "gap" if target.resumes else "first")
        subject = admission.subject
        if self._presence is not None:
            self._presence.arrive(target.organization_id, subject)
        try:
            async for _ in peer:
                pass
        except ConnectionClosed:
            pass
        finally:
            del self._peers[peer]
            channel.leave(peer)
            if self._presence is not None:
                self._presence.leave(target.organization_id, subject)
            if channel.is_empty:
                channel.close()
                del self._channels[target.organization_id]

    def _tell(self, organization_id: str, frame: bytes) -> None:
        if (channel := self._channels.get(organization_id)) is not None:
            channel.tell(frame)

    async def _check_peers(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            now = loop.time()
            for channel in list(self._channels.values()):
                channel.check(now)
            if now - self._watched_at >= RENEW_SECONDS:
                self._watched_at = now
                for organization_id in self._channels:
                    self._watch(organization_id)
            due_before = {each: self._looks.due_before(each, now) for each in self._channels}
            for peer, admission in self._peers.items():
                peer.ask(now)
                if admission.until > now and admission.looked_at >= due_before[admission.organization_id]:
                    continue
                admission.looked_at, admission.until = now, now + CREDENTIAL_SECONDS  # if it cannot be told now
                renewing = asyncio.create_task(self._renew(peer, admission))
                self._renewing.add(renewing)
                renewing.add_done_callback(self._renewing.discard)

    async def _renew(self, peer: Peer, admission: Admission) -> None:
        try:
            refusal = await self._access.renew(admission, asyncio.get_running_loop().time())
        except UnavailableError as away:
            log.info("a credential cannot be looked at", reason=str(away))
            return
        if refusal is not None:
            await peer.close(*refusal.value)


async def _no_names(_organization_id: str, _subjects: frozenset[str]) -> Mapping[str, str]:
    return {}
