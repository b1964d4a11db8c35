"""Whether a webhook was signed with our secret by Stripe, or by Svix, which Resend sends by."""

import base64
import binascii
import hmac
from typing import Final

TOLERANCE_SECONDS: Final = 300
_MOST_SIGNATURES: Final = 16
_MOST_DIGITS: Final = 12


def is_stripes(header: str, body: bytes, secret: str, *, now: int) -> bool:
    """Whether `Stripe-Signature` fits the body, and is at most 300 s old. `now` is in ms. Total."""
    timestamp = ""
    presented: list[str] = []
    for member in header.split(",")[: _MOST_SIGNATURES + 1]:
        name, _, value = member.strip().partition("=")
        if name == "t":
            timestamp = value
        elif name == "v1":
            presented.append(value)
    if not _is_timely(timestamp, now):
        return False
    expected = hmac.digest(secret.encode(), timestamp.encode() + b"." + body, "sha256").hex()
    return any(hmac.compare_digest(each.encode(errors="replace"), expected.encode()) for each in presented)


def is_svixs(identity: str, timestamp: str, header: str, body: bytes, secret: str, *, now: int) -> bool:
    """Whether `svix-signature` fits id, time and body, at most 300 s off. The secret is `whsec_` and base64. Total."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return False
    if not identity or not _is_timely(timestamp, now):
        return False
    signed = f"{identity}.{timestamp}.".encode(errors="replace") + body
    expected = base64.b64encode(hmac.digest(key, signed, "sha256"))
    presented = [each.removeprefix("v1,") for each in header.split(" ")[:_MOST_SIGNATURES] if each.startswith("v1,")]
    return any(hmac.compare_digest(each.encode(errors="replace"), expected) for each in presented)


def _is_timely(timestamp: str, now: int) -> bool:
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > _MOST_DIGITS:
        return False
    return abs(now - int(timestamp) * 1000) <= TOLERANCE_SECONDS * 1000
