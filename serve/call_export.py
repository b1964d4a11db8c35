"""Calls as a file: a row for each, encoded as they come out of Postgres."""

import csv
import io
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Final, Literal, TypeAlias

import orjson

from serve.call_schemas import CallSummary
from storage.calls import Row

COLUMNS: Final = tuple(name for name in CallSummary.model_fields if name not in {"version", "evidence_kind"})
"""Of both formats, with the names the API has: units in them, times in ISO 8601."""
ROWS_IN_A_CHUNK: Final = 500
Format: TypeAlias = Literal["csv", "ndjson"]

_HEADER: Final[Mapping[str, Any]] = dict(zip(COLUMNS, COLUMNS, strict=True))

# What a spreadsheet would take for a formula. A plain number, a telephone number too, is none.
_FORMULA: Final = re.compile(r"[=+\-@\t\r\n]")
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)


async def call_chunks(rows: AsyncGenerator[Row], kind: Format) -> AsyncGenerator[bytes]:
    """`csv`: RFC 4180 in UTF-8, a header first, empty for what is not known. `ndjson`: a JSON object on each line.

    Nothing is yielded before the first rows were read. Closes `rows`.
    """
    encode, waiting = _ENCODERS[kind], [_HEADER] if kind == "csv" else []
    async with aclosing(rows):
        async for row in rows:
            waiting.append(CallSummary.of(row).model_dump(mode="json"))
            if len(waiting) >= ROWS_IN_A_CHUNK:
                yield encode(waiting)
                waiting = []
    if waiting:
        yield encode(waiting)


def _csv(calls: Iterable[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([_cell(call[name]) for name in COLUMNS] for call in calls)
    return text.getvalue().encode()


def _ndjson(calls: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(orjson.dumps({name: call[name] for name in COLUMNS}) + b"\n" for call in calls)


def _cell(value: Any) -> Any:
    """A text that would be a formula begins with an apostrophe. Tags, none of which holds a space, are one text."""
    if isinstance(value, list):
        return " ".join(value)  # pyright: ignore[reportUnknownArgumentType]  # tags
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


_ENCODERS: Final[Mapping[Format, Callable[[Iterable[Mapping[str, Any]]], bytes]]] = {"csv": _csv, "ndjson": _ndjson}
