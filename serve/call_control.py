"""A command for a call that goes on: audited before it is sent and after, and shown on the call's timeline."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from uuid import uuid4

from fastapi import Response

from actors.domain.commands import CALL_CONTROL
from actors.domain.json_types import JSON
from serve.changes import Change, Made, answer_of, found
from serve.control_schemas import Command, ControlResult, End
from serve.errors import (
    ConflictError,
    ForbiddenError,
    ProviderRefusedError,
    ProviderSilentError,
    ServeError,
    TemporarilyUnavailableError,
)
from storage.errors import StorageUnavailableError
from storage.live_presence import Acting
from storage.tenant_rows import TenantRows
from workflows.activities.internal_rows import InternalRow
from workflows.errors import ProviderError
from workflows.vendors.vapi_control import ControlAnswer

END_SCOPE: Final = "calls:end"
_SHOWN: Final = 500
_SHOW_SECONDS: Final = 0.25
"""How long a command waits to be told to others who look on."""

Result: TypeAlias = Literal["done", "already_ended", "refused", "unanswered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What came of a command. `fault` is what the caller is told instead of a result."""

    result: Result
    fault: ServeError | None = None
    status: int | None = None
    words: str | None = None

    @property
    def audited(self) -> str:
        told = (self.result, str(self.status) if self.status is not None else None, self.words)
        return ": ".join(each for each in told if each)


async def control_call(change: Change, call_id: str, command: Command) -> Response:
    """Command the call once. Nothing is sent that the audit log does not know of.

    Raises NotFoundError, ForbiddenError, ConflictError (it cannot be commanded, any more or at all), and, with what
    VAPI said, ProviderRefusedError and ProviderSilentError.
    """
    if command.ends and END_SCOPE not in change.caller.scopes:
        raise ForbiddenError(f"The credential lacks the scope {END_SCOPE}.")
    async with change.transaction() as rows:
        call = found(await rows.one("call_known", call_id), "call")
        if (before := await change.claimed(rows)) is not None:
            return change.replayed(before)
        await _audit(rows, call_id, command, "asked")
    await _show(change, call_id, command)
    outcome = await _command(change, call_id, command, is_over=call["status"] == "ended")
    try:
        response = await _record(change, call_id, command, outcome)
    except StorageUnavailableError as away:
        detail = f"The command was sent ({outcome.result}), but that could not be recorded."
        raise TemporarilyUnavailableError(detail) from away
    if outcome.fault is not None:
        raise outcome.fault
    return response


async def _show(change: Change, call_id: str, command: Command) -> None:
    """Tell who watches the board that somebody acts on the call; the command goes its way whatever comes of that."""
    act = Acting(
        subject=change.caller.subject,
        call_id=call_id,
        action=command.action,
        at=round(change.services.now().timestamp() * 1000),
    )
    with suppress(StorageUnavailableError, TimeoutError):
        async with asyncio.timeout(_SHOW_SECONDS):
            await change.services.presence.act(change.caller.organization_id, act)


async def _command(change: Change, call_id: str, command: Command, *, is_over: bool) -> _Outcome:
    if is_over:
        return _over(command)
    provider = change.services.provider
    address = await provider.addresses.address_of(change.caller.organization_id, call_id)
    if address is None:
        return _Outcome(
            result="refused", words="no address", fault=ConflictError("No control address came with this call.")
        )
    key = await provider.control_key_of(change.caller.organization_id)
    answer = await provider.commands.send(address, command.wire(), key=key)
    match answer.outcome:
        case "done":
            return _Outcome(result="done", status=answer.status)
        case "unanswered":
            detail = "VAPI did not answer: whether the command was carried out is not known."
            return _Outcome(result="unanswered", words=answer.words, fault=ProviderSilentError(detail))
        case "gone" if await _has_ended(change, call_id):
            return _over(command, answer)
        case _:
            return _Outcome(result="refused", status=answer.status, words=answer.words, fault=_refusal(answer))


def _over(command: Command, answer: ControlAnswer | None = None) -> _Outcome:
    status = answer.status if answer is not None else None
    if isinstance(command, End):
        return _Outcome(result="already_ended", status=status)
    return _Outcome(result="refused", status=status, words="the call is over", fault=ConflictError("The call is over."))


def _refusal(answer: ControlAnswer) -> ServeError:
    if answer.outcome == "unreached":
        return ProviderRefusedError(
            "VAPI could not be reached; nothing was sent.", provider_status=None, provider_message=answer.words
        )
    return ProviderRefusedError(
        "VAPI refused the command.", provider_status=answer.status, provider_message=answer.words
    )


async def _has_ended(change: Change, call_id: str) -> bool:
    """Whether VAPI itself says so: no longer taking commands is not the same, and ending is asked for a reason."""
    provider = change.services.provider
    try:
        key = await provider.key_of(change.caller.organization_id)
        return (await provider.vapi.get_call(key, call_id)).get("status") == "ended"
    except (ConflictError, ProviderError):
        return False


async def _record(change: Change, call_id: str, command: Command, outcome: _Outcome) -> Response:
    shown = ControlResult(
        call_id=call_id,
        action=command.action,
        result="already_ended" if outcome.result == "already_ended" else "done",
    )
    response = answer_of(Made(shown=shown, tagged=False))
    async with change.transaction() as rows:
        await _audit(rows, call_id, command, outcome.audited)
        if outcome.fault is None:
            await change.keep(rows, response)
        elif outcome.result != "unanswered":
            # Nothing was done, so the same request may be made again.
            await change.release(rows)
    await change.services.rows.accept(
        InternalRow(
            organization_id=change.caller.organization_id,
            call_id=call_id,
            type=CALL_CONTROL,
            key=f"{CALL_CONTROL}:{uuid4()}",
            facts={"details": _details(change, command, outcome)},
        )
    )
    return response


def _details(change: Change, command: Command, outcome: _Outcome) -> dict[str, JSON]:
    told: dict[str, JSON] = {
        "action": command.action,
        "whom": getattr(command, "whom", None),
        "by": change.caller.subject,
        "reason": command.reason,
        "result": outcome.result,
        "provider_status": outcome.status,
        "provider_message": outcome.words,
        "content": (getattr(command, "content", None) or "")[:_SHOWN],
    }
    return {name: value for name, value in told.items() if value}


async def _audit(rows: TenantRows, call_id: str, command: Command, result: str) -> None:
    await rows.audit(f"call-{command.action}", call_id, reason=command.reason or "", result=result)
