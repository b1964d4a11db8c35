"""Temporal for a shard, loaded when it is first needed: importing its client takes as long as everything else."""

import asyncio

from actors.ports import Processing
from actors.process import settle_heap
from workflows.config import WorkerSettings


class LateProcessing:
    """`actors.ports.Processing` over Temporal. A killed shard answers sooner for it; its first signal waits instead."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._opened: asyncio.Task[Processing] | None = None

    async def signal(self, organization_id: str, call_id: str) -> None:
        """See `TemporalProcessing.signal`; the first also takes the import, beside everything else."""
        if self._opened is None:
            self._opened = asyncio.create_task(_open(self._settings))
        processing = await asyncio.shield(self._opened)
        await processing.signal(organization_id, call_id)


async def _open(settings: WorkerSettings) -> Processing:
    # The module's own imports are what takes time: a thread has them made while the loop goes on.
    await asyncio.to_thread(_load)
    settle_heap()
    from workflows.client import TemporalProcessing, connect_from  # noqa: PLC0415

    return TemporalProcessing(await connect_from(settings))


def _load() -> None:
    pass  # pyright: ignore[reportUnusedImport]
