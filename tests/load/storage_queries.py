"""Every statement that the API reads an organization's calls with, and arguments for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from actors.slots import slot_of
from storage.call_filter import CallFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """An organization and a call of it."""

    organization_id: UUID
    call_id: UUID
    provider_call_id: str
    created_at: datetime
    assistant_id: str
    now: datetime


Arguments = Callable[[Sample], Sequence[Any]]
_FIRST_ID: Final = UUID(int=0)
_WORDS: Final = "appointment"


def _page(days: int, **only: Callable[[Sample], str]) -> Arguments:
    def arguments(sample: Sample) -> Sequence[Any]:
        narrowed = CallFilter(**{name: told(sample) for name, told in only.items()})  # pyright: ignore[reportArgumentType]  # columns of text
        return (*_in_order(days)(sample), *narrowed.columns, None)

    return arguments


def _in_order(days: int) -> Arguments:
    return lambda sample: (sample.now - timedelta(days=days), sample.now, _FIRST_ID, 51)


def _place(sample: Sample) -> Sequence[Any]:
    return (sample.call_id, sample.created_at)


def _day(sample: Sample) -> Sequence[Any]:
    return (sample.now - timedelta(days=1), sample.now)


# After the statement's name, what sets several uses of it apart.
QUERIES: Final[Mapping[str, Arguments]] = {
    "calls_in_order: 7 days": _in_order(7),
    "calls_in_order: 93 days": _in_order(93),
    "calls_page: 93 days, of an assistant": _page(93, assistant_id=lambda sample: sample.assistant_id),
    "calls_page: 93 days, outbound": _page(93, direction=lambda _: "outbound"),
    "calls_page: 93 days, with a tag": _page(93, tag=lambda _: "vip"),
    "calls_page: 93 days, in progress (hardly any)": _page(93, status=lambda _: "in-progress"),
    "calls_page: 93 days, ringing (none)": _page(93, status=lambda _: "ringing"),
    "active_calls": lambda _: (100,),
    "journal_day": _day,
    "day_so_far": _day,
    "limits_between": _day,
    "journal_day_events": _day,
    "webhook_figures": lambda sample: (sample.now - timedelta(days=1), slot_of(str(sample.organization_id))),
    "call_key": lambda sample: (sample.provider_call_id,),
    "calls_among": lambda sample: ([sample.call_id] * 50, [sample.created_at] * 50),
    "call": _place,
    "calls_said: 93 days": lambda sample: (
        *(_WORDS, sample.now - timedelta(days=93), sample.now, sample.now, _FIRST_ID, 51),
    ),
    "calls_highlighted: a page": lambda sample: (_WORDS, [sample.call_id] * 50, [sample.created_at] * 50),
    "calls_tagged": lambda sample: (*_day(sample), "vip"),
    "tags_of_calls: a page": lambda sample: ([sample.call_id] * 50,),
    "notes_on_call": _place,
    "actions_of_call": _place,
    "recording_of_call": _place,
    "recorded_late": _day,
    "unrecorded_late": _day,
    "alarmed_calls": _day,
    "timeline_of_call": lambda sample: (sample.provider_call_id, 1_000),
    "organization_settings": lambda _: (),
    "assistants_of_organization": lambda _: (),
    "incidents_page": lambda sample: (sample.now, _FIRST_ID, None, 51),
    "incident": lambda _: (_FIRST_ID,),
    "alarm_rules_of_organization": lambda _: (),
}
