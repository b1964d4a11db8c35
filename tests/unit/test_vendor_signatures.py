"""Signatures of Stripe, Twilio and Resend: those of their own packages, bound to body, time and secret."""

import time

import pytest
import resend
import stripe
from twilio.request_validator import RequestValidator

from serve.simulator.callbacks import stripe_signature, svix_headers, twilio_signature
from serve.webhooks.signatures import is_stripes, is_svixs

PUBLIC = "https://us.example"
STRIPE_SECRET = "whsec_stripe"
RESEND_SECRET = "whsec_cmVzZW5kLXNlY3JldA=="
TOKEN = "token-of-the-account"


def test_our_signatures_are_those_of_the_vendors_packages() -> None:
    content = '{"id":"evt_1","data":{}}'
    now = int(time.time())
    header = stripe.WebhookSignature.generate_signature_header(content, STRIPE_SECRET, now)  # pyright: ignore[reportUnknownMemberType]
    assert is_stripes(header, content.encode(), STRIPE_SECRET, now=now * 1000)
    ours = stripe_signature(content.encode(), STRIPE_SECRET)
    assert stripe.WebhookSignature.verify_header(content, ours, STRIPE_SECRET, 300)  # pyright: ignore[reportUnknownMemberType]
    headers = svix_headers(content.encode(), RESEND_SECRET)
    named = {name: headers[f"svix-{name}"] for name in ("id", "timestamp", "signature")}
    assert resend.Webhooks.verify({"payload": content, "headers": named, "webhook_secret": RESEND_SECRET})  # pyright: ignore[reportArgumentType]
    signed = named["id"], named["timestamp"], named["signature"]
    assert is_svixs(*signed, content.encode(), RESEND_SECRET, now=now * 1000)
    members = {"MessageSid": "SM1", "To": "+15550000002"}
    url = f"{PUBLIC}/webhooks/twilio?organization=o"
    assert RequestValidator(TOKEN).validate(url, members, twilio_signature(url, members, TOKEN))  # pyright: ignore[reportUnknownMemberType]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "garbage",
        "t=,v1=",
        "t=1,v1=abc",
        "v1=abc",
        "t=99999999999999,v1=a",
        "t=\u0663,v1=a",
        ",,,",
        "t=1;v1=2",
        "v1=é",
    ],
)
def test_a_malformed_signature_of_stripe_s_is_none(header: str) -> None:
    assert not is_stripes(header, b"{}", STRIPE_SECRET, now=1_000)


def test_signatures_bind_body_time_and_secret() -> None:
    now = 1_790_000_000
    good = stripe_signature(b"{}", STRIPE_SECRET, timestamp=now)
    assert is_stripes(good, b"{}", STRIPE_SECRET, now=now * 1000 + 300_000)
    assert is_stripes(f"{good},v1=00,v0=11", b"{}", STRIPE_SECRET, now=now * 1000)
    for header, body, secret, at in (
        (good, b"{ }", STRIPE_SECRET, now),
        (good, b"{}", "whsec_other", now),
        (good, b"{}", STRIPE_SECRET, now + 301),
        (good, b"{}", STRIPE_SECRET, now - 301),
        (good.replace("v1=", "v0="), b"{}", STRIPE_SECRET, now),
    ):
        assert not is_stripes(header, body, secret, now=at * 1000)
    headers = svix_headers(b"{}", RESEND_SECRET, identity="msg_1", timestamp=now)
    signature = headers["svix-signature"]
    assert is_svixs("msg_1", str(now), f"v1,AAAA {signature}", b"{}", RESEND_SECRET, now=now * 1000)
    for identity, timestamp, told, secret in (
        ("msg_2", str(now), signature, RESEND_SECRET),
        ("msg_1", str(now + 1), signature, RESEND_SECRET),
        ("msg_1", "soon", signature, RESEND_SECRET),
        ("", str(now), signature, RESEND_SECRET),
        ("msg_1", str(now), signature.removeprefix("v1,"), RESEND_SECRET),
        ("msg_1", str(now), "v1,!!! é", RESEND_SECRET),
        ("msg_1", str(now), signature, "whsec_!!"),
        ("msg_1", str(now), signature, "whsec_b3RoZXI="),
    ):
        assert not is_svixs(identity, timestamp, told, b"{}", secret, now=now * 1000)
