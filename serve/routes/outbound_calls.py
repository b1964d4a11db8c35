"""Calls to place, and what came of each."""

from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Header, Response

from serve.auth import Caller, GuardedRoute, permits
from serve.changes import KEY_LENGTH, Asked, Made, answer_of, found
from serve.control_schemas import NewCall, OutboundCall, OutboundCallPage
from serve.errors import ConflictError, InvalidParameterError, ProviderRefusedError
from serve.list_cursor import CursorText, Limit, read_page
from serve.openapi import provider_problems
from serve.outbound import Dialer, wire_request
from serve.services import Given
from storage.calls import Row

router = APIRouter(route_class=GuardedRoute, tags=["calls"], prefix="/v1/organizations/{organization_id}")

_READS: Final = permits("calls:read")
_LIST: Final = "outbound-calls"


@router.post(
    "/calls",
    dependencies=[permits("calls:create")],
    status_code=HTTPStatus.CREATED,
    response_model=OutboundCall,
    responses={
        202: {"model": OutboundCall, "description": "VAPI did not answer: the call is looked up there."},
        **provider_problems(),
    },
)
async def place_call(
    change: Asked,
    asked: NewCall,
    key: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=KEY_LENGTH,
            pattern=r"^[\x21-\x7e]+$",
            description="Needed: the same key never dials twice, however often it is sent.",
        ),
    ],
) -> Response:
    """Place a call, if the organization's limits permit one more. VAPI is asked once and never again.

    Refused by the limits: 409 with the reason. Refused by VAPI: 502 in its words. No answer: 202, `unknown`, until the
    call is found at VAPI, or known not to be there.
    """
    services, caller = change.services, change.caller
    outbound_id = uuid4()
    # Who has none learns so before anything is written.
    await services.provider.key_of(caller.organization_id)
    async with change.transaction() as rows:
        callee = _require_callee(await rows.one("callee", asked.assistant_id, asked.phone_number_id))
        added = await rows.one(
            "outbound_add",
            outbound_id,
            key,
            change.request_hash,
            asked.model_dump(mode="json"),
            callee["provider_assistant_id"] or str(callee["id"]),
        )
        if added is None:
            held = found(await rows.one("outbound_by_key", caller.subject, key), "call")
            if held["request_hash"] != change.request_hash:
                detail = "This Idempotency-Key was used for another request."
                raise InvalidParameterError(detail, [{"at": "header.Idempotency-Key", "detail": detail}])
            return _answer(found(await rows.one("outbound", held["id"]), "call"))
        await rows.audit("call-requested", str(outbound_id), result="asked")
    await Dialer(services).place(caller.organization_id, outbound_id, wire_request(outbound_id, asked, callee))
    async with change.transaction() as rows:
        row = found(await rows.one("outbound", outbound_id), "call")
        result = row["status"] if row["reason"] is None else f"{row['status']}: {row['reason']}"
        await rows.audit("call-requested", str(outbound_id), result=result)
    return _answer(row)


@router.get("/outbound-calls", dependencies=[_READS])
async def list_outbound_calls(
    organization_id: str, services: Given, caller: Caller, cursor: CursorText = None, limit: Limit = 50
) -> OutboundCallPage:
    """Calls that somebody asked for, newest first, those that never came about too."""
    async with services.viewing(caller) as rows:
        page, following = await read_page(
            rows, "outbound_page", cursor=cursor, limit=limit, owner=(organization_id, _LIST)
        )
    return OutboundCallPage(outbound_calls=[OutboundCall.model_validate(row) for row in page], next_cursor=following)


@router.get("/outbound-calls/{outbound_id}", dependencies=[_READS])
async def get_outbound_call(outbound_id: UUID, services: Given, caller: Caller) -> OutboundCall:
    """One call that somebody asked for: once `placed`, `call_id` leads to the call."""
    async with services.viewing(caller) as rows:
        return OutboundCall.model_validate(found(await rows.one("outbound", outbound_id), "call"))


def _require_callee(callee: Row | None) -> Row:
    if callee is None:
        raise InvalidParameterError("The organization has no such assistant or phone number.")
    if callee["provider_phone_number_id"] is None:
        raise InvalidParameterError("VAPI does not know the number: give it its `provider_phone_number_id`.")
    return callee


def _answer(row: Row) -> Response:
    """What came of the call so far. Raises ConflictError and ProviderRefusedError for one that did not come about."""
    match row["status"]:
        case "refused":
            raise ConflictError(f"The organization's limits permit no further call: {row['reason']}.")
        case "failed" if row["provider_status"] is not None:
            raise ProviderRefusedError(
                "VAPI refused to place the call.",
                provider_status=row["provider_status"],
                provider_message=row["reason"],
            )
        case "failed":
            raise ProviderRefusedError("The call was not placed.", provider_status=None, provider_message=row["reason"])
        case status:
            shown = OutboundCall.model_validate(row)
            placed = HTTPStatus.CREATED if status == "placed" else HTTPStatus.ACCEPTED
            return answer_of(Made(shown=shown, status=placed, tagged=False))
