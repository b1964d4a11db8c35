"""What the REST API shows of whose a period's usage is."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from pydantic import Field

from actors.domain.billing_period import Period
from serve.schemas import Schema, Timestamp
from serve.usage_schemas import Account, Used, minutes
from storage.calls import Row
from storage.times import moment
from storage.usage_shares import Share, Shares

MOST: Final = 200
"""Assistants and numbers that are told one by one."""

Kind: TypeAlias = Literal["known", "unknown", "others"]


class UsageShare(Schema):
    """A part of a period's usage: of one assistant or number, of none that is known, or of all beyond the first 200."""

    kind: Kind
    calls: int = Field(description="Calls charged in the period; a correction of an earlier one adds none.")
    seconds: int
    minutes: float = Field(description="seconds / 60, rounded once: these do not add up, seconds do.")
    cost_micros: int


class AssistantUsage(UsageShare):
    assistant_id: str | None = Field(description="As calls tell it; null for one that came with its call.")
    assistant_name: str | None = Field(description="As the latest call told it.")


class NumberUsage(UsageShare):
    number: str | None = Field(description="The organization's: called, or, of outbound calls, called from.")


class UsageShares(Schema):
    """Whose the usage of a billing period is. Each list adds up to exactly the sums of the period."""

    period_start: Timestamp
    period_end: Timestamp
    time_zone: str
    as_of: Timestamp = Field(description="At most a minute ago.")
    currency: str | None
    calls: int = Field(description="Charges in the ledger: one for each call that ended in the period.")
    used_seconds: int
    used_minutes: float
    cost_micros: int
    archived_calls: int = Field(
        description="Of the calls, those archived by a release that kept no assistant and number: nobody's here."
    )
    by_assistant: list[AssistantUsage] = Field(description="The most used first.")
    by_number: list[NumberUsage] = Field(description="The most used first.")

    @classmethod
    def of(cls, account: Account, period: Period, total: Row, shares: Shares, *, as_of: datetime) -> "UsageShares":
        by_assistant = [
            AssistantUsage(assistant_id=each.assistant_id, assistant_name=each.assistant_name, **_sums(kind, each))
            for kind, each in _told(shares.by_assistant)
        ]
        by_number = [NumberUsage(number=each.number, **_sums(kind, each)) for kind, each in _told(shares.by_number)]
        return cls(
            period_start=moment(period.start),
            period_end=moment(period.end),
            time_zone=account.time_zone,
            as_of=as_of,
            currency=account.plan.currency if account.plan is not None else None,
            calls=sum(each.calls for each in by_assistant),
            used_seconds=total["seconds"],
            used_minutes=minutes(total["seconds"]),
            cost_micros=total["cost_micros"],
            archived_calls=shares.unrecorded,
            by_assistant=by_assistant,
            by_number=by_number,
        )


class UsedByWhom(Used):
    """A period as it was read, with whose it is where that was asked for: of one moment, so the sums are equal."""

    shares: UsageShares | None = None


def _told(shares: Sequence[Share]) -> Sequence[tuple[Kind, Share]]:
    """The first by themselves, what nobody is known to have used among them; the rest as one."""
    named: list[tuple[Kind, Share]] = [(_kind(each), each) for each in shares]
    rest = [each for kind, each in named[MOST:] if kind == "known"]
    told = named[:MOST] + [(kind, each) for kind, each in named[MOST:] if kind == "unknown"]
    if rest:
        others = Share()
        for each in rest:
            others = others.plus(each)
        told.append(("others", Share(calls=others.calls, seconds=others.seconds, cost_micros=others.cost_micros)))
    return told


def _kind(share: Share) -> Kind:
    return "unknown" if (share.assistant_id, share.assistant_name, share.number) == (None, None, None) else "known"


def _sums(kind: Kind, share: Share) -> dict[str, Any]:
    return {
        "kind": kind,
        "calls": share.calls,
        "seconds": share.seconds,
        "minutes": minutes(share.seconds),
        "cost_micros": share.cost_micros,
    }
