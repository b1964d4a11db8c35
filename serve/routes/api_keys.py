"""API keys: a key gives no scope that its maker lacks, its secret is shown once, and a rotation refuses nothing."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Response

from serve.auth import Caller, GuardedRoute, permits
from serve.changes import AskedInOwnRole, Made
from serve.errors import ConflictError, ForbiddenError, InvalidParameterError, NotFoundError
from serve.people_schemas import ApiKeyList, ApiKeyRequest, ApiKeyView, NewApiKey, RotationRequest
from serve.roles import LEAST_ROLE, least_role
from serve.services import Given
from storage.api_keys import new_api_key
from storage.principals import Principal
from storage.tenant_keys import MOST_LIVE_KEYS, Row, TenantKeys
from storage.tenant_rows import TenantRows

router = APIRouter(route_class=GuardedRoute, tags=["API keys"], prefix="/v1/organizations/{organization_id}/api-keys")

_LIVE_OF_A_NAME: Final = 2


@router.get("", dependencies=[permits("api-keys:read")])
async def list_api_keys(organization_id: str, services: Given, caller: Caller) -> ApiKeyList:
    """Keys without their secrets, newest first."""
    async with services.reading(caller) as reads:
        rows = await TenantKeys(reads.connection, organization_id).all()
    return ApiKeyList(api_keys=[ApiKeyView.of(row) for row in rows])


@router.post("", status_code=201, dependencies=[permits("api-keys:write")], response_model=NewApiKey)
async def create_api_key(
    organization_id: str, asked: ApiKeyRequest, services: Given, caller: Caller, change: AskedInOwnRole
) -> Response:
    """Make a key. No other live key has its name: rotate that one instead."""
    scopes = sorted(set(asked.scopes))
    if unknown := [scope for scope in scopes if scope not in LEAST_ROLE]:
        raise InvalidParameterError(
            "Some scopes do not exist.", [{"at": "body.scopes", "detail": f"no such scope: {each}"} for each in unknown]
        )
    _require_all(caller, scopes)
    if asked.expires_at is not None and asked.expires_at <= services.now():
        raise InvalidParameterError(
            "Some values are not permitted.", [{"at": "body.expires_at", "detail": "lies in the past"}]
        )
    key = new_api_key()

    async def make(rows: TenantRows) -> Made:
        keys = TenantKeys(rows.connection, organization_id)
        live = await keys.live()
        if any(row["name"] == asked.name for row in live):
            raise ConflictError("A live key has this name: rotate it, or choose another name.")
        if len(live) >= MOST_LIVE_KEYS:
            raise ConflictError(f"There are {MOST_LIVE_KEYS} live keys: revoke one first.")
        row = await keys.add(
            key,
            name=asked.name,
            scopes=scopes,
            role=least_role(scopes),
            created_by=caller.subject,
            expires_at=asked.expires_at,
        )
        return Made(shown=NewApiKey.of_new(row, key.text), status=HTTPStatus.CREATED, tagged=False)

    return await change.answer(make)


@router.post("/{key_id}/rotate", status_code=201, dependencies=[permits("api-keys:write")], response_model=NewApiKey)
async def rotate_api_key(
    *,
    organization_id: str,
    key_id: str,
    asked: RotationRequest,
    services: Given,
    caller: Caller,
    change: AskedInOwnRole,
) -> Response:
    """Make the key's successor, with the same name and scopes; both work until the grace is over."""
    key = new_api_key()

    async def make(rows: TenantRows) -> Made:
        keys = TenantKeys(rows.connection, organization_id)
        live = await keys.live()
        replaced = _live_one(live, key_id)
        _require_all(caller, replaced["scopes"])
        if sum(row["name"] == replaced["name"] for row in live) >= _LIVE_OF_A_NAME:
            raise ConflictError("Its other key is still live: revoke one of the two first.")
        row = await keys.add(
            key,
            name=replaced["name"],
            scopes=replaced["scopes"],
            role=replaced["role"],
            created_by=caller.subject,
            expires_at=replaced["expires_at"],
            replaces=key_id,
        )
        await keys.end_at(key_id, services.now() + timedelta(seconds=asked.grace_seconds))
        return Made(shown=NewApiKey.of_new(row, key.text), status=HTTPStatus.CREATED, tagged=False)

    answer = await change.answer(make)
    services.api_keys.forget(key_id)
    await services.credentials_changed(organization_id)
    return answer


@router.delete("/{key_id}", status_code=204, response_class=Response, dependencies=[permits("api-keys:write")])
async def revoke_api_key(organization_id: str, key_id: str, services: Given, caller: Caller) -> None:
    """End a key; everywhere within seconds. Nobody ends a key that may do more than they may."""
    async with services.writing(caller) as connection:
        keys = TenantKeys(connection, organization_id)
        _require_all(caller, _live_one(await keys.live(), key_id)["scopes"])
        await keys.revoke(key_id)
    services.api_keys.forget(key_id)
    await services.credentials_changed(organization_id)


def _live_one(live: Sequence[Row], key_id: str) -> Row:
    for row in live:
        if row["id"] == key_id:
            return row
    raise NotFoundError("There is no such live key.")


def _require_all(caller: Principal, scopes: Iterable[str]) -> None:
    missing = sorted(set(scopes) - caller.scopes)
    if missing:
        raise ForbiddenError(f"The credential lacks {', '.join(missing)}, which the key has.")
