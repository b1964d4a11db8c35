"""A live feed that a test tells frame by frame, in place of the hub: for states that no hub comes to at will."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from playwright.async_api import Page, WebSocketRoute

LIVE: Final = re.compile(r"/live/")
MISSED_AT_ONCE: Final = 5
FRAMES: Final = Path(__file__).parents[1] / "fixtures" / "board_frames.json"
SNAPSHOT: Final[dict[str, Any]] = next(
    step["frame"] for step in json.loads(FRAMES.read_bytes())["steps"] if step["does"] == "snapshot"
)


def iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def a_board_call(call_id: str, at: datetime, **told: Any) -> dict[str, Any]:
    """A call as a snapshot has it, talked since `at`."""
    plain = SNAPSHOT["state"]["calls"][0]
    began = dict.fromkeys(("created_at", "ringing_at", "answered_at", "evidence_at"), iso(at))
    return {**plain, **began, "call_id": call_id, "status": "in-progress", "utterances": [], **told}


def an_incident(call_id: str, at: datetime, **told: Any) -> dict[str, Any]:
    """A critical one of the call, open since `at`."""
    (plain,) = SNAPSHOT["state"]["incidents"]
    evidence = {**plain["evidence"], "call_id": call_id, "since": iso(at)}
    named = {"incident_id": str(uuid5(NAMESPACE_URL, call_id)), "call_id": call_id, "evidence": evidence}
    return {**plain, **named, "opened_at": iso(at), **told}


class FakeFeed:
    """What it sends follows on from what it sent, as a hub's frames do."""

    def __init__(self, calls: Iterable[dict[str, Any]] = (), **counters: Any) -> None:
        self.calls = list(calls)
        self.n = 0
        live = {"live": len(self.calls)}
        self.counters: dict[str, Any] = {**SNAPSHOT["state"]["counters"], **live, **counters}
        self.incidents: list[dict[str, Any]] = []
        self._socket: WebSocketRoute | None = None
        self.missed: list[dict[str, Any]] = []
        """Events that are told to whoever comes back, as a hub tells many: in several frames, and a heartbeat after."""
        self.remembers = True
        """Whether what was missed is still known; whoever comes back is sent everything else."""

    async def install(self, page: Page) -> None:
        """From the page's next connection on."""
        await page.route_web_socket(LIVE, self._open)

    def _open(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        resumes = "after=" in socket.url
        if resumes and self.remembers:
            for start in range(0, len(self.missed), MISSED_AT_ONCE):
                self.tell(*self.missed[start : start + MISSED_AT_ONCE])
            self.missed = []
            self.beat()
            return
        state = {**SNAPSHOT["state"], "calls": self.calls, "counters": self.counters, "incidents": self.incidents}
        reason = "gap" if resumes else "first"
        self.send({"type": "snapshot", "position": f"1-{self.n}", "reason": reason, "state": state})
        self.beat()

    def send(self, frame: dict[str, Any]) -> None:
        if self._socket is not None:
            self._socket.send(json.dumps(frame))

    def tell(self, *events: dict[str, Any]) -> None:
        before, self.n = self.n, self.n + len(events)
        self.send({"type": "events", "position": f"1-{self.n}", "after": f"1-{before}", "events": list(events)})

    def beat(self, *, current: bool = True) -> None:
        now = iso(datetime.now(UTC))
        self.send({"type": "heartbeat", "position": f"1-{self.n}", "time": now, "current": current})

    def present(self, *names: str, acting: Iterable[dict[str, Any]] = (), **looking: list[str]) -> None:
        """`looking` are the calls that some of the people have open."""
        now = iso(datetime.now(UTC))
        watching = [
            {"subject": f"user:{name}", "name": name, "since": now, "sockets": 1, "calls": looking.get(name, [])}
            for name in names
        ]
        self.send({"type": "presence", "watching": watching, "more": 0, "acting": list(acting)})

    async def cut(self, code: int = 1012) -> None:
        """End the connection, by default as a hub does that goes away."""
        if self._socket is not None:
            await self._socket.close(code=code)
            self._socket = None
