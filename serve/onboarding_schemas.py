"""What the REST API takes and shows of onboardings."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import Field, StringConstraints

from serve.resource_schemas import E164, Asked, Name, Value
from serve.schemas import Schema, Timestamp
from storage.calls import Row
from workflows.onboarding_contracts import PLANS, OnboardingState, Step

VapiKey: TypeAlias = Annotated[str, StringConstraints(min_length=8, max_length=200, pattern=r"^[\x21-\x7e]+$")]


class NewOnboarding(Asked):
    """How the organization is to be set up."""

    template: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,100}$")] = Field(
        default="front-desk", description="`slug` or `id` of the template that the assistant is made from."
    )
    variables: Annotated[dict[Name, Value], Field(max_length=100)] = Field(
        default={}, description="What the template leaves open; `business_name` is the organization's unless told."
    )
    assistant_name: Name | None = Field(default=None, description="The template's unless told.")
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = Field(
        default="US", description="Where the number is to be from."
    )
    area_code: Annotated[str, StringConstraints(pattern=r"^[0-9]{3}$")] | None = None
    plan_id: str | None = Field(default=None, description="The plan to subscribe to; the organization's unless told.")
    test_number: E164 | None = Field(
        default=None, description="Who is called to prove that it works; nobody is unless told."
    )
    vapi_key: VapiKey | None = Field(
        default=None, repr=False, description="VAPI's private key, kept sealed and never shown."
    )
    vapi_public_key: VapiKey | None = Field(
        default=None, repr=False, description="VAPI's public key: with it live control and listening are guarded."
    )


class OnboardingStep(Schema):
    """A step of the checklist."""

    step: Step
    state: Literal["pending", "running", "done", "skipped", "failed", "undoing", "undone"] = Field(
        description="`skipped`: something is not set up. `undone`: taken back because another step failed."
    )
    detail: str | None = Field(description="What is in the way, what was left out and why, what was found.")
    id: str | None = Field(description="What its vendor calls it.")
    number: str | None
    made: bool = Field(description="Made by this onboarding; otherwise it was there before.")
    updated_at: Timestamp | None


class OnboardingView(Schema):
    """Steps stand in the order they are carried out in."""

    id: UUID
    state: OnboardingState
    steps: list[OnboardingStep]
    template_id: UUID
    assistant_name: str
    country: str
    area_code: str | None
    plan_id: str | None
    test_number: str | None
    requested_by: str
    created_at: Timestamp
    finished_at: Timestamp | None

    @classmethod
    def of(cls, row: Row, steps: Sequence[Row]) -> "OnboardingView":
        begun: Mapping[str, Row] = {each["step"]: each for each in steps}
        return cls.model_validate({**row, "steps": [_step(plan.step, begun.get(plan.step)) for plan in PLANS]})


def _step(step: Step, row: Row | None) -> OnboardingStep:
    if row is None:
        return OnboardingStep(
            step=step, state="pending", detail=None, id=None, number=None, made=False, updated_at=None
        )
    facts = row["facts"]
    return OnboardingStep.model_validate({**row, "id": facts.get("id"), "number": facts.get("number")})
