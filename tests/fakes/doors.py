"""The webhook door of one organization in the simulation: calls ask to begin, and whoever does not hear is let in."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from actors.domain.admission import ACCEPTED, UNCHECKED, Occupancy, is_refusal
from actors.domain.commands import InboxRow, command_from
from actors.domain.organization import decide
from actors.ports import Delivery, UnavailableError
from actors.router import ShardRouter
from tests.fakes.servers import Tenant

SECONDS = 1.0
RECORDED_AFTER_SECONDS = 1.0
FIRST_LET_THROUGH = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a caller was told of its request; None when it was let through without the owner's word."""

    row_id: int
    call_id: str
    outcome: str | None


class Door:
    """Asks as `serve.webhooks.vapi` does: stored first, answered within a second, else let through and recorded.

    `unheard`: whether Postgres' answer that a request is stored is lost.
    """

    def __init__(
        self,
        tenant: Tenant,
        router: ShardRouter,
        loop: asyncio.AbstractEventLoop,
        happened: "Counter[str]",
        *,
        hand_over: Callable[[Delivery], None],
        unheard: Callable[[], bool],
        start: int,
    ) -> None:
        self._tenant = tenant
        self._router = router
        self._loop = loop
        self._happened = happened
        self._hand_over = hand_over
        self._unheard = unheard
        self._start = start
        self._asking: set[asyncio.Task[None]] = set()
        self._told: list[Told] = []

    async def ask(self, request: InboxRow) -> None:
        """A call asks to begin; other things happen meanwhile."""
        asking = self._loop.create_task(self._ask(request))
        self._asking.add(asking)

    async def answered(self) -> None:
        """Wait until every call was told, and what was decided without the owner is recorded. Raises what failed."""
        await asyncio.gather(*self._asking)

    def judge(self) -> None:
        """Raises AssertionError unless what was told is what Postgres holds, decided by the history before it."""
        history = self._tenant.history
        assert len({row.event_key for row in history}) == len(history), "a row was applied twice"
        for place, row in enumerate(history):
            if row.type == "assistant-request":
                self._judge_decision(row, place)
        decided = {row.id: row.outcome for row in history if row.type == "assistant-request"}
        recorded = {row.call_id for row in history if row.type == "let-through"}
        for told in self._told:
            admission = self._tenant.calls[told.call_id].admission
            if told.outcome is None:
                assert told.call_id in recorded, f"{told}: that it was let through is not recorded"
                assert not is_refusal(admission), f"{told}: Postgres has {admission}"
            elif told.call_id not in recorded:
                assert told.outcome == decided[told.row_id] == admission, f"{told}: Postgres has {admission}"

    def _judge_decision(self, row: InboxRow, place: int) -> None:
        """Whoever owned the organization then, and whatever it remembered, decided by all that was applied before."""
        assert row.outcome is not None, f"row {row.id} was applied and not decided"
        calls = self._tenant.recalled(place)
        before = calls.get(row.call_id or "")
        if row.outcome == UNCHECKED:
            self._happened["a call is let through unchecked"] += 1
            return
        self._happened["a call is refused" if is_refusal(row.outcome) else "a call is admitted"] += 1
        state = replace(self._tenant.fold_at(place), policy=self._tenant.policy)
        again = decide(state, command_from(replace(row, apply_sequence=None, outcome=None))).outcome
        assert row.outcome == again, f"row {row.id} was decided {row.outcome}, by its history it is {again}"
        limit = self._tenant.policy.concurrency_limit
        if row.outcome == ACCEPTED and limit is not None and (before is None or before.admission is None):
            held = Occupancy.of(calls.values(), row.received_at).calls
            assert len(held) < limit, f"row {row.id} was admitted beside {held.keys()}"

    async def _ask(self, request: InboxRow) -> None:
        asked = replace(request, received_at=self._now())
        is_new = self._tenant.accept(asked)
        stored = self._tenant.stored(asked.event_key)
        if self._unheard():
            self._happened["a request is stored unheard"] += 1
            outcome = None
        else:
            if is_new:
                self._hand_over(Delivery(organization_id=self._tenant.organization_id, item=stored))
            outcome = stored.outcome or await self._decided(stored)
        self._told.append(Told(row_id=stored.id, call_id=str(stored.call_id), outcome=outcome))
        if outcome is None:
            self._happened["nobody answers the door"] += 1
            await asyncio.sleep(RECORDED_AFTER_SECONDS)
            self._record(stored)

    async def _decided(self, stored: InboxRow) -> str | None:
        try:
            return await self._router.admit(self._tenant.organization_id, stored, seconds=SECONDS)
        except UnavailableError:
            return None

    def _record(self, stored: InboxRow) -> None:
        noted = InboxRow(
            id=FIRST_LET_THROUGH + len(self._tenant.keys),
            provider="internal",
            event_key=f"let-through:{stored.event_key}",
            type="let-through",
            call_id=stored.call_id,
            facts={},
            occurred_at=stored.occurred_at,
            received_at=stored.received_at,
        )
        if self._tenant.accept(noted):
            self._hand_over(Delivery(organization_id=self._tenant.organization_id, item=noted))

    def _now(self) -> int:
        return self._start + int(self._loop.time() * 1000)
