"""Holds the provider's calls against the inbox, and brings in what differs the way a webhook would have."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from temporalio import activity

from actors.domain.json_types import JSON
from storage.reconciliation import ReconciliationStore, Told
from workflows.activities.internal_rows import InternalRows
from workflows.activities.provider_records import record_row
from workflows.call_differences import difference
from workflows.errors import AbsentError, ProviderError, RefusedError
from workflows.reconciliation_contracts import (
    LIST_ACCOUNTS,
    MAX_ACCOUNTS,
    RECONCILE_ACCOUNT,
    Account,
    Accounts,
    Reconciled,
)
from workflows.vendors.vapi import VapiClient
from workflows.vendors.vapi_values import text

KeysOfAll = Callable[[], Awaitable[Mapping[str, str]]]
"""The provider's key of every organization that gave one."""

GRACE_MS: Final = 60_000
"""What changed a moment ago may still be on its way to us."""

FIRST_LOOK_BACK_MS: Final = 3_600_000
WINDOW_MS: Final = 6 * 3_600_000
_OVERLAP_MS: Final = 120_000
_SEEN_MS: Final = 30 * 86_400_000
_QUIET_MS: Final = 300_000
# No call goes on for longer at VAPI; what is older waits for its own workflow.
_LONGEST_CALL_MS: Final = 13 * 3_600_000
_ASKED_AT_ONCE: Final = 100

_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class _Round:
    """An account under way. `met` are the calls whose records were looked at."""

    account: Account
    key: str = field(repr=False)
    met: set[str] = field(default_factory=set[str])
    repaired: dict[str, int] = field(default_factory=dict[str, int])
    strangers: int = 0


class Reconciliation:
    """Activities of the reconciliation's own queue. Safe to repeat: what was brought in once is known the next time.

    `now` is ms of our clock.
    """

    def __init__(
        self,
        store: ReconciliationStore,
        rows: InternalRows,
        vapi: VapiClient,
        *,
        keys_of_all: KeysOfAll,
        now: Callable[[], int],
    ) -> None:
        self._store = store
        self._rows = rows
        self._vapi = vapi
        self._keys_of_all = keys_of_all
        self._now = now

    @activity.defn(name=LIST_ACCOUNTS)
    async def list_accounts(self) -> Accounts:
        """Accounts by whose key they are, those first that waited longest. One key is one account."""
        by_key: dict[str, list[str]] = {}
        for organization_id, key in (await self._keys_of_all()).items():
            by_key.setdefault(key, []).append(organization_id)
        reached = await self._store.reconciled_to([each for held in by_key.values() for each in held])
        accounts = sorted(by_key.values(), key=lambda held: min(reached.get(each, 0) for each in held))
        return Accounts(accounts=[Account(organization_ids=held) for held in accounts[:MAX_ACCOUNTS]])

    @activity.defn(name=RECONCILE_ACCOUNT)
    async def reconcile_account(self, account: Account) -> Reconciled:
        """Bring in what the provider knows and we do not, of all that changed since the last time.

        A failure is noted where the organizations see it. Raises ProviderUnavailableError.
        """
        started_at = self._now()
        keys = await self._keys_of_all()
        key = keys.get(account.organization_ids[0])
        # Keys may have changed since the accounts were listed.
        organization_ids = [each for each in account.organization_ids if key is not None and keys.get(each) == key]
        if key is None:
            return Reconciled()
        round_ = _Round(account=Account(organization_ids=organization_ids), key=key)
        reached = await self._store.reconciled_to(organization_ids)
        first = started_at - FIRST_LOOK_BACK_MS
        since = min(reached.get(each, first) for each in organization_ids)
        try:
            until = await self._look_through(round_, since, started_at - GRACE_MS)
            await self._ask_open(round_, started_at)
        except ProviderError as failed:
            await self._note_failed(round_, since=since, failed=failed)
            if not isinstance(failed, (RefusedError, AbsentError)):
                raise
            return Reconciled(looked_at=len(round_.met), repaired=sum(round_.repaired.values()), failed=1)
        for organization_id in organization_ids:
            repairs = round_.repaired.get(organization_id, 0)
            await self._store.note_reconciled(organization_id, until=until, repairs=repairs, at=self._now())
        return Reconciled(looked_at=len(round_.met), repaired=sum(round_.repaired.values()), strangers=round_.strangers)

    async def _look_through(self, round_: _Round, since: int, until: int) -> int:
        """Every call that changed since; windows keep one listing small after a long time away. Up to when."""
        reached = since
        while reached < until:
            upper = min(until, reached + WINDOW_MS)
            async for page in self._pages(round_, reached - _OVERLAP_MS, upper):
                activity.heartbeat()
                await self._bring_in(round_, page)
            reached = upper
        return reached

    async def _pages(self, round_: _Round, since: int, until: int) -> AsyncIterator[Sequence[dict[str, JSON]]]:
        created_until: int | None = None
        was_new = True
        while True:
            page = await self._vapi.calls_updated(round_.key, since=since, until=until, created_until=created_until)
            new = [record for record in page.records if text(record.get("id")) not in round_.met]
            yield new
            if page.next_created_until is None or not (new or was_new):
                return
            # Calls made in the same millisecond may lie on both sides of the border, so it is looked at twice; where a
            # page brought nothing new it is stepped over, once: a provider that pages otherwise is not asked for ever.
            created_until, was_new = page.next_created_until - (not new), bool(new)

    async def _bring_in(self, round_: _Round, records: Iterable[dict[str, JSON]]) -> None:
        by_id = {call_id: record for record in records if (call_id := text(record.get("id"))) is not None}
        if not by_id:
            return
        organization_ids = round_.account.organization_ids
        told: dict[str, list[Told]] = {}
        for each in await self._store.told(organization_ids, list(by_id)):
            told.setdefault(each.call_id, []).append(each)
        strangers = {call_id: record for call_id, record in by_id.items() if call_id not in told}
        owners = await self._owners(organization_ids, strangers)
        for call_id, record in by_id.items():
            round_.met.add(call_id)
            if call_id in told:
                for each in told[call_id]:
                    await self._accept(round_, each.organization_id, call_id, record, each)
            elif (owner := owners.get(call_id)) is not None:
                await self._accept(round_, owner, call_id, record, None)
            else:
                round_.strangers += 1

    async def _accept(
        self, round_: _Round, organization_id: str, call_id: str, record: dict[str, JSON], told: Told | None
    ) -> None:
        repair = difference(record, told)
        if repair is None:
            return
        if await self._rows.accept(record_row(organization_id, call_id, record, repair=repair)):
            round_.repaired[organization_id] = round_.repaired.get(organization_id, 0) + 1
            _log.warning("reconciled", organization_id=organization_id, call_id=call_id, reason=repair)

    async def _owners(
        self, organization_ids: Sequence[str], strangers: Mapping[str, dict[str, JSON]]
    ) -> Mapping[str, str]:
        """Whose a call is that nobody was told of: the one organization that has its assistant or its number.

        An account may hold calls that never were meant for us, and those of several organizations: a call that cannot
        be told to be one's is nobody's.
        """
        if not strangers:
            return {}
        lines = {
            call_id: {name: text(record.get(name)) for name in ("assistantId", "phoneNumberId")}
            for call_id, record in strangers.items()
        }
        owners = await self._store.owners_of_lines(
            organization_ids,
            assistant_ids=_present(each["assistantId"] for each in lines.values()),
            phone_number_ids=_present(each["phoneNumberId"] for each in lines.values()),
            seen_since=self._now() - _SEEN_MS,
        )
        found: dict[str, str] = {}
        for call_id, line in lines.items():
            candidates = {owner for name in line.values() if name is not None for owner in owners.get(name, ())}
            if len(candidates) == 1:
                found[call_id] = candidates.pop()
        return found

    async def _ask_open(self, round_: _Round, at: int) -> None:
        """Calls that go on for all we know, and that the listing did not bring."""
        open_calls = await self._store.open_calls(
            round_.account.organization_ids,
            seen_since=at - _LONGEST_CALL_MS,
            silent_since=at - _QUIET_MS,
            limit=_ASKED_AT_ONCE,
        )
        asked = {call_id for _, call_id in open_calls if call_id not in round_.met}
        for call_id in sorted(asked):
            activity.heartbeat()
            try:
                record = await self._vapi.get_call(round_.key, call_id)
            except (AbsentError, RefusedError):
                # What it means that the provider has no such call is for the call's own workflow to tell.
                continue
            await self._bring_in(round_, [{**record, "id": call_id}])

    async def _note_failed(self, round_: _Round, *, since: int, failed: ProviderError) -> None:
        reason = f"{type(failed).__name__}: {failed}"
        for organization_id in round_.account.organization_ids:
            repairs = round_.repaired.get(organization_id, 0)
            await self._store.note_failed(organization_id, since=since, repairs=repairs, at=self._now(), reason=reason)


def _present(names: Iterable[str | None]) -> Sequence[str]:
    return sorted({name for name in names if name is not None})
