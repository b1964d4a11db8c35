"""Setting an organization up at its vendors, and the checklist of how far that is."""

from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

from fastapi import APIRouter, Response

from serve.auth import Caller, GuardedRoute, permits
from serve.changes import Asked, Change, Made, found
from serve.errors import InvalidParameterError
from serve.onboarding_schemas import NewOnboarding, OnboardingView
from serve.services import Given
from serve.template_filling import filled
from storage.calls import Row
from storage.provider_keys import VAPI, VAPI_PUBLIC
from storage.tenant_rows import TenantRows

router = APIRouter(
    route_class=GuardedRoute, tags=["onboarding"], prefix="/v1/organizations/{organization_id}/onboarding"
)

_BUSINESS: Final = "business_name"


@router.get("", dependencies=[permits("organization:read")])
async def get_onboarding(
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    services: Given,
    caller: Caller,
) -> OnboardingView:
    """The onboarding that is under way, else the last one, step by step."""
    async with services.viewing(caller) as rows:
        return await _shown(rows)


# It buys and subscribes: whoever may decide about money may ask for it.
@router.post(
    "",
    dependencies=[permits("billing:write")],
    status_code=HTTPStatus.ACCEPTED,
    response_model=OnboardingView,
    responses={200: {"model": OnboardingView, "description": "The one that is under way."}},
)
async def begin_onboarding(change: Asked, asked: NewOnboarding) -> Response:
    """Set the organization up: Stripe, an assistant and a number, each step verified at its vendor.

    Answers 202 and the checklist, or 200 and the one that is under way: there is one at a time. What an earlier one
    left is found and kept. A step that fails for good has everything taken back that this one made.
    """
    onboarding_id = uuid4()

    async def make(rows: TenantRows) -> Made:
        for provider, key in ((VAPI, asked.vapi_key), (VAPI_PUBLIC, asked.vapi_public_key)):
            if key is not None:
                await _keep_key(change, rows, provider, key)
        template = await _template(rows, asked)
        if asked.plan_id is not None and await rows.one("billing_plan_prices", asked.plan_id) is None:
            raise _unknown("plan_id", "plan")
        added = await rows.one(
            "onboarding_add",
            onboarding_id,
            template["id"],
            asked.assistant_name or template["name"],
            await _config(rows, template, asked),
            asked.country,
            asked.area_code,
            asked.plan_id,
            asked.test_number,
        )
        if added is not None:
            await rows.audit("onboarding-asked", str(onboarding_id), result="pending")
        status = HTTPStatus.ACCEPTED if added is not None else HTTPStatus.OK
        return Made(shown=await _shown(rows), status=status, tagged=False)

    return await change.answer(make)


async def _shown(rows: TenantRows) -> OnboardingView:
    row = found(await rows.one("onboarding_newest"), "onboarding")
    return OnboardingView.of(row, await rows.all("onboarding_steps", row["id"]))


async def _template(rows: TenantRows, asked: NewOnboarding) -> Row:
    template = await rows.one("template", asked.template.lower())
    if template is None:
        raise _unknown("template", "template")
    return template


async def _config(rows: TenantRows, template: Row, asked: NewOnboarding) -> Any:
    values = dict(asked.variables)
    if _BUSINESS not in values and any(each["name"] == _BUSINESS for each in template["variables"]):
        account = found(await rows.one("billing_account"), "organization")
        values[_BUSINESS] = account["name"]
    return filled(template["config"], template["variables"], values)


async def _keep_key(change: Change, rows: TenantRows, provider: str, key: str) -> None:
    sealed = change.services.sealer.seal(change.caller.organization_id, key.encode())
    # Who may replace a key may not read it, and an upsert would.
    await rows.one("provider_key_remove", provider)
    await rows.one("provider_key_add", provider, sealed)
    await rows.audit("provider-key-changed", provider)


def _unknown(name: str, what: str) -> InvalidParameterError:
    detail = f"There is no such {what}."
    return InvalidParameterError(detail, [{"at": f"body.{name}", "detail": detail}])
