"""Integrations: endpoints that customers want to be told at, and the secrets that sign what they are told."""

import base64
import secrets
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Response

from serve.auth import Caller, GuardedRoute, permits
from serve.changes import Asked, Change, Made, found, shown_with_etag
from serve.deployment import Deployed
from serve.integration_schemas import (
    IntegrationChange,
    IntegrationPage,
    IntegrationView,
    IntegrationWithSecret,
    NewIntegration,
    ReplayRange,
    ReplayView,
    SecretRotation,
)
from serve.integration_urls import require_endpoint
from serve.list_cursor import CursorText, Limit, read_page
from serve.services import Given
from storage.tenant_rows import TenantRows

router = APIRouter(
    route_class=GuardedRoute, tags=["integrations"], prefix="/v1/organizations/{organization_id}/integrations"
)

_READS: Final = permits("integrations:read")
_WRITES: Final = permits("integrations:write")
_LIST: Final = "integrations"
_SECRET_BYTES: Final = 32


@router.get("", dependencies=[_READS])
async def list_integrations(
    organization_id: str, services: Given, caller: Caller, cursor: CursorText = None, limit: Limit = 50
) -> IntegrationPage:
    """The organization's integrations, newest first, those that were disabled too."""
    async with services.viewing(caller) as rows:
        page, following = await read_page(
            rows, "integrations_page", cursor=cursor, limit=limit, owner=(organization_id, _LIST)
        )
    return IntegrationPage(integrations=[IntegrationView.of(row) for row in page], next_cursor=following)


@router.post("", dependencies=[_WRITES], status_code=HTTPStatus.CREATED, response_model=IntegrationWithSecret)
async def create_integration(change: Asked, asked: NewIntegration, deployed: Deployed) -> Response:
    """Add an endpoint. The answer alone shows its signing secret (Standard Webhooks, `whsec_…`)."""
    await require_endpoint(asked.url, insecure=deployed.is_local)
    integration_id, secret = uuid4(), _new_secret()

    async def make(rows: TenantRows) -> Made:
        await rows.one("integration_add", integration_id, asked.name, asked.url, asked.events, _sealed(change, secret))
        await rows.audit("integration-created", str(integration_id))
        return await _made_with_secret(rows, integration_id, secret, HTTPStatus.CREATED)

    return await change.answer(make)


@router.get("/{integration_id}", dependencies=[_READS], response_model=IntegrationView)
async def get_integration(integration_id: UUID, services: Given, caller: Caller) -> Response:
    """One integration, without its secret."""
    async with services.viewing(caller) as rows:
        return shown_with_etag(await _shown(rows, integration_id))


@router.patch("/{integration_id}", dependencies=[_WRITES], response_model=IntegrationView)
async def change_integration(
    integration_id: UUID, change: Asked, asked: IntegrationChange, deployed: Deployed
) -> Response:
    """Change members; switch it off and on by `enabled`."""
    told = asked.model_dump(exclude_unset=True)
    if "url" in told:
        await require_endpoint(asked.url, insecure=deployed.is_local)

    async def make(rows: TenantRows) -> Made:
        row = await change.begin(rows, "integration", integration_id, IntegrationView.of)
        becomes: dict[str, Any] = {**IntegrationView.of(row).model_dump(), **told}
        await rows.one(
            "integration_change",
            integration_id,
            becomes["name"],
            becomes["url"],
            becomes["events"],
            becomes["enabled"],
        )
        await rows.audit("integration-changed", str(integration_id), reason=", ".join(sorted(told)))
        return Made(shown=await _shown(rows, integration_id))

    return await change.answer(make)


@router.post("/{integration_id}/rotate-secret", dependencies=[_WRITES], response_model=IntegrationWithSecret)
async def rotate_secret(integration_id: UUID, change: Asked, asked: SecretRotation) -> Response:
    """Make a new signing secret, shown in this answer alone. The former signs beside it for a while."""
    secret = _new_secret()
    until = change.services.now() + timedelta(hours=asked.previous_valid_hours)

    async def make(rows: TenantRows) -> Made:
        await change.begin(rows, "integration", integration_id, IntegrationView.of)
        await rows.one("integration_rotate", integration_id, _sealed(change, secret), until)
        await rows.audit("integration-secret-rotated", str(integration_id))
        return await _made_with_secret(rows, integration_id, secret, HTTPStatus.OK)

    return await change.answer(make)


@router.delete("/{integration_id}", dependencies=[_WRITES], status_code=HTTPStatus.NO_CONTENT, response_class=Response)
async def remove_integration(integration_id: UUID, change: Asked) -> Response:
    """Take an endpoint away. What was delivered to it stays readable."""

    async def make(rows: TenantRows) -> Made:
        await change.begin(rows, "integration", integration_id, IntegrationView.of)
        await rows.one("integration_remove", integration_id)
        await rows.audit("integration-removed", str(integration_id))
        return Made(shown=None)

    return await change.answer(make)


@router.post(
    "/{integration_id}/replays",
    dependencies=[permits("deliveries:replay")],
    status_code=HTTPStatus.ACCEPTED,
    response_model=ReplayView,
)
async def replay_range(integration_id: UUID, change: Asked, asked: ReplayRange) -> Response:
    """Ask for the deliveries of a time range to be sent again. Answers the request, `pending` until that is done."""
    replay_id = uuid4()

    async def make(rows: TenantRows) -> Made:
        await _shown(rows, integration_id)
        await rows.one("replay_add", replay_id, integration_id, None, asked.since, asked.until, asked.only_status)
        await rows.audit("deliveries-replayed", str(integration_id), result="pending")
        row = found(await rows.one("replay", replay_id), "replay")
        return Made(shown=ReplayView.model_validate(row), status=HTTPStatus.ACCEPTED)

    return await change.answer(make)


async def _shown(rows: TenantRows, integration_id: UUID) -> IntegrationView:
    return IntegrationView.of(found(await rows.one("integration", integration_id), "integration"))


async def _made_with_secret(rows: TenantRows, integration_id: UUID, secret: str, status: HTTPStatus) -> Made:
    shown = await _shown(rows, integration_id)
    told = IntegrationWithSecret.model_validate({**shown.model_dump(), "signing_secret": secret})
    return Made(shown=told, status=status, tagged=False)


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"


def _sealed(change: Change, secret: str) -> bytes:
    return change.services.sealer.seal(change.caller.organization_id, secret.encode())
