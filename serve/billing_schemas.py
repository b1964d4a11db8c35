"""What the REST API takes and shows of an organization's account at the payment provider."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, StringConstraints

from serve.schemas import Schema, Timestamp
from storage.billing import MISSING
from storage.calls import Row


class BillingProblem(Schema):
    """Why the account does not go on as it should, and who can do what about it."""

    code: Literal["subscription-missing", "payment-due"]
    detail: str
    to_do: str


_PROBLEMS: Final[Mapping[str, BillingProblem]] = {
    MISSING: BillingProblem(
        code="subscription-missing",
        detail="The payment provider knows no subscription of this id. No further period follows, and usage beyond the"
        " last one is not invoiced.",
        to_do="Subscribe again: POST …/billing/checkout. If the subscription is there and the deployment asks with the"
        " key of another account, or of the other mode (test or live), an operator sets the right STRIPE_SECRET_KEY;"
        " then POST …/billing/refresh.",
    ),
    **dict.fromkeys(
        ("past_due", "unpaid", "incomplete"),
        BillingProblem(
            code="payment-due",
            detail="An invoice of the subscription is not paid.",
            to_do="See invoices and change how to pay: POST …/billing/portal.",
        ),
    ),
}


class BillingAccountView(Schema):
    """The subscription as the payment provider last told it."""

    plan_id: str | None
    subscription_status: str | None = Field(
        description="The provider's word, or `missing` where it knows no subscription of this id; null without one."
    )
    problem: BillingProblem | None = Field(description="What is to be done about the status; null when nothing.")
    is_known_to_provider: bool = Field(description="Whether the provider has the organization as a customer.")
    period_start: Timestamp | None
    period_end: Timestamp | None
    currency: str | None

    @classmethod
    def of(cls, row: Row) -> "BillingAccountView":
        told = {
            "subscription_status": row["status"],
            "problem": _PROBLEMS.get(row["status"] or ""),
            "is_known_to_provider": row["customer"] is not None,
        }
        return cls.model_validate({**row, **told})


class BillingEventView(Schema):
    """Something that happened to the account. `period-closed` holds what the ledger said of the period then."""

    id: int
    event: str = Field(
        description="`period-reset`, `period-closed`, `invoice-paid`, `meter-difference`, `usage-not-counted`, …"
    )
    occurred_at: Timestamp
    period_start: Timestamp | None
    period_end: Timestamp | None
    seconds: int | None
    amount_micros: int | None
    currency: str | None
    details: dict[str, Any]


class BillingEventPage(Schema):
    events: list[BillingEventView]
    next_cursor: str | None


class CheckoutRequest(Schema):
    model_config = ConfigDict(frozen=True, extra="forbid")

    plan_id: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]


class BillingLink(Schema):
    """A page of the payment provider's, for whoever is to pay. It is good for minutes to a day."""

    url: str


class MinuteGrant(Schema):
    model_config = ConfigDict(frozen=True, extra="forbid")

    minutes: Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
    reason: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00]*$")
    ]


class GrantedMinutes(Schema):
    """The month that goes on: its cap, and what was granted beside it."""

    month: str = Field(description="Its first day where the organization is.")
    minutes_cap: int | None = Field(description="Null: no cap, and nothing to grant beyond it yet.")
    extra_minutes: int
