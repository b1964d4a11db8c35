"""Live control of a call: say, whisper, mute, transfer, end."""

from typing import Annotated

from fastapi import APIRouter, Body, Response

from serve.auth import GuardedRoute, permits
from serve.call_control import control_call
from serve.changes import Asked
from serve.control_schemas import Command, ControlResult
from serve.openapi import provider_problems
from serve.routes.notes import storable_id

router = APIRouter(route_class=GuardedRoute, tags=["calls"], prefix="/v1/organizations/{organization_id}/calls")


@router.post(
    "/{call_id:path}/control",
    dependencies=[permits("calls:control")],
    response_model=ControlResult,
    responses=provider_problems(),
)
async def command_call(call_id: str, change: Asked, command: Annotated[Command, Body()]) -> Response:
    """Command a call that goes on, through VAPI. To end one takes the scope `calls:end` beside `calls:control`.

    Every command is in the audit log, whatever came of it, and on the call's timeline. VAPI's refusal is told in its
    own words (502). Ending a call that is over is `already_ended`, not a fault.
    """
    return await control_call(change, storable_id(call_id), command)
