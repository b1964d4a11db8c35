"""Phone numbers, and the assistant that answers each."""

from http import HTTPStatus
from typing import Any, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Response

from serve.auth import Caller, GuardedRoute, permits
from serve.cached_reads import CachedReads
from serve.changes import Asked, Change, Made, found, shown_with_etag
from serve.errors import InvalidParameterError
from serve.list_cursor import CursorText, Limit, page_of, read_page
from serve.resource_schemas import NewPhoneNumber, PhoneNumberChange, PhoneNumberPage, PhoneNumberView
from serve.services import Given
from storage import cache_keys
from storage.cache_keys import CacheKey
from storage.tenant_rows import TenantRows

router = APIRouter(
    route_class=GuardedRoute, tags=["phone numbers"], prefix="/v1/organizations/{organization_id}/phone-numbers"
)

_READS: Final = permits("phone-numbers:read")
_WRITES: Final = permits("phone-numbers:write")
_LIST: Final = "phone-numbers"


@router.get("", dependencies=[_READS])
async def list_phone_numbers(
    organization_id: str, services: Given, caller: Caller, cursor: CursorText = None, limit: Limit = 50
) -> PhoneNumberPage:
    """The organization's numbers, newest first."""
    owner = (organization_id, _LIST)
    if cursor is None:
        numbers = await CachedReads(services, caller).phone_numbers()
        page, following = page_of([dict(each) for each in numbers[: limit + 1]], limit, *owner)
    else:
        async with services.viewing(caller) as rows:
            page, following = await read_page(rows, "phone_numbers_page", cursor=cursor, limit=limit, owner=owner)
    return PhoneNumberPage(phone_numbers=[PhoneNumberView.model_validate(row) for row in page], next_cursor=following)


@router.post("", dependencies=[_WRITES], status_code=HTTPStatus.CREATED, response_model=PhoneNumberView)
async def create_phone_number(change: Asked, asked: NewPhoneNumber) -> Response:
    """Add a number. Calls to it are answered by its assistant within 5 seconds."""
    phone_number_id = uuid4()

    async def make(rows: TenantRows) -> Made:
        await _require_assistant(rows, asked.assistant_id)
        await rows.one(
            "phone_number_add", phone_number_id, asked.provider_phone_number_id, asked.number, asked.assistant_id
        )
        await rows.audit("phone-number-created", str(phone_number_id))
        return Made(
            shown=await _shown(rows, phone_number_id),
            status=HTTPStatus.CREATED,
            stale=_stale(change, asked.assistant_id),
        )

    return await change.answer(make)


@router.get("/{phone_number_id}", dependencies=[_READS], response_model=PhoneNumberView)
async def get_phone_number(phone_number_id: UUID, services: Given, caller: Caller) -> Response:
    """One number."""
    async with services.viewing(caller) as rows:
        return shown_with_etag(await _shown(rows, phone_number_id))


@router.patch("/{phone_number_id}", dependencies=[_WRITES], response_model=PhoneNumberView)
async def change_phone_number(phone_number_id: UUID, change: Asked, asked: PhoneNumberChange) -> Response:
    """Change members: `assistant_id` gives the number to another assistant, null to none."""
    told = asked.model_dump(exclude_unset=True)

    async def make(rows: TenantRows) -> Made:
        row = await change.begin(rows, "phone_number", phone_number_id, PhoneNumberView.model_validate)
        becomes: dict[str, Any] = {**row, **told}
        if told.get("assistant_id") is not None:
            await _require_assistant(rows, told["assistant_id"])
        await rows.one(
            "phone_number_change",
            phone_number_id,
            becomes["provider_phone_number_id"],
            becomes["number"],
            becomes["assistant_id"],
        )
        await rows.audit("phone-number-changed", str(phone_number_id), reason=", ".join(sorted(told)))
        stale = _stale(change, row["assistant_id"], becomes["assistant_id"])
        return Made(shown=await _shown(rows, phone_number_id), stale=stale)

    return await change.answer(make)


@router.delete("/{phone_number_id}", dependencies=[_WRITES], status_code=HTTPStatus.NO_CONTENT, response_class=Response)
async def remove_phone_number(phone_number_id: UUID, change: Asked) -> Response:
    """Take a number away: calls to it find no assistant any more."""

    async def make(rows: TenantRows) -> Made:
        row = await change.begin(rows, "phone_number", phone_number_id, PhoneNumberView.model_validate)
        await rows.one("phone_number_remove", phone_number_id)
        await rows.audit("phone-number-removed", str(phone_number_id))
        return Made(shown=None, stale=_stale(change, row["assistant_id"]))

    return await change.answer(make)


def _stale(change: Change, *assistant_ids: UUID | None) -> tuple[CacheKey, ...]:
    # An assistant is shown with the numbers it answers.
    organization_id = change.caller.organization_id
    return (
        cache_keys.phone_numbers(organization_id),
        cache_keys.assistants(organization_id),
        *(cache_keys.assistant(organization_id, str(each)) for each in assistant_ids if each is not None),
    )


async def _shown(rows: TenantRows, phone_number_id: UUID) -> PhoneNumberView:
    return PhoneNumberView.model_validate(found(await rows.one("phone_number", phone_number_id), "phone number"))


async def _require_assistant(rows: TenantRows, assistant_id: UUID | None) -> None:
    # Locked, so that it cannot be taken away while a number is given to it.
    if assistant_id is not None and await rows.one("assistant_lock", assistant_id) is None:
        detail = "There is no such assistant."
        raise InvalidParameterError(detail, [{"at": "body.assistant_id", "detail": detail}])
