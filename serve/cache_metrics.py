"""The cache's figures as Ray metrics: `call_supervisor_cache_<figure>`, a series for each family and replica."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from ray.util.metrics import Counter, Gauge

EVERY_SECONDS: Final = 5.0

CacheFigures = Mapping[str, Mapping[str, int | float | None]]
"""By family, then by name, as `storage.cache.Cache.figures`."""

_COUNTED: Final = ("hits", "misses", "bypassed", "shared", "outrun", "invalidations")
_TAGS: Final = ("family", "replica")


async def export_cache_figures(figures: Callable[[], CacheFigures], *, replica: str) -> None:
    """Add what was counted since the last time, and show the hit rate since the start, until cancelled."""
    counters = {name: Counter(f"call_supervisor_cache_{name}", f"Cache: {name}", _TAGS) for name in _COUNTED}
    rate_gauge = Gauge("call_supervisor_cache_hit_rate", "Cache: hits / (hits + misses) since the start", _TAGS)
    told: CacheFigures = {}
    while True:
        now = figures()
        for family, counted in now.items():
            tags, before = {"family": family, "replica": replica}, told.get(family, {})
            for name, counter in counters.items():
                added = (counted[name] or 0) - (before.get(name) or 0)
                if added > 0:
                    counter.inc(added, tags)
            if (rate := counted["hit_rate"]) is not None:
                rate_gauge.set(rate, tags)
        told = now
        await asyncio.sleep(EVERY_SECONDS)
