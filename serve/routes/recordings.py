"""A call's recording, streamed from the object store; players may ask for a range."""

import re
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from serve.auth import Caller, GuardedRoute, permits
from serve.errors import NotFoundError
from serve.services import Given
from storage.recording_reader import RecordingGoneError

router = APIRouter(
    route_class=GuardedRoute,
    tags=["calls"],
    prefix="/v1/organizations/{organization_id}/calls",
    dependencies=[permits("calls:read")],
)

_RANGE: Final = re.compile(r"bytes=(\d{0,15})-(\d{0,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """[start, end) of a recording; empty when nothing of what was asked for exists."""

    start: int
    end: int

    @classmethod
    def asked(cls, header: str | None, size: int) -> "ByteRange | None":
        """The range a header asks for; None for the whole, also when it asks for several or in another unit."""
        matched = _RANGE.fullmatch(header) if header is not None else None
        if matched is None or matched[1] == matched[2] == "":
            return None
        if matched[1] == "":
            return cls(max(0, size - int(matched[2])), size)
        start = int(matched[1])
        end = min(size, int(matched[2]) + 1) if matched[2] else size
        if matched[2] and int(matched[2]) < start:
            return None
        return cls(start, max(start, end))


@router.get(
    "/{call_id:path}/recording",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"audio/*": {}}, "description": "The recording"},
        206: {"content": {"audio/*": {}}, "description": "The range of it that was asked for"},
        416: {"description": "Nothing of the range exists"},
    },
)
async def get_recording(
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    call_id: str,
    request: Request,
    services: Given,
    caller: Caller,
) -> Response:
    """The recording's bytes, whole or one `Range` of them."""
    if "\0" in call_id:
        raise NotFoundError("There is no such recording.")
    async with services.reading(caller) as reads:
        kept = await services.archive.recording(reads, call_id, now=services.now())
    if kept is None or kept["bytes"] == 0:
        raise NotFoundError("There is no such recording.")
    size, digest = kept["bytes"], kept["sha256"].hex()
    part = ByteRange.asked(request.headers.get("range"), size)
    if part is not None and part.start >= part.end:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    whole = part or ByteRange(0, size)
    try:
        chunks = await services.recordings.open(kept["path"], start=whole.start, end=whole.end)
    except RecordingGoneError as gone:
        raise NotFoundError("The recording is kept no more.") from gone
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(whole.end - whole.start),
        "ETag": f'"{digest}"',
        "Cache-Control": "private, no-cache",
        "Content-Disposition": "inline",
    }
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{size}"
    return StreamingResponse(
        chunks, status_code=206 if part is not None else 200, headers=headers, media_type=kept["content_type"]
    )
