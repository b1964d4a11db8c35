"""What people write down about a call, while it goes on or later."""

from http import HTTPStatus
from typing import Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Response

from serve.auth import Caller, GuardedRoute, permits
from serve.changes import Asked, Made, found
from serve.errors import NotFoundError
from serve.resource_schemas import NewNote, Note, Notes
from serve.services import Given
from storage.tenant_rows import TenantRows

router = APIRouter(route_class=GuardedRoute, tags=["calls"], prefix="/v1/organizations/{organization_id}/calls")

_WRITES: Final = permits("calls:annotate")


@router.get("/{call_id:path}/notes", dependencies=[permits("calls:read")])
async def list_notes(call_id: str, services: Given, caller: Caller) -> Notes:
    """The notes on a call, oldest first; at most 500."""
    call_id = storable_id(call_id)
    async with services.viewing(caller) as rows:
        found(await rows.one("call_known", call_id), "call")
        told = await rows.all("notes_of_call", call_id)
    return Notes(notes=[Note.model_validate(row) for row in told])


@router.post("/{call_id:path}/notes", dependencies=[_WRITES], status_code=HTTPStatus.CREATED, response_model=Note)
async def add_note(call_id: str, change: Asked, asked: NewNote) -> Response:
    """Write something down about a call. It stays with the call."""
    call_id, note_id = storable_id(call_id), uuid4()

    async def make(rows: TenantRows) -> Made:
        row = found(await rows.one("note_add", call_id, note_id, asked.text), "call")
        await rows.audit("note-added", call_id)
        return Made(shown=Note.model_validate(row), status=HTTPStatus.CREATED, tagged=False)

    return await change.answer(make)


@router.delete(
    "/{call_id:path}/notes/{note_id}",
    dependencies=[_WRITES],
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
)
async def remove_note(call_id: str, note_id: UUID, change: Asked) -> Response:
    """Take back a note of one's own."""
    call_id = storable_id(call_id)

    async def make(rows: TenantRows) -> Made:
        found(await rows.one("note_remove", call_id, note_id), "note")
        await rows.audit("note-removed", call_id)
        return Made(shown=None)

    return await change.answer(make)


def storable_id(call_id: str) -> str:
    """The id, if Postgres could hold it. Raises NotFoundError."""
    if "\0" in call_id:
        raise NotFoundError("There is no such call.")
    return call_id
