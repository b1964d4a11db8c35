"""What did not arrive for a reason that passes is sent again, twice at most; what fails for good is not."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from storage.notifications import Notifications
from storage.postgres import Pool, open_pool
from storage.resends import Resends
from storage.vendor_words import MessageWord, VendorWords, Word
from tests.fakes.message_server import ACCOUNT, MessageServer, running_messages
from tests.integration.rows import Rows
from workflows.activities.resends import RULES, MessageResends
from workflows.billing_contracts import OrganizationRef, Round
from workflows.message_sending import MessageSender
from workflows.messaging import Mailing, Messaging, Texting
from workflows.vendors.resend_api import ResendApi
from workflows.vendors.twilio_api import PASSING, TwilioApi

MINUTE, HOUR = 60_000, 3_600_000
TO, MAIL = "+15550100001", "owner@clinic.example"
FINAL = ("30004", "30005", "30006", "30007", "30032", "30034", "30023", "21610", "99999", "")


@dataclass(kw_only=True)
class ResendWorld:
    """An organization whose messages were taken by their vendors. `now` is the clock (ms)."""

    pool: Pool
    vendors: MessageServer
    organization_id: str
    words: VendorWords
    resends: Resends
    activity: MessageResends
    now: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    async def sent(self, vendor_id: str, channel: str = "sms") -> UUID:
        """A message that its vendor has under this id."""
        identity = uuid4()
        await self.pool.execute(
            """insert into notifications
                   (id, created_at, organization_id, call_id, kind, channel, recipient, provider, vendor_id, status,
                    rank, subject, body)
               values ($1, now(), $2, 'call-1', 'call-completed', $3, $4, $5, $6, 'sent', 3, $7, 'A call. [call-1]')""",
            identity,
            UUID(self.organization_id),
            channel,
            TO if channel == "sms" else MAIL,
            "twilio" if channel == "sms" else "resend",
            vendor_id,
            None if channel == "sms" else "A call",
        )
        return identity

    async def fails(
        self, vendor_id: str, error: str | None, status: str = "undelivered", provider: str = "twilio"
    ) -> None:
        """As the vendor's webhook tells."""
        word = Word(
            provider=provider, key=f"{vendor_id}:{status}", type="message.failed", facts={}, received_at=self.now
        )
        told = MessageWord(vendor_id=vendor_id, status=status, rank=8, error=error)
        await self.words.hear_of_message(word, told)

    async def look(self) -> Round:
        """What the sweep has done where it finds something due."""
        if self.organization_id not in await self.resends.organizations(at=self.now):
            return Round()
        return await self.activity.resend_messages(OrganizationRef(organization_id=self.organization_id))

    async def messages(self) -> list[tuple[int, str, str | None]]:
        rows = await self.pool.fetch("select generation, status, error from notifications order by generation")
        return [(row["generation"], row["status"], row["error"]) for row in rows]

    async def newest(self) -> str:
        return str(await self.pool.fetchval("select vendor_id from notifications order by generation desc limit 1"))


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncIterator[ResendWorld]:
    async with (
        running_messages() as vendors,
        await open_pool(database_url, size=4, name="test") as pool,
        TwilioApi(ACCOUNT, "token", vendors.base_url) as twilio,
        ResendApi("re_test", vendors.base_url) as resend,
    ):
        messaging = Messaging(
            texting=Texting(api=twilio, sender="+15550109999"),
            mailing=Mailing(api=resend, sender="us@supervisor.example"),
        )
        messages, resends = Notifications(pool), Resends(pool, RULES)
        sender = MessageSender(messages, messaging, now=lambda: made.now)
        made = ResendWorld(
            pool=pool,
            vendors=vendors,
            organization_id=await Rows(pool).add_organization(),
            words=VendorWords(pool, seconds=5),
            resends=resends,
            activity=MessageResends(resends, messages, sender, now=lambda: made.now),
        )
        yield made


@pytest.mark.parametrize("code", sorted(PASSING))
async def test_a_text_that_failed_for_a_reason_that_passes_goes_again_after_a_while(
    world: ResendWorld, code: str
) -> None:
    await world.sent("SM-first")
    await world.fails("SM-first", code)
    assert await world.look() == Round()
    assert world.vendors.texts == [], "not yet"
    world.now += 6 * MINUTE
    for _ in range(3):
        await world.look()
    assert [text["body"] for text in world.vendors.texts] == ["A call. [call-1]"]
    assert await world.messages() == [(0, "undelivered", code), (1, "queued", None)]


async def test_it_goes_twice_more_and_then_no_more(world: ResendWorld) -> None:
    await world.sent("SM-first")
    await world.fails("SM-first", "30003")
    for pause, sent in ((6, 1), (6, 1), (31, 2), (31, 2), (300, 2)):
        world.now += pause * MINUTE
        await world.look()
        assert len(world.vendors.texts) == sent
        await world.fails(await world.newest(), "30003")
    assert [generation for generation, _, _ in await world.messages()] == [0, 1, 2]


@pytest.mark.parametrize("code", FINAL)
async def test_what_fails_for_good_is_not_sent_again(world: ResendWorld, code: str) -> None:
    await world.sent("SM-first")
    await world.fails("SM-first", code or None, "failed")
    world.now += 2 * HOUR
    assert await world.resends.organizations(at=world.now) == []
    assert await world.look() == Round()
    assert world.vendors.attempts == []


async def test_what_was_delivered_after_all_is_not_sent_again(world: ResendWorld) -> None:
    await world.sent("SM-first")
    word = Word(provider="twilio", key="k", type="message.read", facts={}, received_at=world.now)
    await world.fails("SM-first", "30003")
    await world.words.hear_of_message(word, MessageWord(vendor_id="SM-first", status="read", rank=9))
    world.now += 2 * HOUR
    await world.look()
    assert world.vendors.attempts == []


@pytest.mark.parametrize(
    ("error", "again"), [("Transient: General", 1), ("Permanent: General", 0), ("Undetermined", 0)]
)
async def test_an_email_that_bounced_for_now_goes_once_more(world: ResendWorld, error: str, again: int) -> None:
    await world.sent("email-first", "email")
    await world.fails("email-first", error, "bounced", "resend")
    world.now += 30 * MINUTE
    await world.look()
    assert world.vendors.emails == {}
    for _ in range(3):
        world.now += 2 * HOUR
        await world.look()
        await world.fails(await world.newest(), error, "bounced", "resend")
    assert len(world.vendors.emails) == again


async def test_an_answer_that_is_lost_sends_nothing_twice(world: ResendWorld) -> None:
    await world.sent("SM-first")
    await world.sent("email-first", "email")
    await world.fails("SM-first", "30008")
    await world.fails("email-first", "Transient", "bounced", "resend")
    world.now += 2 * HOUR
    world.vendors.hanging_up = True
    assert (await world.look()).pause_seconds is not None
    [text] = world.vendors.texts
    text["date_created"] = format_datetime(datetime.fromtimestamp(world.now / 1000, UTC))
    first = {**text, "sid": "SM-first", "date_created": format_datetime(datetime.now(UTC) - timedelta(minutes=1))}
    world.vendors.texts.insert(0, first)
    world.vendors.hanging_up = False
    world.vendors.unlistable = True
    world.now += MINUTE
    assert (await world.look()).pause_seconds is not None, "what became of it is not known yet"
    world.vendors.unlistable = False
    world.now += MINUTE
    assert await world.look() == Round()
    assert (len(world.vendors.texts), len(world.vendors.emails)) == (2, 1)
    assert await world.newest() in {text["sid"], "email-0"}
    assert await world.look() == Round()


async def test_while_a_vendor_is_away_it_waits_and_after_a_day_it_is_no_news(world: ResendWorld) -> None:
    await world.sent("SM-first")
    await world.fails("SM-first", "30001")
    world.now += 6 * MINUTE
    world.vendors.failing = 503
    assert (await world.look()).pause_seconds is not None
    world.vendors.failing, world.vendors.code = 429, 20429
    assert (await world.look()).pause_seconds is not None
    world.now += 25 * HOUR
    assert await world.resends.organizations(at=world.now) == []
    world.vendors.failing = None
    assert await world.look() == Round()
    assert world.vendors.texts == []


async def test_who_opted_out_meanwhile_is_not_written_to(world: ResendWorld) -> None:
    await world.sent("SM-first")
    await world.fails("SM-first", "30003")
    world.now += 6 * MINUTE
    world.vendors.failing, world.vendors.code = 400, 21610
    await world.look()
    assert await world.messages() == [(0, "undelivered", "30003"), (1, "suppressed", "opt-out")]
    assert [row["reason"] for row in await world.pool.fetch("select reason from suppressions")] == ["opt-out"]
    world.vendors.failing = None
    await world.sent("SM-second")
    await world.fails("SM-second", "30003")
    world.now += 6 * MINUTE
    await world.look()
    assert world.vendors.texts == []


async def test_a_late_report_of_the_call_does_not_send_what_is_being_sent_again(world: ResendWorld) -> None:
    identity = await world.sent("SM-first")
    await world.fails("SM-first", "30003")
    world.now += 6 * MINUTE
    assert await world.resends.plan(world.organization_id, at=world.now, limit=10) == 1
    [row] = await world.pool.fetch("select created_at from notifications where id = $1", identity)
    at = row["created_at"]
    unsent = await Notifications(world.pool).plan(world.organization_id, "call-1", "call-completed", at, [])
    assert unsent == []
    assert len(await world.resends.open(world.organization_id, at=world.now, limit=10)) == 1
