"""Every request that the clients send, by the real packages, to vendors that refuse what is not in their contract."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from storage.account_events import AccountEvent, AccountEvents
from tests.fakes.processing_world import until
from tests.fakes.simulated_vendors import ACCOUNT, RESEND_KEY, STRIPE_KEY, TOKEN, SimulatedVendors, simulated_vendors
from workflows.errors import AbsentError, AmbiguousError, ProviderUnavailableError, RefusedError
from workflows.vendors.resend_api import ResendApi
from workflows.vendors.stripe_api import StripeApi
from workflows.vendors.stripe_events import meter_errors
from workflows.vendors.twilio_api import OPTED_OUT, TwilioApi

PRICES = ["price_base", "price_metered"]


@dataclass(frozen=True, kw_only=True)
class Asking:
    vendors: SimulatedVendors
    stripe: StripeApi
    twilio: TwilioApi
    resend: ResendApi

    async def meter(self, customer: str, value: int, identifier: str, at: datetime | None = None) -> None:
        moment = at or datetime.now(UTC)
        await self.stripe.record_meter_event(
            event_name="call_seconds",
            customer=customer,
            value=value,
            identifier=identifier,
            timestamp=int(moment.timestamp()),
        )

    async def summary(self, customer: str) -> int:
        now = int(datetime.now(UTC).timestamp()) // 60 * 60
        return await self.stripe.meter_summary(
            meter_id="mtr_call_seconds", customer=customer, start=now - 86_400, end=now + 3_600
        )

    async def email(self, text: str = "It ended.", *, key: str = "call/c-1", to: str = "them@example.com") -> str:
        return await self.resend.send_email(
            sender="Calls <us@example.com>",
            to=to,
            subject="Call c-1",
            text=text,
            html=f"<p>{text}</p>",
            idempotency_key=key,
            tags={"organization_id": self.vendors.ours, "call_id": "c-1"},
        )


@pytest_asyncio.fixture
async def asking(database_url: str, redis_url: str) -> AsyncIterator[Asking]:
    async with simulated_vendors(database_url, redis_url) as vendors, AsyncExitStack() as stack:
        yield Asking(
            vendors=vendors,
            stripe=await stack.enter_async_context(StripeApi(STRIPE_KEY, vendors.url("stripe"))),
            twilio=await stack.enter_async_context(TwilioApi(ACCOUNT, TOKEN, vendors.url("twilio"))),
            resend=await stack.enter_async_context(ResendApi(RESEND_KEY, vendors.url("resend"))),
        )


async def test_usage_is_counted_once_by_identifier(asking: Asking) -> None:
    await asking.meter("cus_1", 61, "call:o:c-1")
    await asking.meter("cus_1", 61, "call:o:c-1")
    await asking.meter("cus_1", 9, "call:o:c-2")
    await asking.meter("cus_2", 500, "call:o:c-3")
    assert await asking.summary("cus_1") == 70
    await asking.stripe.cancel_meter_event(event_name="call_seconds", identifier="call:o:c-2")
    assert await asking.summary("cus_1") == 61
    assert await asking.summary("cus_9") == 0


async def test_twins_at_once_count_once(asking: Asking) -> None:
    await asyncio.gather(*(asking.meter("cus_1", 7, "call:o:c-1") for _ in range(10)))
    assert await asking.summary("cus_1") == 7


async def test_usage_of_long_ago_and_of_no_meter_is_refused(asking: Asking) -> None:
    with pytest.raises(RefusedError):
        await asking.meter("cus_1", 1, "call:o:old", datetime.now(UTC) - timedelta(days=36))
    with pytest.raises(RefusedError):
        await asking.meter("", 1, "call:o:nobody")
    with pytest.raises(AbsentError):
        await asking.stripe.cancel_meter_event(event_name="call_seconds", identifier="call:o:never")
    with pytest.raises(AbsentError):
        await asking.stripe.meter_summary(meter_id="mtr_none", customer="cus_1", start=0, end=60)


async def test_a_metered_price_leads_to_its_meter(asking: Asking) -> None:
    meter = await asking.stripe.meter_of("price_metered")
    assert (meter.id, meter.event_name) == ("mtr_call_seconds", "call_seconds")
    with pytest.raises(RefusedError):
        await asking.stripe.meter_of("price_base")


async def test_what_stripe_took_and_cannot_count_is_told_thinly_and_asked_for(asking: Asking) -> None:
    gone = await asking.stripe.create_customer(
        organization_id=asking.vendors.ours, name="Clinic", email=None, idempotency_key="gone"
    )
    await asking.stripe.delete_customer(gone)
    await asking.meter(gone, 60, "call:o:uncounted")
    assert await asking.summary(gone) == 0

    async def heard() -> Sequence[AccountEvent]:
        return await AccountEvents(asking.vendors.pool, "stripe").due(at=2**43, limit=10)

    await until(lambda: _is_true(heard))
    [event] = await heard()
    assert meter_errors(await asking.stripe.event(event.key)) == {"call:o:uncounted": "meter_event_customer_not_found"}
    with pytest.raises(AbsentError):
        await asking.stripe.event("evt_never")


async def _is_true(asked: Callable[[], Awaitable[object]]) -> bool:
    return bool(await asked())


async def test_a_customer_subscribes_once_and_leaves(asking: Asking) -> None:
    async def customer(name: str = "Clinic") -> str:
        return await asking.stripe.create_customer(
            organization_id=asking.vendors.ours, name=name, email="owner@example.com", idempotency_key="customer/1"
        )

    first = await customer()
    assert await customer() == first
    with pytest.raises(RefusedError) as raised:
        await customer("Another")
    assert raised.value.code == "idempotency_error"
    made = await asking.stripe.create_subscription(
        customer=first, prices=PRICES, idempotency_key="subscription/1", organization_id=asking.vendors.ours
    )
    assert await asking.stripe.subscription(made.id) == made
    assert (made.status, made.customer) == ("active", first)
    assert made.item_id.endswith("_metered")
    now = datetime.now(UTC).timestamp()
    assert made.period_start <= now < made.period_end
    assert 27 * 86_400 < made.period_end - made.period_start < 32 * 86_400
    await asking.stripe.cancel_subscription(made.id)
    assert (await asking.stripe.subscription(made.id)).status == "canceled"
    await asking.stripe.cancel_subscription(made.id)
    await asking.stripe.delete_customer(first)
    await asking.stripe.delete_customer(first)
    with pytest.raises(AbsentError):
        await asking.stripe.subscription("sub_never")


async def test_customers_and_subscriptions_are_found_by_their_marks(asking: Asking) -> None:
    begun = int(datetime.now(UTC).timestamp())
    marks = {"onboarding_id": "one"}
    assert await asking.stripe.find_customer(marks, since=begun) is None
    first, other = [
        await asking.stripe.create_customer(
            organization_id=asking.vendors.ours,
            name="Clinic",
            email=None,
            idempotency_key=f"customer/{name}",
            marks=told,
        )
        for name, told in (("one", marks), ("two", {"onboarding_id": "two"}))
    ]
    assert await asking.stripe.find_customer(marks, since=begun) == first
    assert await asking.stripe.find_subscription(first, marks) is None
    for customer, told in ((first, marks), (other, {})):
        await asking.stripe.create_subscription(
            customer=customer, prices=PRICES, idempotency_key=f"subscription/{customer}", marks=told
        )
    found = await asking.stripe.find_subscription(first, marks)
    assert found is not None
    assert found.customer == first
    assert await asking.stripe.find_subscription(other, marks) is None
    assert await asking.stripe.customer_exists(first)
    await asking.stripe.delete_customer(first)
    assert not await asking.stripe.customer_exists(first)
    assert await asking.stripe.knows_customer(first), "as one that was deleted"
    assert not await asking.stripe.knows_customer("cus_never")
    assert await asking.stripe.find_customer(marks, since=begun) is None
    assert (await asking.stripe.subscription(found.id)).status == "canceled"


async def test_a_key_s_account_is_told(asking: Asking) -> None:
    assert await asking.stripe.account() == "acct_simulated"


async def test_the_pages_of_a_customer(asking: Asking) -> None:
    link = await asking.stripe.checkout_link(
        organization_id=asking.vendors.ours,
        customer="cus_1",
        prices={"price_base": 1, "price_metered": None},
        success_url="https://us.example/paid",
        cancel_url="https://us.example/",
    )
    assert link.startswith(f"{asking.vendors.origin}/simulator/stripe/pay/cs_")
    async with httpx.AsyncClient() as browser:
        assert "Subscribe" in (await browser.get(link)).text
        paid = await browser.post(link)
        assert (paid.status_code, paid.headers["location"]) == (303, "https://us.example/paid")
        assert (await browser.get(link)).status_code == 404
        portal = await asking.stripe.portal_link(customer="cus_1", return_url="https://us.example/")
        assert (await browser.get(portal)).status_code == 200


async def test_a_message_is_sent_each_time_and_found_again(asking: Asking) -> None:
    since = datetime.now(UTC)

    async def send(body: str, to: str = "+15550000002") -> str:
        sent = await asking.twilio.send_sms(
            sender="+15550000001", to=to, body=body, status_callback=f"{asking.vendors.origin}/webhooks/twilio"
        )
        assert sent.status == "queued"
        return sent.id

    first, second = await send("Call c-1 ended."), await send("Call c-1 ended.")
    assert first != second, "Twilio knows no idempotency key"
    await send("Call c-2 ended.")
    found = await asking.twilio.find_sms(to="+15550000002", sender="+15550000001", since=since, body="Call c-1 ended.")
    assert found is not None
    assert found.id in {first, second}
    for to, sender, body in (
        ("+15550000003", "+15550000001", "Call c-1 ended."),
        ("+15550000002", "+15550000009", "Call c-1 ended."),
        ("+15550000002", "+15550000001", "Call c-3 ended."),
    ):
        assert await asking.twilio.find_sms(to=to, sender=sender, since=since, body=body) is None
    with pytest.raises(RefusedError) as raised:
        await send("Call c-1 ended.", "+15005550004")
    assert raised.value.code == OPTED_OUT


async def test_listing_goes_over_pages(asking: Asking) -> None:
    since = datetime.now(UTC)
    sends = [
        asking.twilio.send_sms(sender="+15550000001", to="+15550000002", body=f"Call {n:03d}", status_callback=None)
        for n in range(130)
    ]
    await asyncio.gather(*sends)
    found = [
        await asking.twilio.find_sms(to="+15550000002", sender="+15550000001", since=since, body=f"Call {n:03d}")
        for n in (0, 129)
    ]
    assert None not in found


async def test_a_number_is_bought_once_and_released(asking: Asking) -> None:
    for_sale = await asking.twilio.search_numbers("US", "415")
    assert for_sale[0].startswith("+1415")
    bought = await asking.twilio.buy_number(for_sale[0], friendly_name="Front desk", sms_url="https://us.example/sms")
    assert for_sale[0] not in await asking.twilio.search_numbers("US", "415")
    with pytest.raises(RefusedError):
        await asking.twilio.buy_number(for_sale[0], friendly_name="Front desk")
    assert [each.id for each in await asking.twilio.numbers(for_sale[0])] == [bought.id]
    assert [each.id for each in await asking.twilio.numbers()] == [bought.id]
    assert [each.id for each in await asking.twilio.numbers(friendly_name="Front desk")] == [bought.id]
    assert await asking.twilio.numbers(friendly_name="Back office") == []
    await asking.twilio.release_number(bought.id)
    await asking.twilio.release_number(bought.id)
    assert await asking.twilio.numbers() == []


async def test_an_email_is_sent_once_by_its_key(asking: Asking) -> None:
    first = await asking.email()
    assert await asking.email() == first
    assert await asking.email(key="call/c-2") != first
    with pytest.raises(RefusedError) as raised:
        await asking.email("Something else.")
    assert raised.value.code == "invalid_idempotent_request"
    assert await asking.resend.email_state(first) == "delivered"
    with pytest.raises(AbsentError):
        await asking.resend.email_state("no-such-email")


async def test_a_request_whose_answer_is_lost_was_carried_out(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflows.vendors.vendor_http._TOTAL_SECONDS", 1.0)
    since = datetime.now(UTC)
    await asking.vendors.misbehave(twilio={"drop_rate": 1.0})
    with pytest.raises(AmbiguousError):
        await asking.twilio.send_sms(sender="+15550000001", to="+15550000002", body="Call c-1", status_callback=None)
    await asking.vendors.misbehave(twilio={})
    found = await asking.twilio.find_sms(to="+15550000002", sender="+15550000001", since=since, body="Call c-1")
    assert found is not None


@pytest.mark.parametrize("vendor", ["stripe", "twilio", "resend"])
async def test_faults_are_told_apart(asking: Asking, vendor: str) -> None:
    acts: dict[str, Callable[[], Awaitable[Any]]] = {
        "stripe": lambda: asking.meter("cus_1", 1, "call:o:c"),
        "twilio": lambda: asking.twilio.send_sms(
            sender="+15550000001", to="+15550000002", body="x", status_callback=None
        ),
        "resend": asking.email,
    }
    await asking.vendors.misbehave(**{vendor: {"status": 429, "retry_after_seconds": 9}})
    with pytest.raises(ProviderUnavailableError) as raised:
        await acts[vendor]()
    assert (type(raised.value), raised.value.retry_after_seconds) == (ProviderUnavailableError, 9)
    await asking.vendors.misbehave(**{vendor: {"status": 503}})
    with pytest.raises(AmbiguousError):
        await acts[vendor]()
    await asking.vendors.misbehave()
    await acts[vendor]()


async def test_wrong_credentials_are_refused(asking: Asking) -> None:
    async with (
        StripeApi("sk_wrong", asking.vendors.url("stripe")) as stripe,
        TwilioApi(ACCOUNT, "wrong", asking.vendors.url("twilio")) as twilio,
        ResendApi("re_wrong", asking.vendors.url("resend")) as resend,
    ):
        wrong = Asking(vendors=asking.vendors, stripe=stripe, twilio=twilio, resend=resend)
        for act in (lambda: wrong.meter("cus_1", 1, "x"), twilio.numbers, wrong.email):
            with pytest.raises(RefusedError):
                await act()


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("stripe/v1/billing/meter_events", {"event_name": "s", "payload[value]": "1", "identifer": "misspelt"}),
        ("stripe/v1/billing/meter_events", {"payload[value]": "1"}),
        ("stripe/v1/billing/meter_events", {"event_name": "s", "payload[value]": "1", "timestamp": "soon"}),
        ("stripe/v1/billing/usage_records", {"quantity": "1"}),
        (f"twilio/2010-04-01/Accounts/{ACCOUNT}/Messages.json", {"To": "+1", "From": "+2", "Text": "misspelt"}),
        (f"twilio/2010-04-01/Accounts/{ACCOUNT}/Messages.json", {"From": "+2", "Body": "nobody"}),
        (f"twilio/2010-04-01/Accounts/{ACCOUNT}/Messages.json", {"To": "+1", "From": "+2", "Body": "x" * 1_601}),
        ("twilio/2010-04-01/Accounts/short/Messages.json", {"To": "+1", "From": "+2", "Body": "x"}),
    ],
)
async def test_what_is_not_in_the_contract_is_refused(asking: Asking, path: str, form: dict[str, str]) -> None:
    basic = httpx.BasicAuth(path.split("/")[3], TOKEN)
    auth = basic if path.startswith("twilio") else httpx.Auth()
    headers = {"authorization": f"Bearer {STRIPE_KEY}"} if path.startswith("stripe") else {}
    answer = await asking.vendors.http.post(f"/simulator/{path}", data=form, headers=headers, auth=auth)
    assert answer.status_code in {400, 404}


@pytest.mark.parametrize(
    "body",
    [
        {"from": "a@b.c", "to": "d@e.f", "text": "no subject"},
        {"from": "a@b.c", "to": [], "subject": "s", "text": "nobody"},
        {"from": "a@b.c", "to": "d@e.f", "subject": "s", "text": "t", "tags": [{"name": "a b", "value": "c"}]},
        {"from": "a@b.c", "to": "d@e.f", "subject": "s", "body": "misspelt"},
        {"from": "a@b.c", "to": "d@e.f", "subject": "neither text nor html"},
    ],
)
async def test_an_email_that_is_not_in_the_contract_is_refused(asking: Asking, body: dict[str, Any]) -> None:
    headers = {"authorization": f"Bearer {RESEND_KEY}"}
    answer = await asking.vendors.http.post("/simulator/resend/emails", json=body, headers=headers)
    assert answer.status_code == 422


async def test_requests_are_shown_to_the_organization_they_name_alone(asking: Asking) -> None:
    vendors = asking.vendors
    await vendors.pool.execute("update organizations set stripe_customer_id = 'cus_ours' where id = $1", vendors.ours)
    await asking.email()
    await asking.meter("cus_ours", 7, "call:x:y")
    await asking.meter("cus_nobody", 7, f"call:{vendors.theirs}:c-9")
    await asking.meter("cus_nobody", 7, "call:unknown")
    await asking.twilio.send_sms(
        sender="+15550000001",
        to="+15550000002",
        body="Call c-1 ended.",
        status_callback=f"{vendors.origin}/webhooks/twilio?organization_id={vendors.ours}",
    )
    customer = await asking.stripe.create_customer(
        organization_id=vendors.theirs, name="Clinic", email=None, idempotency_key="customer/theirs"
    )
    await asking.meter(customer, 7, "call:z")
    ours = await vendors.requests("ours")
    assert [each["vendor"] for each in ours] == ["resend", "stripe", "twilio"]
    email, meter, sms = ours
    assert (email["body"]["tags"][1], email["path"]) == ({"name": "call_id", "value": "c-1"}, "/emails")
    assert email["headers"]["authorization"] == "[redacted]"
    assert email["headers"]["idempotency-key"] == "call/c-1"
    assert meter["body"]["payload[value]"] == "7"
    assert sms["body"]["Body"] == "Call c-1 ended."
    theirs = [each["body"].get("identifier") for each in await vendors.requests("theirs")]
    assert theirs == [f"call:{vendors.theirs}:c-9", None, "call:z"]


async def test_a_customer_s_endpoint_shows_what_it_was_sent(asking: Asking) -> None:
    url = f"/simulator/receiver/{asking.vendors.ours}"
    headers = {"webhook-id": "m-1", "webhook-signature": "v1,abc", "authorization": "Bearer x"}
    assert (await asking.vendors.http.post(url, json={"type": "call.completed"}, headers=headers)).status_code == 200
    await asking.vendors.misbehave(receiver={"status": 410})
    assert (await asking.vendors.http.post(f"{url}/second", json={})).status_code == 410
    assert (await asking.vendors.http.post("/simulator/receiver/nobody", json={})).status_code == 404
    first, second = await asking.vendors.requests(vendor="receiver")
    assert (first["path"], first["status"], first["body"]) == (
        f"/{asking.vendors.ours}",
        200,
        {"type": "call.completed"},
    )
    assert first["headers"]["webhook-signature"] == "v1,abc"
    assert first["headers"]["authorization"] == "[redacted]"
    assert (second["path"], second["status"]) == (f"/{asking.vendors.ours}/second", 410)
    assert await asking.vendors.requests("theirs") == []
