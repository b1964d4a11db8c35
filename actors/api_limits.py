"""Requests per second of each organization: its owner grants, each replica spends a share for a second. No Ray.

Over any time the requests let through are at most rate · time + burst + replicas · SHARE_PART of the rate: the owner
never grants more than the first two, and what it granted is spent within a second or lost.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import structlog

from actors.domain.policy import API_REQUESTS_PER_SECOND
from actors.domain.rate_limit import Bucket, Rate
from actors.ports import HourCount, UnavailableError

log = structlog.get_logger(__name__)

SHARE_SECONDS: Final = 1.0
SHARE_PART: Final = 10
"""A share is at most the rate divided by this, or one request."""
OWNER_SECONDS: Final = 0.5
AWAY_SECONDS: Final = 1.0
"""So long a replica goes on alone before it asks an owner again that did not answer."""
_KEPT: Final = 10_000
_HOUR_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What an owner answers: requests `granted` of those asked for, and how its limit stands after them."""

    granted: int
    limit: int
    remaining: int
    full_after: float
    retry_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a request may go on, and what its caller is told: see the RateLimit fields. Times are in seconds."""

    allowed: bool
    limit: int
    remaining: int
    full_after: float
    retry_after: float


AskOwner: TypeAlias = Callable[[str, int], Awaitable[Grant]]
"""Asks an organization's owner for so many requests. Raises UnavailableError."""


class Granting:
    """The owner's side: one bucket per organization, in memory. A new owner begins with a full one and counts anew."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._hours: dict[str, HourCount] = {}
        self._changed: set[str] = set()

    def grant(self, organization_id: str, *, wanted: int, per_second: int, now: float) -> Grant:
        """Grant at most a share of `wanted` requests at `now` (s)."""
        rate = rate_of(per_second)
        share = max(1, per_second // SHARE_PART)
        bucket = self._buckets.get(organization_id, Bucket())
        granted, bucket = bucket.take(rate, now, wanted=max(0, min(wanted, share)))
        self._buckets[organization_id] = bucket
        self._buckets.move_to_end(organization_id)
        if granted:
            self._count(organization_id, granted, now)
        if len(self._buckets) > _KEPT:
            forgotten, _ = self._buckets.popitem(last=False)
            self._hours.pop(forgotten, None)
            self._changed.discard(forgotten)
        return Grant(
            granted=granted,
            limit=per_second,
            remaining=bucket.available(rate, now),
            full_after=bucket.full_after(rate, now),
            retry_after=bucket.retry_after(rate, now),
        )

    def take_changed(self) -> Mapping[str, HourCount]:
        """The counts that were raised since this was last asked. Each is whole: one that is lost, the next mends."""
        changed = {organization_id: self._hours[organization_id] for organization_id in self._changed}
        self._changed.clear()
        return changed

    def _count(self, organization_id: str, granted: int, now: float) -> None:
        ends_at = (int(now) // _HOUR_SECONDS + 1) * _HOUR_SECONDS
        held = self._hours.get(organization_id)
        before = held.granted if held is not None and held.ends_at == ends_at else 0
        self._hours[organization_id] = HourCount(granted=before + granted, ends_at=ends_at)
        self._changed.add(organization_id)


@dataclass(slots=True)
class _Share:
    """What a replica has of one organization. `alone` judges while the owner is away."""

    left: int = 0
    until: float = 0.0
    wanted: int = 1
    grant: Grant | None = None
    away_until: float = 0.0
    alone: Bucket = field(default_factory=Bucket)
    asking: "asyncio.Task[None] | None" = None


class ApiShares:
    """A replica's side. Never unlimited: while the owner is away each replica goes by its part of the last limit known.

    Belongs to one event loop.
    """

    def __init__(self, ask_owner: AskOwner, *, replicas: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ask_owner = ask_owner
        self._replicas = replicas
        self._monotonic = monotonic
        self._shares: OrderedDict[str, _Share] = OrderedDict()

    async def take(self, organization_id: str) -> Verdict:
        """Judge one request of the organization."""
        share = self._shares.setdefault(organization_id, _Share())
        self._shares.move_to_end(organization_id)
        if len(self._shares) > _KEPT:
            self._shares.popitem(last=False)
        while True:
            now = self._monotonic()
            if now < share.away_until:
                return self._alone(share, now)
            if share.left and now < share.until:
                share.left -= 1
                return _verdict(share, allowed=True)
            if share.grant is not None and not share.grant.granted and now < share.until:
                return _verdict(share, allowed=False)
            if share.asking is None:
                share.asking = asyncio.create_task(self._renew(organization_id, share))
            await asyncio.shield(share.asking)

    async def _renew(self, organization_id: str, share: _Share) -> None:
        spent = share.grant is not None and share.left == 0 and self._monotonic() < share.until
        share.wanted = share.wanted * 2 if spent else 1
        try:
            grant = await self._ask_owner(organization_id, share.wanted)
        except UnavailableError as away:
            log.warning("limits without the owner", organization_id=organization_id, reason=str(away))
            share.left, share.away_until = 0, self._monotonic() + AWAY_SECONDS
        else:
            now = self._monotonic()
            share.grant, share.left, share.wanted = grant, grant.granted, max(1, min(share.wanted, grant.limit))
            share.until = now + (SHARE_SECONDS if grant.granted else min(SHARE_SECONDS, grant.retry_after))
        finally:
            share.asking = None

    def _alone(self, share: _Share, now: float) -> Verdict:
        limit = share.grant.limit if share.grant is not None else API_REQUESTS_PER_SECOND
        part = limit / self._replicas
        rate = Rate(per_second=part, burst=max(1, math.floor(part)))
        granted, share.alone = share.alone.take(rate, now)
        return Verdict(
            allowed=bool(granted),
            limit=limit,
            remaining=share.alone.available(rate, now),
            full_after=share.alone.full_after(rate, now),
            retry_after=share.alone.retry_after(rate, now),
        )


def rate_of(per_second: int) -> Rate:
    """The rate of an organization's API: a second's worth may come at once."""
    return Rate(per_second=per_second, burst=per_second)


def _verdict(share: _Share, *, allowed: bool) -> Verdict:
    grant = share.grant
    if grant is None:
        raise AssertionError("a share comes with a grant")
    return Verdict(
        allowed=allowed,
        limit=grant.limit,
        remaining=grant.remaining + share.left,
        full_after=grant.full_after,
        retry_after=grant.retry_after,
    )
