"""Signatures by Standard Webhooks (symmetric, `v1`): HMAC-SHA256 over id, time and body."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from workflows.errors import RefusedError

_PREFIX: Final = "whsec_"


def message_id(delivery_id: UUID) -> str:
    """What a receiver knows the message by: the same at each attempt and each replay, so that it can act once."""
    return f"msg_{delivery_id.hex}"


def signed_headers(secrets: Sequence[str], *, delivery_id: UUID, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of an attempt made at `timestamp` (s), with one signature for each secret.

    Receivers accept the message when any of the signatures fits, so that a rotation refuses nothing. Raises
    RefusedError when a secret is none.
    """
    identifier = message_id(delivery_id)
    signed = f"{identifier}.{timestamp}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode() for secret in secrets]
    return {
        "webhook-id": identifier,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as malformed:
        raise RefusedError("the signing secret is no base64") from malformed
