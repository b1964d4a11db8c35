"""Post-call processing between real servers: Postgres, Temporal with a clock that skips, HTTP on loopback.

The owner of the organization is played by `ProcessingWorld.tell`: it folds rows into `calls` and signals the workflow.
"""

import asyncio
import base64
import os
import re
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import orjson
from pydantic import SecretStr
from temporalio.api.testservice.v1 import LockTimeSkippingRequest, UnlockTimeSkippingRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from actors.domain.call import Call
from actors.domain.commands import InboxRow, Observe, command_from
from actors.domain.json_types import JSON
from actors.ports import Delivery
from storage.inbox import Inbox, NewEvent
from storage.postgres import Pool, open_pool
from storage.provider_keys import put_provider_key
from storage.sealing import Sealer
from tests.fakes.vapi_server import VapiServer
from workflows.client import TemporalProcessing
from workflows.config import WorkerSettings
from workflows.contracts import processing_workflow_id
from workflows.delivery_worker import Running
from workflows.worker import build_workers, open_activities, run_workers

ORGANIZATION = "0b9d7c9e-7c39-4e0c-9a52-1d1b7a1f0002"
CALL = "call/with:odd id"
PLANTED_NUMBER = "+15550177099"
PLANTED_WORDS = "my aunt Ottilie"
KEY = "private-key-of-the-test"
HISTORIES = Path(__file__).parent.parent / "replay" / "histories"
_ENCRYPTION_KEY = base64.b64encode(bytes(32)).decode()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def report_body(
    base_url: str, *, transcript: str = "AI: Hello.\nUser: Please call me back tomorrow.\n", **more: Any
) -> dict[str, Any]:
    """An end-of-call report with planted personal data and a recording on our server."""
    return {
        "message": {
            "type": "end-of-call-report",
            "timestamp": now_ms(),
            "endedReason": "customer-ended-call",
            "cost": 0.0912,
            "costBreakdown": {"stt": 0.01, "total": 0.0912},
            "analysis": {"summary": f"{PLANTED_WORDS} called.", "structuredData": {"outcome": "moved"}},
            "artifact": {
                "transcript": transcript,
                "messages": [
                    {"role": "system", "message": "Be kind."},
                    {"role": "bot", "message": "Hello.", "time": 1000, "endTime": 1600, "secondsFromStart": 0.5},
                    {"role": "user", "message": f"Please call me back at {PLANTED_NUMBER}.", "time": 2000},
                    {"role": "bot", "message": f"I'll send {PLANTED_WORDS} the form.", "time": 3000},
                ],
                "recordingUrl": f"{base_url}/recordings/mono.wav",
            },
            "call": {"id": CALL, "customer": {"number": PLANTED_NUMBER}},
            **more,
        }
    }


@dataclass
class ProcessingWorld:
    """One organization, one call, and the servers around them."""

    pool: Pool
    inbox: Inbox
    env: WorkflowEnvironment
    vapi: VapiServer
    settings: WorkerSettings
    folder: Path
    searchable: bool = False
    call: Call | None = None
    rows: list[InboxRow] = field(default_factory=list[InboxRow])
    handed_over: "asyncio.Queue[Delivery]" = field(default_factory=asyncio.Queue[Delivery])

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        return self.env.client.get_workflow_handle(processing_workflow_id(ORGANIZATION, CALL))

    async def give_key(self) -> None:
        async with self.pool.acquire() as connection:
            sealer = Sealer(_ENCRYPTION_KEY)
            await put_provider_key(connection, sealer, organization_id=ORGANIZATION, provider="vapi", key=KEY)

    async def signal(self) -> None:
        await TemporalProcessing(self.env.client).signal(ORGANIZATION, CALL)

    async def tell(
        self,
        kind: str,
        *,
        facts: dict[str, JSON],
        body: dict[str, Any] | None = None,
        key: str | None = None,
        ahead_ms: int = 0,
    ) -> None:
        """Accept a row of VAPI's, and be the owner that applies it; received `ahead_ms` from now by our clock."""
        accepted = await self.inbox.accept(
            NewEvent(
                organization_id=ORGANIZATION,
                provider="vapi",
                event_key=key or f"{kind}:{CALL}:{len(self.rows)}",
                type=kind,
                call_id=CALL,
                facts=facts,
                occurred_at=now_ms(),
                received_at=now_ms() + ahead_ms,
                body=None if body is None else orjson.dumps(body),
            )
        )
        await self.apply(accepted.row)

    async def ring(self) -> None:
        await self.tell("status-update", facts={"status": "in-progress"})

    async def end(self, *, ahead_ms: int = 0) -> None:
        await self.tell("status-update", facts={"status": "ended"}, ahead_ms=ahead_ms)

    async def report(self, **more: Any) -> None:
        body = report_body(self.vapi.base_url, **more)
        await self.tell("end-of-call-report", facts={"status": "ended"}, body=body)

    async def apply(self, row: InboxRow) -> None:
        self.rows.append(row)
        command = command_from(row)
        if not isinstance(command, Observe):
            return
        before = self.call or Call(call_id=CALL, created_at=row.received_at)
        self.call = before.merge(command.observation)
        await self._write(self.call)
        if row.type not in {"recording-stored", "recording-missing", "step-delayed", "step-failed"}:
            await self.signal()

    async def _write(self, call: Call) -> None:
        row_id = uuid5(UUID(ORGANIZATION), CALL)
        created_at = datetime.fromtimestamp(call.created_at / 1000, UTC)
        seen_at = datetime.fromtimestamp(call.last_event_at / 1000, UTC)
        async with self.pool.acquire() as connection:
            await connection.execute(
                "insert into call_keys values ($1, $2, $3, $4) on conflict do nothing",
                ORGANIZATION, CALL, row_id, created_at,
            )  # fmt: skip
            await connection.execute(
                "insert into calls (id, created_at, organization_id, provider_call_id, status, last_event_at,"
                " last_event_kind, version) values ($1, $2, $3, $4, $5, $6, $7, 1)"
                " on conflict (id, created_at) do update set status = excluded.status",
                row_id, created_at, ORGANIZATION, CALL, call.status, seen_at, call.last_event_kind,
            )  # fmt: skip

    async def fetch(self, query: str) -> list[asyncpg.Record]:
        async with self.pool.acquire() as connection:
            return await connection.fetch(query)

    async def execute(self, change: str) -> None:
        async with self.pool.acquire() as connection:
            await connection.execute(change)

    async def internal_types(self) -> list[str]:
        rows = await self.fetch("select type from webhook_inbox where provider = 'internal' order by id")
        return [row["type"] for row in rows]

    @asynccontextmanager
    async def working(self, **options: Any) -> AsyncGenerator[None]:
        """Workers run inside, workflows in the sandbox, and the owner takes what they hand over."""
        async with open_activities(
            self.settings, notify=self.handed_over.put_nowait, searchable=self.searchable
        ) as activities:
            workers = build_workers(self.env.client, activities, workflow_runner=SandboxedWorkflowRunner(), **options)
            tasks = [asyncio.create_task(run_workers(workers)), asyncio.create_task(self._take())]
            try:
                # One cancelled before it runs never signs off, and the client refuses its successor.
                await until(lambda: _all_run(workers))
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self) -> None:
        while True:
            delivery = await self.handed_over.get()
            assert isinstance(delivery.item, InboxRow)
            await self.apply(delivery.item)

    async def skip(self, **duration: float) -> None:
        await self.env.sleep(timedelta(**duration))

    async def finish(self) -> str:
        """The result of the run under way; the clock skips to it."""
        # A handle made by id does not unlock the clock by itself.
        service = self.env.client.test_service
        await service.unlock_time_skipping(UnlockTimeSkippingRequest())
        try:
            async with asyncio.timeout(120):
                while (result := await self._result()) is None:
                    pass
            return result
        finally:
            await service.lock_time_skipping(LockTimeSkippingRequest())

    async def _result(self) -> str | None:
        try:
            return await self.handle.result()
        except RuntimeError as silent:
            # The time-skipping server ends the wait for a run after 20 s, however it stands; the client is surprised.
            if "No completion event" not in str(silent):
                raise
            return None

    async def keep_history(self, name: str, handle: WorkflowHandle[Any, Any] | None = None) -> bytes:
        """Everything Temporal keeps of the last run, of the call's workflow or another's (see `kept_history`)."""
        return await kept_history(handle or self.handle, name)


async def kept_history(handle: WorkflowHandle[Any, Any], name: str, *, folder: str = ".") -> bytes:
    """Everything Temporal keeps of a run. RECORD_HISTORIES=1 keeps it in `folder` for the replay tests, too."""
    history = await handle.fetch_history()
    if os.environ.get("RECORD_HISTORIES"):
        kept = HISTORIES / folder / f"{name}.json"
        await asyncio.to_thread(_keep, kept, _impersonal(history.to_json()))
    return b"".join(event.SerializeToString() for event in history.events)


def _keep(path: Path, history: str) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(history)


def _impersonal(history: str) -> str:
    """Without the name of the machine and its paths; neither matters to a replay."""
    without_host = history.replace(f"{os.getpid()}@{socket.gethostname()}", "worker")
    return re.sub(r'("stackTrace": )"(?:[^"\\]|\\.)*"', r'\1""', without_host) + "\n"


async def _all_run(workers: Sequence[Running]) -> bool:
    return all(worker.is_running for worker in workers)


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - what changes is in Postgres, which does not call
            await asyncio.sleep(0.05)


@asynccontextmanager
async def processing_world(
    database_url: str, vapi: VapiServer, folder: Path, test_server: Path | Client, **more: Any
) -> AsyncGenerator[ProcessingWorld]:
    """Beside a Temporal of its own, whose clock skips, or a client of another. `more` settings are the workers'."""
    pool = await open_pool(database_url, size=4, name="test")
    async with pool.acquire() as connection:
        await connection.execute("insert into organizations (id, name, slug) values ($1, 'Test', 'test')", ORGANIZATION)
    inbox = Inbox(pool)
    settings = WorkerSettings(
        database_url=database_url,
        temporal_address="unused",
        encryption_key=SecretStr(_ENCRYPTION_KEY),
        recordings_url=folder.as_uri(),
        vapi_base_url=vapi.base_url,
        **more,
    )
    starting = (
        WorkflowEnvironment.start_time_skipping(test_server_existing_path=str(test_server))
        if isinstance(test_server, Path)
        else _environment_of(test_server)
    )
    async with await starting as env:
        yield ProcessingWorld(pool=pool, inbox=inbox, env=env, vapi=vapi, settings=settings, folder=folder)
    await inbox.close()
    await pool.close()


async def _environment_of(client: Client) -> WorkflowEnvironment:
    return WorkflowEnvironment.from_client(client)
