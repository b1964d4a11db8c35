"""Calls of a date range as a file, streamed while Postgres reads them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from starlette.types import Send

from serve.auth import Caller, GuardedRoute, permits
from serve.call_export import call_chunks
from serve.call_pages import DateRange
from serve.call_query import CallExportQuery
from serve.errors import InvalidParameterError, TemporarilyUnavailableError
from serve.services import Given, Services
from storage.call_filter import CallFilter
from storage.calls import Row, TooManyFoundError
from storage.principals import Principal

router = APIRouter(route_class=GuardedRoute, tags=["calls"], prefix="/v1/organizations/{organization_id}/calls")

EXPORT_SECONDS: Final = 300.0

_TYPES: Final = {"csv": "text/csv; charset=utf-8; header=present", "ndjson": "application/x-ndjson"}


class _Export(StreamingResponse):
    """Ends what it reads from with itself: when the reader leaves, and after EXPORT_SECONDS."""

    def __init__(self, chunks: AsyncGenerator[bytes], first: bytes, *, media_type: str, file_name: str) -> None:
        self._chunks = chunks
        super().__init__(
            _following(first, chunks),
            media_type=media_type,
            headers={"Content-Disposition": f'attachment; filename="{file_name}"'},
        )

    async def stream_response(self, send: Send) -> None:
        async with asyncio.timeout(EXPORT_SECONDS), aclosing(self._chunks):
            await super().stream_response(send)


@router.get(
    "/export",
    dependencies=[permits("calls:export")],
    response_class=StreamingResponse,
    responses={200: {"content": {kind.partition(";")[0]: {} for kind in _TYPES.values()}, "description": "The file"}},
)
async def export_calls(
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    services: Given,
    caller: Caller,
    query: Annotated[CallExportQuery, Query()],
) -> StreamingResponse:
    """Every call of a range of at most 93 days that the filters let through, newest first, all of one moment.

    Those of archived months too, marked `archived`: slower to read, and slowest with `search`, for which every
    transcript of such a month is gone through. A file takes at most 5 minutes: over archived months ask month by month.

    CSV with a header, or a JSON object on each line; the members are those of a call in a list. A cell of CSV that a
    spreadsheet would run as a formula begins with an apostrophe. An answer that breaks off is not complete.
    """
    dates = DateRange.asked(query.since, query.until, now=services.now())
    only = query.filter()
    chunks = call_chunks(_rows(services, caller, dates, only), query.format)
    try:
        # What fails before anything was sent is an answer of its own.
        first = await anext(chunks, b"")
    except TooManyFoundError as many:
        detail = "The words were said in too many calls: narrow the range."
        raise InvalidParameterError(detail, [{"at": "query.search", "detail": detail}]) from many
    name = f"calls-{dates.since:%Y%m%d}-{dates.until:%Y%m%d}.{query.format}"
    return _Export(chunks, first, media_type=_TYPES[query.format], file_name=name)


async def _rows(services: Services, caller: Principal, dates: DateRange, only: CallFilter) -> AsyncGenerator[Row]:
    # Each holds a connection for as long as its reader takes.
    if services.exports.locked():
        raise TemporarilyUnavailableError("Other exports are under way. Try again shortly.")
    async with (
        services.exports,
        services.reading(caller) as reads,
        aclosing(
            services.archive.every_call(reads, dates.start, since=dates.since, only=only, now=services.now())
        ) as rows,
    ):
        async for row in rows:
            yield row


async def _following(first: bytes, chunks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for chunk in chunks:
        yield chunk
