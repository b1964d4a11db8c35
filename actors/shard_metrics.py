"""A shard's status as Ray metrics, for the dashboard and Prometheus: `call_supervisor_<name>`, one series a shard."""

import asyncio
from collections.abc import Mapping
from typing import Final, cast

from ray.util.metrics import Counter, Gauge

from actors.shard import Shard

EVERY_SECONDS: Final = 5.0

_GAUGES: Final[Mapping[str, str]] = {
    "slots": "Slots held",
    "organizations": "Organizations in memory",
    "live_calls": "Calls going on",
    "stale_calls": "Live calls without a sign for a quarter of an hour, or unknown to their provider",
    "lag_ms": "Age of the last applied event when it was applied",
    "highest_epoch": "The greatest epoch among the slots held",
    "waiting_in_mailboxes": "Items that wait in mailboxes",
    "waiting_for_look_ups": "Items that wait until their call was looked up",
    "deepest_mailbox": "Items that wait in the fullest mailbox",
    "effects_under_way": "Effects queued or under way",
    "rows_failing": "Rows set aside because of a fault of the code",
}
_COUNTERS: Final[Mapping[str, str]] = {
    "rows_applied": "Events applied",
    "stale_refusals": "Writes refused because a newer owner had claimed the slot",
    "overloaded": "Items not taken because a mailbox was full",
    "repairs": "Times memory and Postgres differed and were made one again",
    "activations": "Organizations brought into memory",
}


async def export_status(shard: Shard) -> None:
    """Tell Ray every 5 s, until cancelled."""
    gauges = {name: Gauge(f"call_supervisor_{name}", text, ("shard",)) for name, text in _GAUGES.items()}
    counters = {name: Counter(f"call_supervisor_{name}", text, ("shard",)) for name, text in _COUNTERS.items()}
    tags, told = {"shard": shard.name}, dict.fromkeys(counters, 0)
    while True:
        status = cast("Mapping[str, int]", shard.status())
        for name, gauge in gauges.items():
            gauge.set(status[name], tags)
        for name, counter in counters.items():
            if status[name] > told[name]:
                counter.inc(status[name] - told[name], tags)
                told[name] = status[name]
        await asyncio.sleep(EVERY_SECONDS)
