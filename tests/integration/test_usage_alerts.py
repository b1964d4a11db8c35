"""People hear of 80 and 100 % of their minutes once each, by text message and email, whatever fails in between."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from storage.postgres import open_pool
from storage.usage_alerts import UsageAlerts
from tests.fakes.message_server import ACCOUNT, MessageServer, running_messages
from tests.integration.billing_world import DAY, BillingWorld
from workflows.activities.alerting import Alerting
from workflows.billing_contracts import OrganizationRef, Round
from workflows.messaging import Mailing, Messaging, Texting
from workflows.vendors.resend_api import ResendApi
from workflows.vendors.twilio_api import TwilioApi

NUMBER, ADDRESS = "+15550100001", "owner@clinic.example"


class AlertWorld(BillingWorld):
    messages: MessageServer
    alerting: Alerting
    mailing: Mailing

    async def recipient(self, channel: str, address: str, kind: str = "usage") -> None:
        await self.pool.execute(
            "insert into notification_recipients (id, organization_id, channel, address, kinds)"
            " values ($1, $2, $3, $4, $5)",
            uuid4(),
            UUID(self.organization_id),
            channel,
            address,
            [kind],
        )

    async def tell_all(self) -> None:
        while (await self.alerting.tell_usage_alerts(OrganizationRef(organization_id=self.organization_id))).more:
            pass

    async def once(self) -> Round:
        return await self.alerting.tell_usage_alerts(OrganizationRef(organization_id=self.organization_id))

    async def notifications(self) -> list[object]:
        return await self.rows(
            "select channel, status, error from notifications where organization_id = $1 order by created_at, channel"
        )

    def got(self) -> tuple[int, int]:
        return len(self.messages.texts), len(self.messages.emails)


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncIterator[AlertWorld]:
    async with (
        running_messages() as messages,
        await open_pool(database_url, size=4, name="test") as pool,
        TwilioApi(ACCOUNT, "token", messages.base_url) as twilio,
        ResendApi("re_test", messages.base_url) as resend,
    ):
        made = await AlertWorld.on_plan(pool, "starter")
        made.messages = messages
        made.mailing = Mailing(api=resend, sender="usage@supervisor.example")
        messaging = Messaging(texting=Texting(api=twilio, sender="+15550109999"), mailing=made.mailing)
        made.alerting = Alerting(UsageAlerts(pool), messaging, now=lambda: made.now)
        await made.recipient("sms", NUMBER)
        await made.recipient("email", ADDRESS)
        await made.recipient("sms", "+15550100002", kind="call-completed")
        yield made


async def test_each_mark_is_told_once_on_each_channel(world: AlertWorld) -> None:
    await world.called("call-1", 320 * 60)
    await world.tell_all()
    await world.tell_all()
    assert world.got() == (1, 1)
    [text] = world.messages.texts
    assert text["to"] == NUMBER
    assert "80 % of the 400 minutes" in text["body"]
    world.now += 1_000
    await world.called("call-2", 80 * 60)
    await world.called("call-3", 80 * 60)
    await world.tell_all()
    assert world.got() == (2, 2)
    assert "100 % of the 400 minutes" in world.messages.texts[1]["body"]
    assert await world.notifications() == [("email", "sent", None), ("sms", "queued", None)] * 2


async def test_answers_that_are_lost_double_no_message(world: AlertWorld) -> None:
    await world.called("call-1", 320 * 60)
    world.messages.hanging_up = True
    assert (await world.once()).pause_seconds is not None
    assert world.got() == (1, 1)
    assert await world.notifications() == [("email", "sending", None), ("sms", "sending", None)]
    world.messages.hanging_up = False
    await world.tell_all()
    assert world.got() == (1, 1)
    assert world.messages.attempts.count(NUMBER) == 1, "found in the list, not sent again"
    assert await world.notifications() == [("email", "sent", None), ("sms", "queued", None)]


async def test_a_vendor_that_is_away_is_waited_for_and_given_up_after_a_day(world: AlertWorld) -> None:
    await world.called("call-1", 320 * 60)
    world.messages.failing = 429
    assert (await world.once()).pause_seconds is not None
    world.messages.failing = None
    await world.tell_all()
    assert world.got() == (1, 1)

    world.messages.failing = 429
    world.now += 1_000
    await world.called("call-2", 80 * 60)
    assert (await world.once()).pause_seconds is not None
    world.now += DAY
    await world.tell_all()
    assert world.got() == (1, 1)
    assert (await world.notifications())[2:] == [
        ("email", "failed", "the provider is away"),
        ("sms", "failed", "the provider is away"),
    ]


async def test_one_vendor_that_is_away_has_nobody_told_again_by_the_other(world: AlertWorld) -> None:
    await world.called("call-1", 320 * 60)
    both = world.alerting
    world.alerting = Alerting(UsageAlerts(world.pool), Messaging(mailing=world.mailing), now=lambda: world.now)
    world.messages.hanging_up = True
    assert (await world.once()).pause_seconds is not None
    world.messages.hanging_up = False
    assert await world.notifications() == [("email", "sending", None), ("sms", "off", "no provider is set")]
    world.alerting = both
    await world.tell_all()
    assert world.got() == (0, 1), "what is settled stays settled"


async def test_who_opted_out_is_not_written_to_and_a_refusal_holds_up_nobody(world: AlertWorld) -> None:
    await world.pool.execute(
        "insert into suppressions values ($1, 'email', $2, 'complaint')", UUID(world.organization_id), ADDRESS
    )
    world.messages.failing, world.messages.code = 400, 21610
    await world.called("call-1", 320 * 60)
    await world.tell_all()
    assert world.got() == (0, 0)
    assert await world.notifications() == [("email", "suppressed", "complaint"), ("sms", "suppressed", "opt-out")]
    assert await world.rows(
        "select channel, address, reason from suppressions where organization_id = $1 order by channel"
    ) == [("email", ADDRESS, "complaint"), ("sms", NUMBER, "opt-out")]
    assert await UsageAlerts(world.pool).organizations() == []


async def test_without_vendors_nothing_hangs(world: AlertWorld) -> None:
    world.alerting = Alerting(UsageAlerts(world.pool), Messaging(), now=lambda: world.now)
    await world.called("call-1", 320 * 60)
    await world.tell_all()
    assert await world.notifications() == [
        ("email", "off", "no provider is set"),
        ("sms", "off", "no provider is set"),
    ]


@pytest.mark.parametrize("cap", [10])
async def test_a_cap_that_is_lowered_under_what_is_used_is_noticed(world: AlertWorld, cap: int) -> None:
    await world.pool.execute("update organizations set plan_id = null where id = $1", world.organization_id)
    await world.called("call-1", 601)
    assert await world.ledger.notice(world.organization_id, at=world.now) == []
    await world.pool.execute("update organizations set minutes_cap = $2 where id = $1", world.organization_id, cap)
    assert await world.ledger.notice(world.organization_id, at=world.now) == [80, 100]
    assert await world.ledger.notice(world.organization_id, at=world.now) == []
