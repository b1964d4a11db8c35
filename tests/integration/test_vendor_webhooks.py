"""What Stripe, Twilio and Resend tell by webhook: signed as their packages check it, kept once, in any order."""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import httpx
import pytest_asyncio
from pydantic import SecretStr

from serve.config import Settings
from serve.simulator.callbacks import stripe_signature, svix_headers, twilio_signature
from serve.webhooks.ingress import WebhookIngress
from storage.bodies import unpacked
from storage.postgres import Pool, open_pool
from tests.integration.webhook_door import KEY, Queue

PUBLIC = "https://us.example"
STRIPE_SECRET = "whsec_stripe"
RESEND_SECRET = "whsec_cmVzZW5kLXNlY3JldA=="
TOKEN = "token-of-the-account"
CREATED = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(kw_only=True)
class Door:
    """The application with a client straight into it, and two organizations."""

    ingress: WebhookIngress
    http: httpx.AsyncClient
    pool: Pool
    ours: str
    theirs: str

    async def twilio(self, *, query: str = "", signature: str | None = None, **members: str) -> httpx.Response:
        url = f"{PUBLIC}/webhooks/twilio{query}"
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-twilio-signature": twilio_signature(url, members, TOKEN) if signature is None else signature,
        }
        return await self.http.post(f"/webhooks/twilio{query}", content=urlencode(members), headers=headers)

    async def status(self, sid: str, status: str, **members: str) -> None:
        answer = await self.twilio(MessageSid=sid, MessageStatus=status, To="+15550000002", **members)
        assert (answer.status_code, answer.headers["content-type"], answer.text) == (200, "text/xml", "<Response/>")

    async def resend(self, kind: str, email_id: str, *, event_id: str | None = None, **data: Any) -> httpx.Response:
        told = {"type": kind, "created_at": "2026-11-01T12:00:00.000Z", "data": {"email_id": email_id, **data}}
        content = json.dumps(told).encode()
        headers = svix_headers(content, RESEND_SECRET, identity=event_id)
        return await self.http.post("/webhooks/resend", content=content, headers=headers)

    async def stripe(self, kind: str, told: Mapping[str, Any], *, event_id: str | None = None) -> httpx.Response:
        event = {
            "id": event_id or f"evt_{uuid4().hex}",
            "type": kind,
            "created": 1_790_000_000,
            "data": {"object": told},
        }
        content = json.dumps(event).encode()
        headers = {"stripe-signature": stripe_signature(content, STRIPE_SECRET)}
        return await self.http.post("/webhooks/stripe", content=content, headers=headers)

    async def message(
        self, vendor_id: str | None, *, channel: str = "sms", recipient: str = "+15550000002", owner: str | None = None
    ) -> UUID:
        """A message of ours that was sent."""
        identity = uuid4()
        await self.pool.execute(
            """insert into notifications
                   (id, created_at, organization_id, kind, channel, recipient, provider, vendor_id, status, rank)
               values ($1, $2, $3, 'call-completed', $4, $5, $6, $7, 'sending', 0)""",
            identity,
            CREATED,
            UUID(owner or self.ours),
            channel,
            recipient,
            "twilio" if channel == "sms" else "resend",
            vendor_id,
        )
        return identity

    async def sent(self, identity: UUID, vendor_id: str) -> None:
        """As whoever sends notes it: the vendor has answered."""
        await self.pool.execute(
            "update notifications set vendor_id = $2, status = 'queued', rank = greatest(rank, 1) where id = $1",
            identity,
            vendor_id,
        )

    async def state(self, identity: UUID) -> tuple[str, str | None]:
        row = await self.pool.fetchrow("select status, error from notifications where id = $1", identity)
        assert row is not None
        return row["status"], row["error"]

    async def kept(self, provider: str) -> list[tuple[str, str, int]]:
        rows = await self.pool.fetch(
            """select organization_id, type, deliveries from webhook_inbox where provider = $1 order by id""", provider
        )
        return [(str(row["organization_id"]), row["type"], row["deliveries"]) for row in rows]

    async def suppressed(self) -> list[tuple[str, str, str, str]]:
        rows = await self.pool.fetch("select * from suppressions order by organization_id = $1 desc", UUID(self.ours))
        return [(str(r["organization_id"]), r["channel"], r["address"], r["reason"]) for r in rows]

    async def add_recipient(self, organization_id: str, address: str = "+15550000002") -> None:
        await self.pool.execute(
            "insert into notification_recipients (id, organization_id, channel, address, kinds)"
            " values ($1, $2, 'sms', $3, '{usage}')",
            uuid4(),
            UUID(organization_id),
            address,
        )


def settings_for(database_url: str) -> Settings:
    return Settings(
        database_url=database_url,
        redis_url="redis://unused",
        temporal_address="unused",
        encryption_key=SecretStr(KEY),
        recordings_url="file:///unused",
        public_base_url=PUBLIC,
        stripe_webhook_secret=SecretStr(STRIPE_SECRET),
        twilio_auth_token=SecretStr(TOKEN),
        resend_webhook_secret=SecretStr(RESEND_SECRET),
    )


@asynccontextmanager
async def opened_door(database_url: str, **settings: Any) -> AsyncGenerator[Door]:
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(await open_pool(database_url, size=2, name="test"))
        ingress = WebhookIngress(settings_for(database_url).model_copy(update=settings), router=Queue())
        await ingress.startup()
        stack.push_async_callback(ingress.shutdown)
        transport = httpx.ASGITransport(ingress)
        http = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://proxied"))
        ours, theirs = str(uuid4()), str(uuid4())
        for organization_id, customer in ((ours, "cus_ours"), (theirs, "cus_theirs")):
            await pool.execute(
                "insert into organizations (id, name, slug, stripe_customer_id)"
                " values ($1, 'Clinic', $1::uuid::text, $2)",
                UUID(organization_id),
                customer,
            )
        yield Door(ingress=ingress, http=http, pool=pool, ours=ours, theirs=theirs)


@pytest_asyncio.fixture
async def door(database_url: str) -> AsyncIterator[Door]:
    async with opened_door(database_url) as opened:
        yield opened


async def test_what_is_not_signed_is_refused_and_leaves_nothing(door: Door) -> None:
    await door.message("SM1")
    for vendor in ("stripe", "twilio", "resend"):
        for headers in ({}, {"stripe-signature": "t=1,v1=a"}, {"x-twilio-signature": "AAAA"}, {"svix-id": "m"}):
            answer = await door.http.post(f"/webhooks/{vendor}", content=b"MessageSid=SM1", headers=headers)
            assert answer.status_code == 401
            assert answer.headers["content-type"] == "application/problem+json"
    assert (await door.http.get("/webhooks/twilio")).status_code == 405
    assert (await door.http.post("/webhooks/twilio/")).status_code == 404
    assert (await door.http.post("/webhooks/nobody")).status_code == 404
    assert [await door.kept(vendor) for vendor in ("stripe", "twilio", "resend")] == [[], [], []]


async def test_without_a_secret_nothing_is_authentic(database_url: str) -> None:
    off = {"stripe_webhook_secret": None, "twilio_auth_token": None, "resend_webhook_secret": None}
    ingress = WebhookIngress(settings_for(database_url).model_copy(update=off), router=Queue())
    await ingress.startup()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(ingress), base_url="http://proxied") as http:
        url = f"{PUBLIC}/webhooks/twilio"
        signed = {"x-twilio-signature": twilio_signature(url, {"MessageSid": "SM1"}, "")}
        assert (await http.post("/webhooks/twilio", content="MessageSid=SM1", headers=signed)).status_code == 401
        signed = svix_headers(b"{}", "whsec_")
        assert (await http.post("/webhooks/resend", content=b"{}", headers=signed)).status_code == 401
        signed = {"stripe-signature": stripe_signature(b"{}", "")}
        assert (await http.post("/webhooks/stripe", content=b"{}", headers=signed)).status_code == 401
    await ingress.shutdown()


async def test_statuses_in_any_order_leave_the_furthest(door: Door) -> None:
    for number, order in enumerate(itertools.permutations(("queued", "sent", "delivered"))):
        identity = await door.message(f"SM{number}")
        for status in order:
            await door.status(f"SM{number}", status)
            await door.status(f"SM{number}", status)
        assert await door.state(identity) == ("delivered", None)
    assert {deliveries for _, _, deliveries in await door.kept("twilio")} == {2}
    figures = door.ingress.figures()
    assert (figures["stored"], figures["duplicates"], figures["unclaimed"]) == (18, 18, 0)


async def test_why_a_message_did_not_arrive_is_kept(door: Door) -> None:
    identity = await door.message("SM1")
    await door.status("SM1", "undelivered", ErrorCode="30005")
    await door.status("SM1", "sent")
    assert await door.state(identity) == ("undelivered", "30005")
    assert await door.suppressed() == []
    facts = await door.pool.fetchval("select facts from webhook_inbox where type = 'message.undelivered'")
    assert facts == {"vendor_id": "SM1", "status": "undelivered", "error": "30005"}
    unapplied = await door.pool.fetchval("select count(*) from webhook_inbox where applied_at is null")
    assert unapplied == 0, "an owner of calls has nothing to do with it"


async def test_one_who_opted_out_is_written_to_no_more(door: Door) -> None:
    await door.message("SM1")
    await door.status("SM1", "failed", ErrorCode="21610")
    assert await door.suppressed() == [(door.ours, "sms", "+15550000002", "opt-out")]


async def test_a_word_that_comes_before_the_answer_waits_for_it(door: Door) -> None:
    identity = await door.message(None)
    await door.status("SM1", "delivered")
    await door.status("SM1", "sent")
    assert (await door.state(identity))[0] == "sending"
    assert door.ingress.figures()["unclaimed"] == 2
    await door.sent(identity, "SM1")
    assert (await door.state(identity))[0] == "delivered"
    await door.status("SM1", "sent")
    assert (await door.state(identity))[0] == "delivered"
    assert await door.pool.fetchval("select count(*) from early_words") == 0


async def test_an_early_refusal_suppresses_once_the_message_is_known(door: Door) -> None:
    identity = await door.message(None)
    await door.status("SM1", "failed", ErrorCode="21610")
    assert await door.suppressed() == []
    await door.sent(identity, "SM1")
    assert await door.state(identity) == ("failed", "21610")
    assert await door.suppressed() == [(door.ours, "sms", "+15550000002", "opt-out")]


async def test_word_and_answer_at_once_miss_each_other_never(door: Door) -> None:
    for number in range(20):
        identity = await door.message(None)
        async with asyncio.TaskGroup() as group:
            group.create_task(door.sent(identity, f"SM{number}"))
            group.create_task(door.status(f"SM{number}", "delivered"))
        assert (await door.state(identity))[0] == "delivered"


async def test_stop_and_start_reach_everybody_who_writes_to_the_number(door: Door) -> None:
    for organization_id in (door.ours, door.theirs):
        await door.add_recipient(organization_id)
    await door.add_recipient(door.ours, "+15550000003")
    answer = await door.twilio(MessageSid="SM1", SmsStatus="received", From="+15550000002", Body=" stop ")
    assert answer.status_code == 200
    assert [row[2:] for row in await door.suppressed()] == [("+15550000002", "opt-out")] * 2
    await door.twilio(MessageSid="SM1", SmsStatus="received", From="+15550000002", Body=" stop ")
    await door.twilio(MessageSid="SM2", SmsStatus="received", From="+15550000003", Body="Please do not stop")
    assert len(await door.suppressed()) == 2
    await door.twilio(MessageSid="SM3", SmsStatus="received", From="+15550000002", Body="x", OptOutType="START")
    assert await door.suppressed() == []
    assert {kind for _, kind, _ in await door.kept("twilio")} == {"message.stop", "message.start"}


async def test_the_address_in_the_signature_is_the_public_one_with_its_query(door: Door) -> None:
    await door.message("SM1")
    members = {"MessageSid": "SM1", "MessageStatus": "sent"}
    assert (await door.twilio(query="?o=1&b=%20", **members)).status_code == 200
    wrong = twilio_signature("http://proxied/webhooks/twilio", members, TOKEN)
    assert (await door.twilio(signature=wrong, **members)).status_code == 401
    with_port = twilio_signature("https://us.example:443/webhooks/twilio", members, TOKEN)
    assert (await door.twilio(signature=with_port, **members)).status_code == 200


async def test_a_form_that_says_nothing_is_malformed(door: Door) -> None:
    for members in ({}, {"MessageSid": "SM1"}, {"MessageStatus": "sent"}, {"MessageSid": "SM 1", "MessageStatus": "x"}):
        assert (await door.twilio(**members)).status_code == 400


async def test_emails_bounce_and_are_complained_about(door: Door) -> None:
    hard, soft, disliked = [
        await door.message(f"e-{name}", channel="email", recipient=f"{name}@example.com")
        for name in ("hard", "soft", "disliked")
    ]
    await door.resend("email.bounced", "e-hard", bounce={"type": "Permanent", "subType": "General"})
    await door.resend("email.delivered", "e-hard")
    await door.resend("email.bounced", "e-soft", bounce={"type": "Transient", "subType": "MailboxFull"})
    await door.resend("email.complained", "e-disliked")
    await door.resend("email.opened", "e-disliked")
    assert await door.state(hard) == ("bounced", "Permanent: General")
    assert await door.state(soft) == ("bounced", "Transient: MailboxFull")
    assert await door.state(disliked) == ("complained", None)
    assert sorted(row[2:] for row in await door.suppressed()) == [
        ("disliked@example.com", "complaint"),
        ("hard@example.com", "bounce"),
    ]


async def test_an_event_of_resend_s_counts_once(door: Door) -> None:
    await door.message("e-1", channel="email", recipient="x@example.com")
    for _ in range(3):
        assert (await door.resend("email.sent", "e-1", event_id="msg_1")).status_code == 200
    assert await door.kept("resend") == [(door.ours, "email.sent", 3)]
    assert (await door.resend("contact.created", "e-1")).status_code == 200
    assert len(await door.kept("resend")) == 1


async def test_stripe_s_events_are_kept_once_for_whose_account_they_are_about(door: Door) -> None:
    secret = {"client_secret": "seti_secret"}
    for _ in range(2):
        await door.stripe("invoice.paid", {"id": "in_1", "customer": "cus_ours", **secret}, event_id="evt_1")
    await door.stripe("customer.subscription.updated", {"id": "sub_1", "customer": {"id": "cus_theirs"}})
    await door.stripe("checkout.session.completed", {"id": "cs_1", "client_reference_id": door.theirs})
    await door.stripe("customer.updated", {"id": "cus_theirs", "object": "customer"})
    await door.stripe(
        "invoice.created", {"parent": {"subscription_details": {"metadata": {"organization_id": door.ours}}}}
    )
    assert await door.kept("stripe") == [
        (door.ours, "invoice.paid", 2),
        (door.theirs, "customer.subscription.updated", 1),
        (door.theirs, "checkout.session.completed", 1),
        (door.theirs, "customer.updated", 1),
        (door.ours, "invoice.created", 1),
    ]
    row = await door.pool.fetchrow(
        "select packed, facts, occurred_at from webhook_inbox join webhook_bodies on inbox_id = id"
        " where event_key = 'evt_1'"
    )
    assert row is not None
    body = json.loads(unpacked(row["packed"]))
    assert body["data"]["object"] == {"id": "in_1", "customer": "cus_ours", "client_secret": "[redacted]"}
    assert row["facts"] == {"object": "in_1", "customer": "cus_ours"}
    assert row["occurred_at"] == datetime.fromtimestamp(1_790_000_000, UTC)


def thin(event_id: str = "evt_thin") -> bytes:
    """As Stripe tells of meter events it could not count: of none of them, and of nobody."""
    event = {
        "id": event_id,
        "object": "v2.core.event",
        "type": "v1.billing.meter.error_report_triggered",
        "created": "2026-11-01T12:00:00.000Z",
        "livemode": False,
        "related_object": {"id": "mtr_1", "type": "billing.meter", "url": "/v1/billing/meters/mtr_1"},
    }
    return json.dumps(event).encode()


async def test_a_thin_event_about_meters_is_kept_once_for_whoever_asks_what_it_holds(door: Door) -> None:
    content = thin()
    for _ in range(2):
        headers = {"stripe-signature": stripe_signature(content, STRIPE_SECRET)}
        assert (await door.http.post("/webhooks/stripe", content=content, headers=headers)).status_code == 200
    [row] = await door.pool.fetch("select * from account_events")
    assert (row["event_key"], row["deliveries"], row["settled_at"]) == ("evt_thin", 2, None)
    assert row["occurred_at"] == datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert await door.kept("stripe") == []
    figures = door.ingress.figures()
    assert (figures["received"], figures["unclaimed"]) == (2, 0)


async def test_each_of_stripe_s_destinations_has_a_secret_of_its_own(database_url: str) -> None:
    async with opened_door(database_url, stripe_webhook_secret=SecretStr(f"whsec_classic, {STRIPE_SECRET}")) as door:
        for secret, status in (("whsec_classic", 200), (STRIPE_SECRET, 200), ("whsec_other", 401), (", ", 401)):
            content = thin(f"evt_{secret}")
            headers = {"stripe-signature": stripe_signature(content, secret)}
            answer = await door.http.post("/webhooks/stripe", content=content, headers=headers)
            assert answer.status_code == status


async def test_an_event_of_nobody_s_account_passes(door: Door) -> None:
    assert (await door.stripe("invoice.paid", {"id": "in_1", "customer": "cus_somebody"})).status_code == 200
    assert (await door.stripe("invoice.paid", {"metadata": {"organization_id": "no-uuid"}})).status_code == 200
    assert await door.kept("stripe") == []
    assert door.ingress.figures()["unclaimed"] == 2
    malformed = b"[]"
    headers = {"stripe-signature": stripe_signature(malformed, STRIPE_SECRET)}
    assert (await door.http.post("/webhooks/stripe", content=malformed, headers=headers)).status_code == 400


async def test_nothing_is_acknowledged_while_postgres_is_away(door: Door) -> None:
    away = WebhookIngress(settings_for("postgresql://nobody@127.0.0.1:1/none"), router=Queue())
    await away.startup()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(away), base_url="http://proxied") as http:
        held = door.http
        door.http = http
        answers = [
            await door.twilio(MessageSid="SM1", MessageStatus="sent"),
            await door.resend("email.sent", "e-1"),
            await door.stripe("invoice.paid", {"customer": "cus_ours"}),
        ]
        door.http = held
    await away.shutdown()
    assert [answer.status_code for answer in answers] == [503, 503, 503]
