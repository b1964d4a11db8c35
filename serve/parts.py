"""Parts of readiness that Postgres and Redis do not show: the shards and Temporal."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError

from actors.ports import UnavailableError
from actors.runtime import shard_names, shard_statuses
from serve.config import Settings
from serve.readiness import ReadinessCheck
from workflows.client import connect_from

_TEMPORAL_TIMEOUT = timedelta(seconds=1.5)


def readiness_checks(settings: Settings) -> Sequence[ReadinessCheck]:
    """Shown, not required: without either, webhooks are still acknowledged and calls still read."""

    async def shards() -> str:
        names = await asyncio.to_thread(shard_names)
        answering = await asyncio.to_thread(shard_statuses)
        if not names or len(answering) < len(names):
            raise UnavailableError(f"{len(answering)} of {len(names)} answer")
        return f"{len(answering)} answer"

    connecting: list[asyncio.Task[Client]] = []

    async def temporal() -> str:
        if not connecting:
            connecting.append(asyncio.create_task(connect_from(settings.worker)))
        client = await connecting[0]
        try:
            await client.service_client.check_health(timeout=_TEMPORAL_TIMEOUT)
        except (RPCError, RuntimeError) as away:
            raise UnavailableError("Temporal does not answer") from away
        return "answers"

    return (
        ReadinessCheck(name="shards", probe=shards, required=False),
        ReadinessCheck(name="temporal", probe=temporal, required=False),
    )
