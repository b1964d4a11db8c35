"""The webhook door's figures as Ray metrics: `call_supervisor_webhooks_<figure>`, one series a replica."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from ray.util.metrics import Counter

EVERY_SECONDS: Final = 5.0


async def export_figures(figures: Callable[[], Mapping[str, int]], *, replica: str) -> None:
    """Add what was counted since the last time, until cancelled."""
    counters = {
        name: Counter(f"call_supervisor_webhooks_{name}", f"Webhooks: {name.replace('_', ' ')}", ("replica",))
        for name in figures()
    }
    told: Mapping[str, int] = dict.fromkeys(counters, 0)
    while True:
        now = figures()
        for name, counter in counters.items():
            if now[name] > told[name]:
                counter.inc(now[name] - told[name], {"replica": replica})
        told = now
        await asyncio.sleep(EVERY_SECONDS)
