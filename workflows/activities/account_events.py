"""Meter events that Stripe took and could not count: what it tells of them comes without contents, and is asked for."""

import time
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from actors.domain.json_types import JSON
from storage.account_events import AccountEvent, AccountEvents
from storage.times import milliseconds
from storage.vendor_words import Word
from workflows.errors import AbsentError, ProviderError
from workflows.vendors.stripe_api import StripeApi
from workflows.vendors.stripe_events import meter_errors

_log = structlog.get_logger(__name__)

PROVIDER: Final = "stripe"
_PAGE: Final = 20
_SECONDS: Final = 20.0
_RETRY_MS: Final = 60_000
_LONGEST_RETRY_MS: Final = 6 * 3_600_000


class MeterErrorReports:
    """Reads what is due, and lets the organizations know. `stripe` None: nothing can be asked, and it waits."""

    def __init__(self, events: AccountEvents, stripe: StripeApi | None, *, now: Callable[[], int]) -> None:
        self._events = events
        self._stripe = stripe
        self._now = now

    async def read(self) -> None:
        """Ask for the contents of each event that is due, a page of them, for 20 s at most. Safe to repeat.

        An organization gets its own part as a word of Stripe's. Stripe keeps events for 30 days: one that it has no
        more is told as such, and is over.
        """
        if self._stripe is None:
            return
        until = time.monotonic() + _SECONDS
        for event in await self._events.due(at=self._now(), limit=_PAGE):
            if time.monotonic() > until:
                return
            try:
                told = await self._stripe.event(event.key)
            except AbsentError:
                await self._settle(event, {}, error="Stripe has no such event any more")
            except ProviderError as failed:
                pause = min(_RETRY_MS * 2 ** min(event.attempts, 9), _LONGEST_RETRY_MS)
                reason = f"{type(failed).__name__}: {failed}"
                _log.warning("an event of the account waits", event_id=event.key, reason=reason)
                await self._events.delay(event, retry_at=self._now() + pause, error=reason)
            else:
                await self._hand_over(event, told)

    async def _hand_over(self, event: AccountEvent, told: Mapping[str, JSON]) -> None:
        errors = meter_errors(told)
        owners = await self._events.owners([*errors])
        words = {
            organization_id: self._word(event, {each: errors[each] for each in identifiers})
            for organization_id, identifiers in owners.items()
        }
        await self._settle(event, words, error=None if words else "it names no meter event of ours")

    def _word(self, event: AccountEvent, errors: Mapping[str, str]) -> Word:
        occurred_at = event.occurred_at
        return Word(
            provider=PROVIDER,
            key=event.key,
            type=event.type,
            facts={
                "identifiers": [*errors],
                "errors": dict(errors),
                "code": ", ".join(sorted(set(errors.values()))),
            },
            occurred_at=None if occurred_at is None else milliseconds(occurred_at),
            received_at=milliseconds(event.received_at),
        )

    async def _settle(self, event: AccountEvent, words: Mapping[str, Word], *, error: str | None) -> None:
        log = _log.error if words else _log.warning
        log("Stripe could not count meter events", event_id=event.key, organizations=len(words), reason=error)
        await self._events.settle(event, words, at=self._now(), error=error)
