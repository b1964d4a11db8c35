"""Whether a webhook comes from who holds one of the organization's secrets: in clear, as bearer, or as HMAC."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence

SECRETS_AT_ONCE = 2
TOLERANCE_MS = 300_000
# A timestamp below this cannot be milliseconds of our days: it is seconds.
_SMALLEST_MS = 100_000_000_000
_MAX_DIGITS = 16
_NOBODYS_SECRET = secrets.token_bytes(32)


def is_authentic(headers: Mapping[bytes, bytes], body: bytes, live_secrets: Sequence[bytes], *, now: int) -> bool:
    """Whether any credential of the request fits any live secret. `headers` are lower-case, `now` is ms.

    The work depends on what the request brought, never on how many secrets there are, or whether there are any.
    Read: `X-Vapi-Secret`, `Authorization: Bearer`, and `X-Signature`: hex HMAC-SHA256 over `{X-Timestamp}.{body}`, the
    timestamp (ms or s) at most 300 s off, or over the body alone when there is no timestamp.
    """
    slots = [*live_secrets[:SECRETS_AT_ONCE], _NOBODYS_SECRET, _NOBODYS_SECRET][:SECRETS_AT_ONCE]
    authentic = False
    for token in _tokens(headers):
        presented = hashlib.sha256(token).digest()
        for secret in slots:
            # Digests have one length, so the comparison tells nothing of the secret's.
            authentic |= hmac.compare_digest(presented, hashlib.sha256(secret).digest())
    signature = headers.get(b"x-signature")
    if signature is not None:
        timestamp = headers.get(b"x-timestamp")
        timely = timestamp is None or _is_timely(timestamp, now)
        presented = signature.strip().lower().removeprefix(b"sha256=")
        for secret in slots:
            authentic |= hmac.compare_digest(presented, _signature(secret, timestamp, body)) and timely
    return authentic


def _tokens(headers: Mapping[bytes, bytes]) -> list[bytes]:
    found = [headers.get(b"x-vapi-secret", b"")]
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        found.append(token.strip())
    return [token for token in found if token]


def _signature(secret: bytes, timestamp: bytes | None, body: bytes) -> bytes:
    if timestamp is None:
        return hmac.digest(secret, body, "sha256").hex().encode()
    signed = hmac.new(secret, timestamp, "sha256")
    signed.update(b".")
    signed.update(body)
    return signed.hexdigest().encode()


def _is_timely(timestamp: bytes, now: int) -> bool:
    if not timestamp.isdigit() or len(timestamp) > _MAX_DIGITS:
        return False
    told = int(timestamp)
    return abs(now - (told if told >= _SMALLEST_MS else told * 1000)) <= TOLERANCE_MS
