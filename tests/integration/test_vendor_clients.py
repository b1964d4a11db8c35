"""What the clients of Stripe, Twilio and Resend make of answers, silences and refusals: with the real packages."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import pytest_asyncio

from tests.fakes.vendor_server import VendorServer, running_vendor
from workflows.errors import AbsentError, AmbiguousError, ProviderError, ProviderUnavailableError, RefusedError
from workflows.vendors.resend_api import ResendApi
from workflows.vendors.stripe_api import StripeApi
from workflows.vendors.twilio_api import SentMessage, TwilioApi

ACCOUNT = "AC" + "a" * 32
SINCE = datetime(2026, 11, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Clients:
    stripe: StripeApi
    twilio: TwilioApi
    resend: ResendApi

    def act(self, vendor: str) -> Awaitable[object]:
        """Something that changes something, at each vendor."""
        match vendor:
            case "stripe":
                return self.meter()
            case "twilio":
                return self.sms()
            case _:
                return self.email()

    async def meter(self) -> None:
        await self.stripe.record_meter_event(
            event_name="seconds", customer="cus_1", value=7, identifier="call:o:c", timestamp=1_790_000_000
        )

    async def sms(self, body: str = "Call c-1 ended") -> SentMessage:
        return await self.twilio.send_sms(
            sender="+15550000001", to="+15550000002", body=body, status_callback="https://us.example/webhooks/twilio"
        )

    async def email(self, key: str = "call/c-1") -> str:
        return await self.resend.send_email(
            sender="us@example.com",
            to="them@example.com",
            subject="Call c-1",
            text="It ended.",
            idempotency_key=key,
            tags={"call_id": "c-1"},
        )


@pytest_asyncio.fixture
async def server() -> AsyncIterator[VendorServer]:
    async with running_vendor() as running:
        yield running


@pytest_asyncio.fixture
async def clients(server: VendorServer) -> AsyncIterator[Clients]:
    async with opened(server.base_url) as made:
        yield made


class opened:  # noqa: N801
    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Clients:
        return Clients(
            stripe=await self._stack.enter_async_context(StripeApi("sk_test_1", self._base_url)),
            twilio=await self._stack.enter_async_context(TwilioApi(ACCOUNT, "token", self._base_url)),
            resend=await self._stack.enter_async_context(ResendApi("re_1", self._base_url)),
        )

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()


def refusal(vendor: str, code: Any) -> dict[str, Any]:
    match vendor:
        case "stripe":
            return {"error": {"type": "invalid_request_error", "code": code, "message": "about +15550000002"}}
        case "twilio":
            return {"code": code, "message": "about +15550000002", "status": 400}
        case _:
            return {"name": code, "message": "about them@example.com", "statusCode": 400}


VENDORS = ["stripe", "twilio", "resend"]


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RefusedError),
        (401, RefusedError),
        (403, RefusedError),
        (404, AbsentError),
        (422, RefusedError),
        (429, ProviderUnavailableError),
        (500, AmbiguousError),
        (503, AmbiguousError),
    ],
)
async def test_statuses_have_names_and_nothing_is_tried_twice(
    clients: Clients, server: VendorServer, vendor: str, status: int, error: type[ProviderError]
) -> None:
    server.status = status
    server.body = refusal(vendor, "some_code")
    server.headers = {"retry-after": "17"}
    with pytest.raises(error) as raised:
        await clients.act(vendor)
    assert type(raised.value) is error
    assert len(server.asked) == 1
    assert "+1555" not in str(raised.value)
    assert "example.com" not in str(raised.value)
    if isinstance(raised.value, ProviderUnavailableError):
        assert raised.value.retry_after_seconds == 17
    if isinstance(raised.value, RefusedError) and status == 400:
        assert raised.value.code == "some_code"


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_request_that_was_sent_and_not_answered_is_ambiguous(
    clients: Clients, server: VendorServer, vendor: str
) -> None:
    server.silent = True
    with pytest.raises(AmbiguousError):
        await clients.act(vendor)
    assert len(server.asked) == 1


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_vendor_that_is_away_was_not_asked(vendor: str) -> None:
    async with opened("http://127.0.0.1:1") as clients:
        with pytest.raises(ProviderUnavailableError) as raised:
            await clients.act(vendor)
    assert type(raised.value) is ProviderUnavailableError


@pytest.mark.parametrize("vendor", VENDORS)
async def test_an_unreadable_answer_of_success_is_ambiguous(
    clients: Clients, server: VendorServer, vendor: str
) -> None:
    server.body = "<html>"
    with pytest.raises(AmbiguousError):
        await clients.act(vendor)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_proxy_s_page_in_place_of_an_answer_counts_by_its_status(
    clients: Clients, server: VendorServer, vendor: str
) -> None:
    server.body, server.status = "<html>", 502
    with pytest.raises(AmbiguousError):
        await clients.act(vendor)
    server.status = 403
    with pytest.raises(RefusedError):
        await clients.act(vendor)


async def test_reads_are_never_ambiguous(clients: Clients, server: VendorServer) -> None:
    reads: list[Callable[[], Awaitable[object]]] = [
        lambda: clients.stripe.subscription("sub_1"),
        lambda: clients.stripe.meter_summary(meter_id="mtr_1", customer="cus_1", start=0, end=60),
        clients.twilio.numbers,
        lambda: clients.twilio.find_sms(to="+1", sender="+2", since=SINCE, body="x"),
    ]
    for read in reads:
        server.status, server.body = 503, {}
        with pytest.raises(ProviderUnavailableError) as raised:
            await read()
        assert type(raised.value) is ProviderUnavailableError


@pytest.mark.parametrize("vendor", VENDORS)
async def test_connections_are_kept(clients: Clients, server: VendorServer, vendor: str) -> None:
    server.body = {"id": "e-1", "sid": "SM1", "status": "queued", "object": "billing.meter_event"}
    for _ in range(3):
        await clients.act(vendor)
    assert len(server.connections) == 1


async def test_a_meter_event_that_exists_is_success(clients: Clients, server: VendorServer) -> None:
    server.status = 400
    message = "An event already exists with identifier call:o:c."
    server.body = {"error": {"type": "invalid_request_error", "message": message}}
    await clients.meter()
    server.body = {"error": {"type": "invalid_request_error", "message": "No such customer"}}
    with pytest.raises(RefusedError) as raised:
        await clients.meter()
    assert raised.value.code == "invalid_request_error"


async def test_what_stripe_is_told(clients: Clients, server: VendorServer) -> None:
    server.body = {"object": "billing.meter_event"}
    await clients.meter()
    await clients.meter()
    told, again = server.asked
    assert (told.method, told.path) == ("POST", "/v1/billing/meter_events")
    assert parse_qs(told.body) == {
        "event_name": ["seconds"],
        "identifier": ["call:o:c"],
        "timestamp": ["1790000000"],
        "payload[stripe_customer_id]": ["cus_1"],
        "payload[value]": ["7"],
    }
    assert told.headers["authorization"] == "Bearer sk_test_1"
    assert told.headers["stripe-version"] == "2026-10-28.endive"
    # A stored failure must not come back for a day: the identifier alone keeps the event single.
    assert told.headers["idempotency-key"] != again.headers["idempotency-key"]
    assert "x-stripe-client-telemetry" not in again.headers
    assert not (Path.home() / ".config" / "stripe" / "telemetry_id").exists()


async def test_the_period_is_the_metered_item_s(clients: Clients, server: VendorServer) -> None:
    def item(name: str, usage_type: str, start: int) -> dict[str, Any]:
        recurring = {"usage_type": usage_type, "interval": "month"}
        return {
            "id": name,
            "object": "subscription_item",
            "current_period_start": start,
            "current_period_end": start + 10,
            "price": {"id": f"price_{name}", "object": "price", "recurring": recurring},
        }

    items = [item("si_base", "licensed", 100), item("si_metered", "metered", 200)]
    server.body = {
        "id": "sub_1",
        "object": "subscription",
        "status": "past_due",
        "customer": "cus_1",
        "items": {"object": "list", "data": items, "has_more": False, "url": "/v1/subscription_items"},
    }
    found = await clients.stripe.subscription("sub_1")
    assert (found.id, found.status, found.customer, found.item_id) == ("sub_1", "past_due", "cus_1", "si_metered")
    assert (found.period_start, found.period_end) == (200, 210)


async def test_a_summary_is_added_up_over_its_pages(clients: Clients, server: VendorServer) -> None:
    def page(*values: float, more: bool) -> dict[str, Any]:
        data = [
            {"id": f"s{at}", "object": "billing.meter_event_summary", "aggregated_value": value}
            for at, value in enumerate(values)
        ]
        return {"object": "list", "data": data, "has_more": more, "url": "/v1/billing/meters/mtr_1/event_summaries"}

    server.body = page(10.0, 20.0, more=False)
    total = await clients.stripe.meter_summary(meter_id="mtr_1", customer="cus_1", start=0, end=60)
    assert total == 30
    server.body = page(more=False)
    assert await clients.stripe.meter_summary(meter_id="mtr_1", customer="cus_1", start=0, end=60) == 0


async def test_one_who_opted_out_has_a_code(clients: Clients, server: VendorServer) -> None:
    server.status, server.body = 400, refusal("twilio", 21610)
    with pytest.raises(RefusedError) as raised:
        await clients.sms()
    assert raised.value.code == "21610"


async def test_a_full_queue_is_worth_another_try(clients: Clients, server: VendorServer) -> None:
    server.status, server.body = 400, refusal("twilio", 21611)
    with pytest.raises(ProviderUnavailableError) as raised:
        await clients.sms()
    assert type(raised.value) is ProviderUnavailableError


async def test_too_long_a_text_is_not_sent(clients: Clients, server: VendorServer) -> None:
    with pytest.raises(RefusedError):
        await clients.sms("x" * 1_601)
    assert server.asked == []


def message(sid: str, body: str, created: datetime, direction: str = "outbound-api") -> dict[str, Any]:
    return {
        "sid": sid,
        "body": body,
        "direction": direction,
        "status": "queued",
        "date_created": created.strftime("%a, %d %b %Y %H:%M:%S +0000"),
        "date_sent": None,
        "error_code": None,
    }


async def test_a_message_is_found_by_parties_time_and_text(clients: Clients, server: VendorServer) -> None:
    later = SINCE.replace(minute=1)
    server.body = {
        "messages": [
            message("SM4", "Call c-1 ended", later, "inbound"),
            message("SM3", "Call c-9 ended", later),
            message("SM2", "Sent from your Twilio trial account - Call c-1 ended", later),
            message("SM1", "Call c-1 ended", SINCE.replace(hour=1)),
        ],
        "next_page_uri": None,
        "page": 0,
        "page_size": 100,
    }
    found = await clients.twilio.find_sms(to="+15550000002", sender="+1555", since=SINCE, body="Call c-1 ended")
    assert found == SentMessage(id="SM2", status="queued")
    assert parse_qs(server.asked[0].query) == {"To": ["+15550000002"], "From": ["+1555"], "PageSize": ["100"]}
    assert await clients.twilio.find_sms(to="+1", sender="+2", since=SINCE, body="Call c-2 ended") is None


async def test_emails_leave_with_the_key_of_who_sends_them(clients: Clients, server: VendorServer) -> None:
    server.body = {"id": "e-1"}
    async with ResendApi("re_2", server.base_url) as other:
        sends = [
            other.send_email(
                sender="us@example.com", to="x@example.com", subject="s", text="t", idempotency_key=f"other/{n}"
            )
            for n in range(20)
        ]
        await asyncio.gather(*sends, *(clients.email(f"own/{n}") for n in range(20)))
    assert len(server.asked) == 40
    for each in server.asked:
        owner = "re_1" if each.headers["idempotency-key"].startswith("own/") else "re_2"
        assert each.headers["authorization"] == f"Bearer {owner}"


async def test_a_quota_waits_longer_than_a_rate(clients: Clients, server: VendorServer) -> None:
    server.status, server.body = 429, refusal("resend", "daily_quota_exceeded")
    with pytest.raises(ProviderUnavailableError) as raised:
        await clients.email()
    assert (raised.value.retry_after_seconds or 0) >= 3_600


async def test_a_key_in_use_is_ambiguous_and_a_reused_one_refused(clients: Clients, server: VendorServer) -> None:
    server.status, server.body = 409, refusal("resend", "concurrent_idempotent_requests")
    with pytest.raises(AmbiguousError):
        await clients.email()
    server.body = refusal("resend", "invalid_idempotent_request")
    with pytest.raises(RefusedError) as raised:
        await clients.email()
    assert raised.value.code == "invalid_idempotent_request"
