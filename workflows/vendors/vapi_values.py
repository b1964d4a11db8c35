"""Values of VAPI's JSON, read leniently: what has another shape than expected counts as not said."""

import math
import re
from datetime import UTC, datetime

import orjson

from actors.domain.json_types import JSON

REPLACEMENT = "\ufffd"
ID_LENGTH = 200
MAX_DEPTH = 200
"""Levels of objects and arrays in a body; VAPI's own have some fifteen. More is a fault or an attack."""
TOO_DEEP = f"the body is nested deeper than {MAX_DEPTH} levels"
_LATEST = 253_402_300_799_999
_LARGEST = 2**53

# Escapes as JSON writes them. Consuming every escape keeps `\\u0000` (a backslash, then text) from being taken for NUL.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u0000|u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


class WireError(Exception):
    """A body that cannot be read as a message. The message names the fault and quotes nothing of the body."""


def decode(body: bytes) -> tuple[JSON, int]:
    """The JSON value, and how many characters Postgres cannot hold (NUL, lone surrogates) became U+FFFD.

    Raises WireError: not UTF-8, not JSON, or nested deeper than 1,024 levels.
    """
    replaced = 0
    if rb"\u0000" in body:
        body, replaced = _replace_unstorable(body)
    try:
        return orjson.loads(body), replaced
    except orjson.JSONDecodeError as refused:
        fault = refused
    repaired, more = _replace_unstorable(body)
    if more:
        try:
            return orjson.loads(repaired), replaced + more
        except orjson.JSONDecodeError as refused:
            fault = refused
    raise WireError(_fault(body, fault)) from fault


def _replace_unstorable(body: bytes) -> tuple[bytes, int]:
    count = 0

    def replacement(found: re.Match[bytes]) -> bytes:
        nonlocal count
        if found[1] is None:
            return found[0]
        count += 1
        return rb"\ufffd"

    return _ESCAPE.sub(replacement, body), count


def _fault(body: bytes, refused: orjson.JSONDecodeError) -> str:
    try:
        body.decode()
    except UnicodeDecodeError:
        return "the body is not UTF-8"
    if "depth" in refused.msg or "recursion" in refused.msg:
        return TOO_DEEP
    return f"the body is not JSON: line {refused.lineno}, column {refused.colno}"


def mapping(value: JSON) -> dict[str, JSON]:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: JSON) -> list[JSON]:
    """The array, or an empty one."""
    return value if isinstance(value, list) else []


def text(value: JSON, limit: int = ID_LENGTH) -> str | None:
    """The text, cut to `limit` characters; None when it is not text or is empty."""
    return value[:limit] if isinstance(value, str) and value else None


def first_text(*values: JSON, limit: int = ID_LENGTH) -> str | None:
    """The first value that is text and not empty."""
    for value in values:
        if isinstance(value, str) and value:
            return value[:limit]
    return None


def number(value: JSON) -> float | None:
    """A finite number that fits the tables; None otherwise, and for booleans."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) and abs(value) < _LARGEST else None


def moment(value: JSON) -> int | None:
    """Milliseconds since the epoch, from milliseconds (whole or not) or ISO 8601 text; None when it is neither."""
    if isinstance(value, str):
        return _iso_moment(value)
    found = number(value)
    return int(found) if found is not None and 0 < found <= _LATEST else None


def _iso_moment(value: str) -> int | None:
    try:
        parsed = datetime.fromisoformat(value)
        aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        found = round(aware.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
    return found if 0 < found <= _LATEST else None


def milliseconds(value: JSON) -> int | None:
    """A duration told in milliseconds; None when negative or no number."""
    found = number(value)
    return round(found) if found is not None and found >= 0 else None


def seconds(value: JSON) -> int | None:
    """A duration told in seconds, in milliseconds."""
    found = number(value)
    return milliseconds(found * 1000) if found is not None else None


def micros(value: JSON) -> int | None:
    """US dollars, in millionths."""
    found = number(value)
    return round(found * 1_000_000) if found is not None and abs(found) < _LARGEST / 1_000_000 else None
