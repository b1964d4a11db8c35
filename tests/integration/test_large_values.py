"""The largest values that a webhook is taken with are applied, too: nothing that was acknowledged waits for ever."""

import time
from typing import Any

import orjson

from actors.ports import Ports
from serve.webhooks.vapi import PROVIDER
from storage.inbox import Inbox, NewEvent
from storage.postgres import Pool
from tests.integration.rows import Rows
from tests.integration.test_stale_owner import holding, pool, ports, redis
from workflows.vendors.vapi_message import parse_message
from workflows.vendors.vapi_values import ID_LENGTH

__all__ = ["pool", "ports", "redis"]

LARGEST = 2**53 - 1
LATEST = 253_402_300_799_999
"""The last millisecond that has a date."""
MESSAGES: list[dict[str, Any]] = [
    {"role": "user", "time": 1_787_220_000, "endTime": 1_787_220_001},  # seconds, for once
    {"role": "bot", "time": 1_787_220_001_000, "endTime": LATEST},
    {"role": "tool_calls", "time": 1, "toolCalls": [{"id": "a", "function": {"name": "look_up"}}]},
    {"role": "tool_call_result", "toolCallId": "a", "time": LATEST, "result": "Two openings."},
]


async def test_a_report_of_absurd_figures_ends_its_call(ports: Ports, pool: Pool) -> None:
    organization_id, now = await Rows(pool).add_organization(), time.time_ns() // 1_000_000
    actor = await holding(ports, "organization-shard-0", organization_id, pool)
    measured = {"numUserInterrupted": LARGEST, "turnLatencies": [{"turnLatency": LARGEST}]}
    inbox = Inbox(pool)
    for call_id, artifact in (("talked", {"messages": MESSAGES}), ("\N{GRINNING FACE}" * ID_LENGTH, {})):
        report = {
            "type": "end-of-call-report",
            "timestamp": LATEST,
            "endedReason": "customer-ended-call",
            "startedAt": 1,
            "endedAt": LATEST,
            "durationMs": LARGEST,
            "cost": LARGEST / 1_000_000 - 1,
            "artifact": {**artifact, "performanceMetrics": measured},
            "call": {"id": call_id},
        }
        told = parse_message(orjson.dumps({"message": report}), received_at=now)
        event = NewEvent(
            organization_id=organization_id,
            provider=PROVIDER,
            event_key=told.event_key,
            type=told.type,
            call_id=told.call_id,
            facts=told.facts,
            occurred_at=told.occurred_at,
            received_at=now,
        )
        await actor.process([(await inbox.accept(event)).row])
    await inbox.close()
    rows = await pool.fetch(
        "select status, duration_ms, turn_latencies_ms, tool_latencies_ms, interruptions from calls"
    )
    assert [tuple(row) for row in rows] == [("ended", None, [], [], 0)] * 2
    assert await actor.check() == 0, "and are read as they were written"
