"""An endpoint that was disabled is told of by email, once to each who can do something about it."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from storage.endpoint_notices import EndpointNotices
from storage.notifications import Notifications
from storage.postgres import open_pool
from storage.times import moment
from tests.fakes.message_server import MessageServer, running_messages
from tests.integration.billing_world import DAY, BillingWorld
from workflows.activities.endpoint_notices import DisabledEndpoints
from workflows.billing_contracts import OrganizationRef, Round
from workflows.message_sending import MessageSender
from workflows.messaging import Mailing, Messaging
from workflows.vendors.resend_api import ResendApi

OWNER, ADMIN, VIEWER, ALARMED = (f"{name}@clinic.example" for name in ("owner", "admin", "viewer", "alarmed"))


class NoticeWorld(BillingWorld):
    messages: MessageServer
    disabled: DisabledEndpoints
    notices: EndpointNotices
    integration_id: UUID

    async def member(self, address: str, role: str) -> None:
        user_id = uuid4()
        await self.pool.execute("insert into users (id, email) values ($1, $2)", user_id, address)
        await self.pool.execute(
            "insert into organization_members (organization_id, user_id, role) values ($1, $2, $3)",
            UUID(self.organization_id), user_id, role,
        )  # fmt: skip

    async def alarmed(self, address: str) -> None:
        await self.pool.execute(
            "insert into notification_recipients (id, organization_id, channel, address, kinds)"
            " values ($1, $2, 'email', $3, '{alarm}')",
            uuid4(), UUID(self.organization_id), address,
        )  # fmt: skip

    async def disable(self, reason: str = "failing", *, at: int | None = None) -> None:
        await self.pool.execute(
            "update integrations set disabled_at = $2, disabled_reason = $3, failing_since = $4, missed_since = $4"
            " where id = $1",
            self.integration_id, moment(at or self.now), reason, moment((at or self.now) - 5 * DAY),
        )  # fmt: skip

    async def enable(self) -> None:
        await self.pool.execute("update integrations set disabled_at = null, disabled_reason = null")

    async def once(self) -> Round:
        return await self.disabled.tell_disabled_endpoints(OrganizationRef(organization_id=self.organization_id))

    async def tell_all(self) -> None:
        while (await self.once()).more:
            pass

    async def statuses(self) -> list[Any]:
        return await self.rows(
            "select recipient, status, error from notifications where organization_id = $1"
            " and kind = 'integration-disabled' order by created_at, recipient"
        )

    def told(self) -> list[str]:
        return sorted(email["to"][0] for email in self.messages.emails.values())


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncIterator[NoticeWorld]:
    async with (
        running_messages() as messages,
        await open_pool(database_url, size=4, name="test") as pool,
        ResendApi("re_test", messages.base_url) as resend,
    ):
        made = await NoticeWorld.on_plan(pool)
        made.messages, made.notices, made.integration_id = messages, EndpointNotices(pool), uuid4()
        made.disabled = disabled(made, Messaging(mailing=Mailing(api=resend, sender="notices@supervisor.example")))
        await pool.execute(
            "insert into integrations (id, organization_id, name, url, events, sealed_secret)"
            " values ($1, $2, 'Ledger', 'https://ledger.example/hook', '{call.completed}', '')",
            made.integration_id, UUID(made.organization_id),
        )  # fmt: skip
        yield made


def disabled(world: NoticeWorld, messaging: Messaging) -> DisabledEndpoints:
    messages = Notifications(world.pool)
    return DisabledEndpoints(
        world.notices,
        messages,
        MessageSender(messages, messaging, now=lambda: world.now),
        base_url="https://supervisor.example",
        now=lambda: world.now,
    )


async def test_everybody_who_can_enable_it_is_told_once_what_to_do(world: NoticeWorld) -> None:
    await world.member(OWNER, "owner")
    await world.member(ADMIN, "admin")
    await world.member(VIEWER, "viewer")
    await world.alarmed(ALARMED)
    await world.alarmed(OWNER.upper())
    await world.disable()
    assert await world.notices.organizations() == [world.organization_id]
    await world.tell_all()
    await world.tell_all()
    assert {address.lower() for address in world.told()} == {OWNER, ADMIN, ALARMED}
    assert len(world.messages.emails) == 3
    assert await world.notices.organizations() == []
    email = next(iter(world.messages.emails.values()))
    assert email["subject"].endswith("the endpoint Ledger is disabled")
    where = f"https://supervisor.example/v1/organizations/{world.organization_id}/integrations/{world.integration_id}"
    assert f'PATCH {where} with {{"enabled": true}}' in email["text"]
    assert f"POST {where}/replays" in email["text"]
    since = datetime.fromisoformat(email["text"].partition('"from": "')[2].partition('"')[0])
    assert since.timestamp() == pytest.approx((world.now - 5 * DAY) // 1000)


async def test_each_disabling_is_told_and_what_a_person_switched_off_is_not(world: NoticeWorld) -> None:
    await world.member(OWNER, "owner")
    await world.disable("gone")
    await world.tell_all()
    await world.enable()
    await world.tell_all()
    assert len(world.messages.emails) == 1
    assert "It answered 410 (Gone)" in next(iter(world.messages.emails.values()))["text"]
    await world.disable("manual", at=world.now + 1_000)
    await world.tell_all()
    assert len(world.messages.emails) == 1
    await world.disable(at=world.now + 2_000)
    await world.tell_all()
    assert len(world.messages.emails) == 2


async def test_answers_that_are_lost_double_no_message(world: NoticeWorld) -> None:
    await world.member(OWNER, "owner")
    await world.disable()
    world.messages.hanging_up = True
    assert (await world.once()).pause_seconds is not None
    assert await world.statuses() == [(OWNER, "sending", None)]
    world.messages.hanging_up = False
    await world.tell_all()
    assert (len(world.messages.emails), len(world.messages.attempts)) == (1, 2)
    assert await world.statuses() == [(OWNER, "sent", None)]


async def test_while_the_vendor_is_away_the_message_waits_for_days(world: NoticeWorld) -> None:
    await world.member(OWNER, "owner")
    await world.disable()
    world.messages.failing = 429
    assert (await world.once()).pause_seconds is not None
    world.now += 2 * DAY
    world.messages.failing = None
    await world.tell_all()
    assert world.told() == [OWNER]


async def test_without_email_and_without_people_nothing_hangs(world: NoticeWorld) -> None:
    await world.disable()
    await world.tell_all()
    assert await world.notices.organizations() == []
    await world.pool.execute("update organizations set billing_email = $1", OWNER)
    await world.disable(at=world.now + 1_000)
    world.disabled = disabled(world, Messaging())
    await world.tell_all()
    assert await world.statuses() == [(OWNER, "off", "no provider is set")]
    assert await world.notices.organizations() == []


async def test_who_complained_is_not_written_to(world: NoticeWorld) -> None:
    await world.member(OWNER, "owner")
    await Notifications(world.pool).suppress(world.organization_id, "email", OWNER, "complaint")
    await world.disable()
    await world.tell_all()
    assert await world.statuses() == [(OWNER, "suppressed", "complaint")]
    assert world.messages.emails == {}
