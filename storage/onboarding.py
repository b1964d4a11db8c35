"""Onboardings: what was asked for, where each step stands, and what it left in the organization's own tables."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid5

from actors.domain.json_types import JSON
from storage import cache_keys
from storage.cache import Cache
from storage.notifications import MessageRef
from storage.postgres import Connection, Pool, fetch, transaction
from storage.provisioning import put_webhook_secret
from storage.sealing import Sealer
from storage.statements import statement

_MOST_ADDRESSES: Final = 20

Rows: TypeAlias = Callable[[Connection], Awaitable[None]]
"""Changes of other tables that stand or fall with what is written of a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnboardingKey:
    """An onboarding."""

    organization_id: str
    id: UUID

    def named(self, what: str) -> UUID:
        """The id of something of its own: the same however often it is asked for."""
        return uuid5(self.id, what)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An onboarding as it was asked for. `plan_id` is the plan to subscribe to, with its prices at Stripe."""

    key: OnboardingKey
    state: str
    assistant_name: str
    assistant_config: dict[str, JSON]
    template_id: UUID
    country: str
    area_code: str | None
    test_number: str | None
    created_at: datetime
    organization_name: str
    own_plan: str | None
    plan_id: str | None
    prices: Sequence[str]
    is_deleted: bool
    """Of the organization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """Where a step stands. `made`: by this onboarding, not found."""

    state: str
    detail: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    made: bool = False


class Onboardings:
    """Every change is safe to repeat. Raises StorageUnavailableError throughout."""

    def __init__(self, pool: Pool, sealer: Sealer, cache: Cache | None = None) -> None:
        self._pool = pool
        self._sealer = sealer
        self._cache = cache

    async def unfinished(self, *, new: bool, limit: int) -> Sequence[OnboardingKey]:
        """Those that are not finished, the oldest first; only those that no workflow took up, or all."""
        rows = await fetch(self._pool, "onboardings_open", new, limit)
        return [OnboardingKey(organization_id=str(row["organization_id"]), id=row["id"]) for row in rows]

    async def begin(self, key: OnboardingKey) -> str | None:
        """Take it up; where it stands then. None: there is no such onboarding."""
        rows = await self._of(key, "onboarding_begin")
        return rows[0]["state"] if rows else None

    async def asked(self, key: OnboardingKey) -> Asked | None:
        """None when there is none such."""
        rows = await self._of(key, "onboarding_asked")
        if not rows:
            return None
        row = dict(rows[0])
        del row["id"]
        prices = [each for each in (row.pop("price"), row.pop("metered_price")) if each is not None]
        return Asked(key=key, prices=prices, **row)

    async def begin_step(self, key: OnboardingKey, step: str) -> StepRow:
        """Begin a step, unless it was begun before; where it stands."""
        await self._of(key, "onboarding_step_begin", step)
        held = await self.step(key, step)
        if held is None:
            raise AssertionError("a step that was begun is there")
        return held

    async def step(self, key: OnboardingKey, step: str) -> StepRow | None:
        """Where a step stands; None before it was begun."""
        rows = await self._of(key, "onboarding_step", step)
        return StepRow(**dict(rows[0])) if rows else None

    async def kept(self, key: OnboardingKey, step: str) -> Mapping[str, str] | None:
        """What an earlier onboarding of the organization made or found, as far as we know; its vendor may not."""
        rows = await fetch(self._pool, "onboarding_kept", key.organization_id, step)
        return rows[0]["facts"] if rows else None

    async def settle(self, key: OnboardingKey, step: str, row: StepRow, *, rows: Rows | None = None) -> None:
        """Write what came of a step, and what it changes elsewhere, at once."""
        async with transaction(self._pool) as connection:
            if rows is not None:
                await rows(connection)
            await connection.execute(
                statement("onboarding_settle"),
                key.organization_id, key.id, step, row.state, row.detail, dict(row.facts), row.made,
            )  # fmt: skip
        if rows is not None and self._cache is not None:
            owner = key.organization_id
            shown = str(key.named("assistant"))
            await self._cache.invalidate(
                cache_keys.organization(owner),
                cache_keys.assistants(owner),
                cache_keys.phone_numbers(owner),
                cache_keys.assistant(owner, shown),
            )

    async def hinder(self, key: OnboardingKey, step: str, detail: str) -> None:
        """Tell what is in the way of a step."""
        await self._of(key, "onboarding_hinder", step, detail)

    async def fail(self, key: OnboardingKey, step: str, *, undoes: bool) -> None:
        """A step was given up; `undoes`: what was made is taken back from here on."""
        async with transaction(self._pool) as connection:
            await connection.execute(statement("onboarding_fail"), key.organization_id, key.id, step)
            if undoes:
                await connection.execute(statement("onboarding_undo"), key.organization_id, key.id)

    async def finish(self, key: OnboardingKey, state: str) -> None:
        """It ends, with an audit entry."""
        await self._of(key, "onboarding_finish", state)

    async def secret(self, organization_id: str) -> str | None:
        """What VAPI's webhooks are checked against. Raises SealError."""
        rows = await fetch(self._pool, "onboarding_secret", organization_id)
        return self._sealer.open(organization_id, rows[0]["sealed"]).decode() if rows else None

    def new_secret(self, key: OnboardingKey, secret: str) -> Rows:
        """Have VAPI's webhooks checked against it."""

        async def rows(connection: Connection) -> None:
            await put_webhook_secret(
                connection,
                secret_id=key.named("webhook-secret"),
                organization_id=key.organization_id,
                provider="vapi",
                sealed=self._sealer.seal(key.organization_id, secret.encode()),
            )

        return rows

    async def is_probe_seen(self, organization_id: str, event_key: str) -> bool:
        """Whether a webhook of VAPI's was accepted under this key."""
        return bool((await fetch(self._pool, "onboarding_probe_seen", organization_id, event_key))[0]["is_seen"])

    async def is_call_seen(self, organization_id: str, call_id: str) -> bool:
        """Whether a call stands on the board by VAPI's own webhooks."""
        return bool((await fetch(self._pool, "onboarding_call_seen", organization_id, call_id))[0]["is_seen"])

    async def addresses(self, organization_id: str) -> Sequence[str]:
        """Whom the welcome goes to, the first 20."""
        rows = await fetch(self._pool, "onboarding_addresses", organization_id, _MOST_ADDRESSES)
        return [row["address"] for row in rows]

    async def message(self, asked: Asked, address: str, *, subject: str, body: str) -> MessageRef:
        """The welcome to an address: there is one, whoever asks, and its words are those of the first."""
        key = asked.key
        ref = MessageRef(
            organization_id=key.organization_id, id=key.named(f"welcome:{address.lower()}"), created_at=asked.created_at
        )
        await fetch(
            self._pool,
            "onboarding_message_add",
            key.organization_id, ref.id, ref.created_at, address, subject, body,
        )  # fmt: skip
        return ref

    async def _of(self, key: OnboardingKey, name: str, *told: object) -> Sequence[Any]:
        return await fetch(self._pool, name, key.organization_id, key.id, *told)


def changed(name: str, *arguments: object) -> Rows:
    """One named statement."""

    async def rows(connection: Connection) -> None:
        await connection.execute(statement(name), *arguments)

    return rows
