"""Runs of the duties that tell an organization's people of something; see mortal_kind."""

from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from tests.fakes.mortal_kind import Kind, begin_duty
from tests.fakes.mortal_money import book
from tests.fakes.mortal_world import MortalWorld, organization_of
from workflows.billing_contracts import TELL_DISABLED_ENDPOINTS, TELL_USAGE_ALERTS

_FIVE_DAYS: Final = timedelta(days=5)


async def _start_alerts(world: MortalWorld, name: str) -> str:
    organization_id = await world.add_organization(name, plan="starter")
    await world.add_recipients(organization_id, "usage")
    await book(world, organization_id, "call", 320 * 60)
    return await begin_duty(world, organization_id, TELL_USAGE_ALERTS)


async def _effects_of_messages(world: MortalWorld, name: str) -> object:
    written = await world.rows(
        "select channel, status from notifications where organization_id = $1 order by channel",
        UUID(organization_of(name)),
    )
    texts = sum(f"{name}:" in text["body"] for text in world.messages.texts)
    return written, texts, sum(f"{name}:" in email["subject"] for email in world.messages.emails.values())


ALERTS: Final = Kind(
    name="alerts",
    start=_start_alerts,
    effects=_effects_of_messages,
    expected=([("email", "sent"), ("sms", "queued")], 1, 1),
)


async def _start_notices(world: MortalWorld, name: str) -> str:
    """An endpoint that was disabled, of which an owner is to be told."""
    organization_id = await world.add_organization(name)
    user_id = uuid4()
    await world.pool.execute("insert into users (id, email) values ($1, $2)", user_id, f"{name}@planted.example")
    await world.pool.execute(
        "insert into organization_members (organization_id, user_id, role) values ($1, $2, 'owner')",
        UUID(organization_id), user_id,
    )  # fmt: skip
    integration_id = await world.add_integration(organization_id, f"/{name}")
    await world.pool.execute(
        "update integrations set disabled_at = now(), disabled_reason = 'failing',"
        " failing_since = now() - $2::interval, missed_since = now() - $2::interval where id = $1",
        integration_id, _FIVE_DAYS,
    )  # fmt: skip
    return await begin_duty(world, organization_id, TELL_DISABLED_ENDPOINTS)


NOTICES: Final = Kind(
    name="notices", start=_start_notices, effects=_effects_of_messages, expected=([("email", "sent")], 0, 1)
)
