import hashlib
import hmac

import pytest

from serve.webhooks.authentication import is_authentic

SECRET = b"whsec_vapi_sample_key"
BODY = b'{"message":{"type":"status-update","status":"ended","timestamp":1786546871392,"call":{"id":"call_kat123"}}}'
TIMESTAMP = 1_786_546_871_433
OVER_BODY = b"bf7be5b3be319cba484d93d31bc820376566161a3a0a442c3b9292fc599a15e4"
OVER_BOTH = b"708dd047594968a1403c7e1695e89d3e0898ad57e0c6990ace3576f9a0259184"


def test_the_signature_over_the_body_alone() -> None:
    assert is_authentic({b"x-signature": OVER_BODY}, BODY, [SECRET], now=0)


def test_the_signature_over_timestamp_and_body() -> None:
    headers = {b"x-signature": OVER_BOTH, b"x-timestamp": str(TIMESTAMP).encode()}
    assert is_authentic(headers, BODY, [SECRET], now=TIMESTAMP)


@pytest.mark.parametrize(
    ("offset", "accepted"), [(-300_001, False), (-300_000, True), (300_000, True), (300_001, False)]
)
def test_a_timestamp_is_good_for_five_minutes_either_way(offset: int, *, accepted: bool) -> None:
    headers = {b"x-signature": OVER_BOTH, b"x-timestamp": str(TIMESTAMP).encode()}
    assert is_authentic(headers, BODY, [SECRET], now=TIMESTAMP + offset) is accepted


def test_a_timestamp_may_be_told_in_seconds() -> None:
    seconds = str(TIMESTAMP // 1000).encode()
    signature = hmac.digest(SECRET, seconds + b"." + BODY, "sha256").hex().encode()
    headers = {b"x-signature": signature, b"x-timestamp": seconds}
    assert is_authentic(headers, BODY, [SECRET], now=TIMESTAMP)
    assert not is_authentic(headers, BODY, [SECRET], now=TIMESTAMP + 600_000)


@pytest.mark.parametrize("timestamp", [b"", b"-5", b"soon", b"1e12", b"9" * 5_000, "\uff11\uff12".encode()])
def test_a_timestamp_that_is_none_is_refused(timestamp: bytes) -> None:
    signature = hmac.digest(SECRET, timestamp + b"." + BODY, "sha256").hex().encode()
    headers = {b"x-signature": signature, b"x-timestamp": timestamp}
    assert not is_authentic(headers, BODY, [SECRET], now=TIMESTAMP)


def test_a_signature_does_not_pass_to_another_body_or_without_its_timestamp() -> None:
    assert not is_authentic({b"x-signature": OVER_BODY}, BODY + b" ", [SECRET], now=0)
    assert not is_authentic({b"x-signature": OVER_BOTH}, BODY, [SECRET], now=TIMESTAMP)


@pytest.mark.parametrize(
    "headers",
    [
        {b"x-vapi-secret": SECRET},
        {b"authorization": b"Bearer " + SECRET},
        {b"authorization": b"bearer " + SECRET},
        {b"authorization": b"Bearer wrong", b"x-vapi-secret": SECRET},
        {b"x-signature": b"wrong", b"x-vapi-secret": SECRET},
        {b"x-signature": b"sha256=" + OVER_BODY.upper()},
    ],
)
def test_any_good_credential_is_enough(headers: dict[bytes, bytes]) -> None:
    assert is_authentic(headers, BODY, [SECRET], now=0)
    assert is_authentic(headers, BODY, [b"newer", SECRET], now=0)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"x-vapi-secret": b""},
        {b"x-vapi-secret": SECRET + b"x"},
        {b"x-vapi-secret": b"\xff\xfe"},
        {b"authorization": SECRET},
        {b"authorization": b"Basic " + SECRET},
        {b"authorization": b"Bearer"},
        {b"x-signature": b""},
        {b"x-signature": b"\xff"},
        {b"x-signature": hashlib.sha256(BODY).hexdigest().encode()},
    ],
)
def test_nothing_else_is(headers: dict[bytes, bytes]) -> None:
    assert not is_authentic(headers, BODY, [SECRET], now=0)
    assert not is_authentic(headers, BODY, [], now=0)


def test_a_third_secret_is_not_looked_at() -> None:
    assert not is_authentic({b"x-vapi-secret": SECRET}, BODY, [b"newest", b"newer", SECRET], now=0)
