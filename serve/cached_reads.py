"""What a page shows before the live feed takes over, each part from where it is nearest."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

from pydantic import TypeAdapter

from actors.domain.billing_period import Period
from actors.domain.json_types import JSON
from actors.domain.projection import history_range
from actors.ports import UnavailableError
from serve.call_pages import DEFAULT_RANGE
from serve.call_schemas import CallSummary
from serve.errors import NotFoundError
from serve.figure_schemas import Figures
from serve.list_cursor import LONGEST_PAGE
from serve.local_day import local_day
from serve.organization_schemas import Assistant, OrganizationView
from serve.resource_schemas import AssistantView, PhoneNumberView, TemplateView
from serve.services import Services
from serve.usage_schemas import Account, Used, days_of
from serve.usage_share_schemas import UsageShares, UsedByWhom
from storage import cache_keys
from storage.cache import Load
from storage.cache_keys import CacheKey
from storage.call_filter import CallFilter, Position
from storage.principals import Principal
from storage.times import milliseconds
from storage.usage_ledger import UsageReader

RECENT_CALLS: Final = 20
OWNER_SECONDS: Final = 0.5
"""How long the owner may take over its figures before Postgres is asked for them."""

Place: TypeAlias = Literal["owner", "redis", "postgres"]

_ASSISTANTS: Final = TypeAdapter(list[Assistant])
_CALLS: Final = TypeAdapter(list[CallSummary])
_PHONE_NUMBERS: Final = TypeAdapter(list[PhoneNumberView])


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a part of an answer came from, and how long that took."""

    place: Place
    seconds: float


class CachedReads:
    """Parts of one organization for one caller. Each names its `provenance` once it was read.

    What Redis holds was read as some caller of the organization: nothing here depends on which.
    """

    def __init__(self, services: Services, caller: Principal) -> None:
        self._services = services
        self._caller = caller
        self._organization_id = caller.organization_id
        self.provenance: dict[str, Provenance] = {}

    async def organization(self) -> OrganizationView:
        """Settings without secrets, at most 5 minutes old. Raises NotFoundError, StorageUnavailableError."""

        async def load() -> JSON:
            async with self._services.reading(self._caller) as reads:
                row = await reads.organization()
            return OrganizationView.of(row).model_dump(mode="json") if row is not None else None

        found = await self._get("organization", cache_keys.organization_settings(self._organization_id), load)
        if found is None:
            raise NotFoundError("There is nothing here.")
        return OrganizationView.model_validate(found)

    async def figures(self, organization: OrganizationView) -> Figures:
        """Now and today: from the owner as it is, else out of Postgres and at most 30 s old."""
        begun = time.perf_counter()
        live = await self._owners_figures()
        if live is not None:
            self.provenance["figures"] = Provenance("owner", time.perf_counter() - begun)
            return Figures.model_validate(live)
        zone = organization.time_zone
        day = local_day(self._services.now(), zone).date

        async def load() -> JSON:
            async with self._services.reading(self._caller) as reads:
                told = await reads.day_so_far(day, zone)
            return Figures.of(told).model_dump(mode="json")

        return Figures.model_validate(await self._get("figures", cache_keys.stats(self._organization_id, day), load))

    async def recent_calls(self) -> Sequence[CallSummary]:
        """The newest 20 calls of the last 7 days, at most 10 s old."""

        async def load() -> JSON:
            now = self._services.now()
            async with self._services.reading(self._caller) as reads:
                rows = await reads.calls_before(
                    Position(created_at=now, row_id=UUID(int=0)),
                    since=now - DEFAULT_RANGE,
                    only=CallFilter(),
                    limit=RECENT_CALLS,
                )
            return [CallSummary.of(row).model_dump(mode="json") for row in rows]

        return _CALLS.validate_python(
            await self._get("recent_calls", cache_keys.recent_calls(self._organization_id), load)
        )

    async def assistants(self) -> Sequence[Assistant]:
        """At most 200 assistants by name, at most 5 minutes old."""

        async def load() -> JSON:
            async with self._services.reading(self._caller) as reads:
                rows = await reads.assistants()
            return [Assistant.of(row).model_dump(mode="json") for row in rows]

        return _ASSISTANTS.validate_python(
            await self._get("assistants", cache_keys.assistants(self._organization_id), load)
        )

    async def assistant(self, assistant_id: UUID) -> AssistantView:
        """One assistant, at most 5 minutes old. Raises NotFoundError, StorageUnavailableError."""

        async def load() -> JSON:
            async with self._services.viewing(self._caller) as rows:
                row = await rows.one("assistant", assistant_id)
            return AssistantView.of(row).model_dump(mode="json") if row is not None else None

        key = cache_keys.assistant(self._organization_id, str(assistant_id))
        return AssistantView.model_validate(_there(await self._get("assistant", key, load), "assistant"))

    async def phone_numbers(self) -> Sequence[PhoneNumberView]:
        """The newest 201 numbers, which tell of a full page whether more follow; at most 5 minutes old."""

        async def load() -> JSON:
            async with self._services.viewing(self._caller) as rows:
                numbers = await rows.all("phone_numbers_page", None, None, LONGEST_PAGE + 1)
            # To the microsecond, which the next page's cursor needs and no view shows.
            return [{name: _plain(value) for name, value in row.items()} for row in numbers]

        key = cache_keys.phone_numbers(self._organization_id)
        return _PHONE_NUMBERS.validate_python(await self._get("phone_numbers", key, load))

    async def template(self, name: str) -> TemplateView:
        """One template by its slug or id, at most an hour old. Raises NotFoundError, StorageUnavailableError."""

        async def load() -> JSON:
            async with self._services.viewing(self._caller) as rows:
                row = await rows.one("template", name)
            return TemplateView.model_validate(row).model_dump(mode="json") if row is not None else None

        return TemplateView.model_validate(
            _there(await self._get("template", cache_keys.template(name), load), "template")
        )

    async def account(self) -> Account:
        """By what usage is billed, at most 5 minutes old. Raises NotFoundError, StorageUnavailableError."""

        async def load() -> JSON:
            async with self._services.reading(self._caller) as reads:
                row = await UsageReader(reads.connection, self._organization_id).account()
            return Account.of(row).model_dump(mode="json") if row is not None else None

        found = await self._get("account", cache_keys.organization(self._organization_id), load)
        if found is None:
            raise NotFoundError("There is nothing here.")
        return Account.model_validate(found)

    async def used(self, account: Account, period: Period) -> Used:
        """What the ledger holds of a period, at most a minute old."""

        async def load() -> JSON:
            return await self._read_period(account, period, with_shares=False)

        return UsedByWhom.model_validate(await self._get("used", self._period_key(account, period), load))

    async def shares(self, account: Account, period: Period) -> UsageShares:
        """Whose the usage of a period is, at most a minute old.

        Of the moment of what `used` tells from now on: both are one copy, and whoever asks for the shares of a total
        that was read without them has both read anew.
        """

        async def load() -> JSON:
            return await self._read_period(account, period, with_shares=True)

        key = self._period_key(account, period)
        for _ in range(2):
            told = UsedByWhom.model_validate(await self._get("shares", key, load)).shares
            if told is not None:
                return told
            await self._services.cache.invalidate(key)
        # Others, who ask for the total alone, were there first both times.
        told = UsedByWhom.model_validate(await load()).shares
        if told is None:
            raise AssertionError("a period was read with its shares")
        return told

    def _period_key(self, account: Account, period: Period) -> CacheKey:
        first, _ = days_of(period, account.time_zone, self._services.now())
        return cache_keys.usage(self._organization_id, first)

    async def _read_period(self, account: Account, period: Period, *, with_shares: bool) -> JSON:
        """A period as it is at one moment. Whose it is goes through all its calls, so it is read only if asked for."""
        now = self._services.now()
        first, last = days_of(period, account.time_zone, now)
        async with self._services.reading(self._caller) as reads:
            ledger = UsageReader(reads.connection, self._organization_id)
            told = await ledger.of_period(
                period,
                first=first,
                last=last,
                time_zone=account.time_zone,
                history=history_range(milliseconds(now), account.time_zone),
            )
            parts = await ledger.shares(period) if with_shares else None
        used = Used.of(told, first=first, last=last, as_of=now)
        shares = UsageShares.of(account, period, told.total, parts, as_of=now) if parts is not None else None
        return UsedByWhom(**dict(used), shares=shares).model_dump(mode="json")

    async def _get(self, part: str, key: CacheKey, load: Load) -> JSON:
        begun = time.perf_counter()
        found = await self._services.cache.get(key, load)
        self.provenance[part] = Provenance(found.source, time.perf_counter() - begun)
        return found.value

    async def _owners_figures(self) -> JSON:
        if self._services.owners is None:
            return None
        try:
            async with asyncio.timeout(OWNER_SECONDS):
                board = await self._services.owners.snapshot(self._organization_id)
        except (UnavailableError, TimeoutError):
            return None
        return board.state["counters"] if board is not None else None


def _there(value: JSON, what: str) -> JSON:
    if value is None:
        raise NotFoundError(f"There is no such {what}.")
    return value


def _plain(value: object) -> JSON:
    return value.isoformat() if isinstance(value, datetime) else None if value is None else str(value)


def server_timing(provenance: Mapping[str, Provenance]) -> str:
    """The `Server-Timing` header: for each part the place it came from and the milliseconds it took."""
    return ", ".join(
        f'{part};desc="{told.place}";dur={told.seconds * 1000:.2f}' for part, told in sorted(provenance.items())
    )
