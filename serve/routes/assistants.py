"""Assistants: who answers, and with what configuration."""

from http import HTTPStatus
from typing import Any, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Response

from actors.slots import slot_of
from serve.auth import Caller, GuardedRoute, permits
from serve.cached_reads import CachedReads
from serve.changes import Asked, Change, Made, found, shown_with_etag
from serve.errors import ConflictError, InvalidParameterError
from serve.list_cursor import CursorText, Limit, read_page
from serve.resource_schemas import AssistantChange, AssistantPage, AssistantView, NewAssistant
from serve.services import Given
from serve.template_filling import filled
from storage import cache_keys
from storage.cache_keys import CacheKey
from storage.tenant_rows import TenantRows

router = APIRouter(
    route_class=GuardedRoute, tags=["assistants"], prefix="/v1/organizations/{organization_id}/assistants"
)

_READS: Final = permits("assistants:read")
_WRITES: Final = permits("assistants:write")
_LIST: Final = "assistants"


@router.get("", dependencies=[_READS])
async def list_assistants(
    organization_id: str, services: Given, caller: Caller, cursor: CursorText = None, limit: Limit = 50
) -> AssistantPage:
    """The organization's assistants, newest first."""
    async with services.viewing(caller) as rows:
        page, following = await read_page(
            rows, "assistants_page", cursor=cursor, limit=limit, owner=(organization_id, _LIST)
        )
    return AssistantPage(assistants=[AssistantView.of(row) for row in page], next_cursor=following)


@router.post("", dependencies=[_WRITES], status_code=HTTPStatus.CREATED, response_model=AssistantView)
async def create_assistant(change: Asked, asked: NewAssistant) -> Response:
    """Add an assistant. Calls are answered with it within 5 seconds of a number being given to it."""
    assistant_id = uuid4()

    async def make(rows: TenantRows) -> Made:
        config = asked.config if asked.template_id is None else await _from_template(rows, asked)
        await rows.one(
            "assistant_add",
            assistant_id,
            asked.provider_assistant_id,
            asked.name,
            config,
            asked.concurrency_limit,
            asked.template_id,
        )
        await _note(change, rows, "assistant-created", assistant_id, limits=asked.concurrency_limit is not None)
        return Made(
            shown=await _shown(rows, assistant_id), status=HTTPStatus.CREATED, stale=_stale(change, assistant_id)
        )

    return await change.answer(make)


@router.get("/{assistant_id}", dependencies=[_READS], response_model=AssistantView)
async def get_assistant(assistant_id: UUID, services: Given, caller: Caller) -> Response:
    """One assistant, with the numbers it answers."""
    return shown_with_etag(await CachedReads(services, caller).assistant(assistant_id))


@router.patch("/{assistant_id}", dependencies=[_WRITES], response_model=AssistantView)
async def change_assistant(assistant_id: UUID, change: Asked, asked: AssistantChange) -> Response:
    """Change members; `config` is replaced whole. Calls that go on keep what they began with."""
    told = asked.model_dump(exclude_unset=True)

    async def make(rows: TenantRows) -> Made:
        row = await change.begin(rows, "assistant", assistant_id, AssistantView.of)
        becomes: dict[str, Any] = {**row, **told}
        if becomes["provider_assistant_id"] is None and becomes["config"] is None:
            raise InvalidParameterError("An assistant needs a `provider_assistant_id` or a `config`.")
        await rows.one(
            "assistant_change",
            assistant_id,
            becomes["provider_assistant_id"],
            becomes["name"],
            becomes["config"],
            becomes["concurrency_limit"],
        )
        limits = any(becomes[name] != row[name] for name in ("concurrency_limit", "provider_assistant_id"))
        await _note(change, rows, "assistant-changed", assistant_id, reason=", ".join(sorted(told)), limits=limits)
        return Made(shown=await _shown(rows, assistant_id), stale=_stale(change, assistant_id))

    return await change.answer(make)


@router.delete("/{assistant_id}", dependencies=[_WRITES], status_code=HTTPStatus.NO_CONTENT, response_class=Response)
async def remove_assistant(assistant_id: UUID, change: Asked) -> Response:
    """Take an assistant away that answers no number any more. Its calls keep its name."""

    async def make(rows: TenantRows) -> Made:
        row = await change.begin(rows, "assistant", assistant_id, AssistantView.of)
        if row["numbers"]:
            raise ConflictError("It answers phone numbers: give them to another assistant first.")
        await rows.one("assistant_remove", assistant_id)
        await _note(change, rows, "assistant-removed", assistant_id, limits=row["concurrency_limit"] is not None)
        return Made(shown=None, stale=_stale(change, assistant_id))

    return await change.answer(make)


def _stale(change: Change, assistant_id: UUID) -> tuple[CacheKey, ...]:
    organization_id = change.caller.organization_id
    return (cache_keys.assistants(organization_id), cache_keys.assistant(organization_id, str(assistant_id)))


async def _shown(rows: TenantRows, assistant_id: UUID) -> AssistantView:
    return AssistantView.of(found(await rows.one("assistant", assistant_id), "assistant"))


async def _from_template(rows: TenantRows, asked: NewAssistant) -> Any:
    template = await rows.one("template", str(asked.template_id))
    if template is None:
        detail = "There is no such template."
        raise InvalidParameterError(detail, [{"at": "body.template_id", "detail": detail}])
    return filled(template["config"], template["variables"], asked.variables)


async def _note(
    change: Change, rows: TenantRows, action: str, assistant_id: UUID, *, limits: bool, reason: str = ""
) -> None:
    """The audit log is told always, the live owner of what it decides by: limits, and the name they go by."""
    await rows.audit(action, str(assistant_id), reason=reason)
    if limits:
        await rows.one("configured_tell", slot_of(change.caller.organization_id))
