"""Is this process able to serve: each server behind it asked at once, with a bound on the wait."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from actors.ports import UnavailableError

PROBE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessCheck:
    """One part. `probe` answers a detail to show, or raises UnavailableError, OSError or TimeoutError.

    The process is ready when every part it `required` is well; the others are shown.
    """

    name: str
    probe: Callable[[], Awaitable[str]]
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReadiness:
    """How one part is."""

    name: str
    ok: bool
    required: bool
    detail: str


async def check_readiness(checks: Sequence[ReadinessCheck]) -> Sequence[PartReadiness]:
    """Ask every part at once; answers within PROBE_SECONDS, in the order of `checks`."""
    return await asyncio.gather(*(_check(each) for each in checks))


async def _check(check: ReadinessCheck) -> PartReadiness:
    began = time.monotonic()
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            told = await check.probe()
    except (UnavailableError, OSError, TimeoutError) as away:
        # Open to anyone: the kind of fault, never an address.
        return PartReadiness(
            name=check.name, ok=False, required=check.required, detail=f"does not answer ({type(away).__name__})"
        )
    took_ms = (time.monotonic() - began) * 1000
    return PartReadiness(name=check.name, ok=True, required=check.required, detail=f"{told} in {took_ms:.0f} ms")
