"""The ledger of what applied events caused outside Postgres, once each."""

from collections.abc import Sequence

from actors.domain.effects import Effect, SignalProcessing
from actors.ports import PendingEffect
from storage.postgres import Pool, fetch
from storage.times import moment


class PostgresEffects:
    """`actors.ports.Effects` on Postgres. Every method answers or raises StorageUnavailableError within 2 s."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def due(self, slots: Sequence[int], *, now: int, limit: int) -> Sequence[PendingEffect]:
        records = await fetch(self._pool, "effects_due", list(slots), moment(now), limit)
        return [
            PendingEffect(
                organization_id=str(record["organization_id"]),
                effect=SignalProcessing(call_id=record["call_id"], effect=record["effect"]),
                attempts=record["attempts"],
            )
            for record in records
        ]

    async def confirm(self, organization_id: str, effects: Sequence[Effect], *, at: int) -> None:
        await self._update("effects_confirm", organization_id, effects, at)

    async def delay(self, organization_id: str, effects: Sequence[Effect], *, retry_at: int) -> None:
        await self._update("effects_delay", organization_id, effects, retry_at)

    async def _update(self, name: str, organization_id: str, effects: Sequence[Effect], at: int) -> None:
        call_ids, names = [each.call_id for each in effects], [each.effect for each in effects]
        await fetch(self._pool, name, organization_id, call_ids, names, moment(at))
