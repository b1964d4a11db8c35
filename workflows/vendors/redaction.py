"""Secrets that ride along in VAPI's bodies, taken out before anything is stored, logged or shown."""

from functools import lru_cache

from actors.domain.json_types import JSON
from workflows.vendors.vapi_values import MAX_DEPTH, TOO_DEEP, WireError

REDACTED = "[redacted]"

# Both are compared without case, `_` and `-`.
_SECRET_KEYS = frozenset({"controlurl", "credential", "credentials", "headers", "listenurl", "xvapisignature"})
_SECRET_ENDINGS = ("accesskey", "apikey", "authorization", "password", "privatekey", "secret", "secretkey", "token")


@lru_cache(maxsize=4_096)
def is_secret_key(key: str) -> bool:
    """Whether what stands under this key is a secret whatever it is. Presigned URLs are not: processing needs them."""
    plain = key.lower().replace("_", "").replace("-", "")
    return plain in _SECRET_KEYS or plain.endswith(_SECRET_ENDINGS)


def redact(value: JSON) -> None:
    """Replace, in place and at any depth, what stands under a secret's key. Raises WireError beyond MAX_DEPTH.

    Empty values stay: that no secret was set is worth knowing, and tells nothing.
    """
    level: list[JSON] = [value]
    for _ in range(MAX_DEPTH):
        if not level:
            return
        level = _redact_level(level)
    if level:
        raise WireError(TOO_DEEP)


def _redact_level(level: list[JSON]) -> list[JSON]:
    deeper: list[JSON] = []
    for value in level:
        if isinstance(value, dict):
            for key, member in value.items():
                if is_secret_key(key):
                    if member:
                        value[key] = REDACTED
                elif isinstance(member, (dict, list)):
                    deeper.append(member)
        elif isinstance(value, list):
            deeper.extend(member for member in value if isinstance(member, (dict, list)))
    return deeper
