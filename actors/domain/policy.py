"""What an organization permits: concurrency limits, minutes of its plan, opening hours, requests per second."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias, cast, get_args
from zoneinfo import ZoneInfo

from actors.domain.capacity import Limits, limits_facts, limits_from
from actors.domain.json_types import JSON

MinutesPolicy: TypeAlias = Literal["notify", "block-outbound", "block"]

DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
API_REQUESTS_PER_SECOND: Final = 200
_DAY_MINUTES: Final = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Open from `opens` to `closes` (exclusive), in minutes of the wall clock since midnight of `weekday` (Monday 0).

    Hours that close no later than they open go on into the next day.
    """

    weekday: int
    opens: int
    closes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """None means no limit, and no opening hours mean always open. The limits of assistants are by `Call.assistant_id`.

    `minutes_cap` is per calendar month where the organization is, `extra_minutes` what was granted beside it in a
    month, by its first day (ISO); `minutes_policy` what happens once it is used up:
    `notify` refuses nothing, `block-outbound` new outbound calls, `block` all new calls. A lowered limit ends
    nothing: it refuses new calls alone. `limit_changes` is how `concurrency_limit` came to be what it is, as far
    back as the figures of this day and the day before need it.
    `wiring_differences`: how many of the organization's assistants and numbers the provider was found to keep otherwise
    than they must be; it limits nothing.
    """

    concurrency_limit: int | None = None
    assistant_limits: Mapping[str, int] = field(default_factory=dict[str, int])
    campaign_limits: Mapping[str, int] = field(default_factory=dict[str, int])
    minutes_cap: int | None = None
    extra_minutes: Mapping[str, int] = field(default_factory=dict[str, int])
    minutes_policy: MinutesPolicy = "notify"
    opening_hours: tuple[Hours, ...] = ()
    api_rate_limit: int = API_REQUESTS_PER_SECOND
    limit_changes: Limits = field(default_factory=Limits)
    wiring_differences: int = 0

    @property
    def limits(self) -> Limits:
        """limit(t) of the organization's calls at once; the one of now if nothing is known of others."""
        return self.limit_changes if self.limit_changes.changes else Limits.always(self.concurrency_limit)


def policy_from(told: JSON) -> Policy:
    """The policy as Postgres keeps it. Total: what cannot be read limits nothing."""
    if not isinstance(told, dict):
        return Policy()
    return Policy(
        concurrency_limit=_limit(told.get("concurrency_limit")),
        assistant_limits=_limits(told.get("assistant_limits")),
        campaign_limits=_limits(told.get("campaign_limits")),
        minutes_cap=_limit(told.get("minutes_cap")),
        extra_minutes=_limits(told.get("extra_minutes")),
        minutes_policy=_minutes_policy(told.get("minutes_policy")),
        opening_hours=opening_hours_from(told.get("opening_hours")),
        api_rate_limit=_limit(told.get("api_rate_limit")) or API_REQUESTS_PER_SECOND,
        limit_changes=limits_from(told.get("limit_changes")),
        wiring_differences=_limit(told.get("wiring_differences")) or 0,
    )


def policy_facts(policy: Policy) -> JSON:
    """What `policy_from` reads as `policy`."""
    return {
        "concurrency_limit": policy.concurrency_limit,
        "assistant_limits": dict(policy.assistant_limits),
        "campaign_limits": dict(policy.campaign_limits),
        "minutes_cap": policy.minutes_cap,
        "extra_minutes": dict(policy.extra_minutes),
        "minutes_policy": policy.minutes_policy,
        "opening_hours": [
            {"day": DAYS[each.weekday], "opens": _clock(each.opens), "closes": _clock(each.closes)}
            for each in policy.opening_hours
        ],
        "api_rate_limit": policy.api_rate_limit,
        "limit_changes": limits_facts(policy.limit_changes),
        "wiring_differences": policy.wiring_differences,
    }


def opening_hours_from(told: JSON) -> tuple[Hours, ...]:
    """Hours out of `[{"day": "monday", "opens": "09:00", "closes": "17:30"}, …]`; what cannot be read is left out."""
    entries = [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []
    read = ((each.get("day"), _minutes(each.get("opens")), _minutes(each.get("closes"))) for each in entries)
    return tuple(
        Hours(weekday=DAYS.index(cast("str", day)), opens=opens, closes=closes)
        for day, opens, closes in read
        if day in DAYS and opens is not None and closes is not None
    )


def is_open(hours: tuple[Hours, ...], at: int, time_zone: str) -> bool:
    """Whether the organization is open at `at` (ms since the epoch) by the wall clock where it is.

    An hour that a change of clocks repeats counts twice, one that it leaves out never comes.
    """
    if not hours:
        return True
    local = datetime.fromtimestamp(at / 1000, UTC).astimezone(ZoneInfo(time_zone))
    minute = local.hour * 60 + local.minute
    return any(_covers(each, local.weekday(), minute) for each in hours)


def _covers(hours: Hours, weekday: int, minute: int) -> bool:
    if hours.opens < hours.closes:
        return weekday == hours.weekday and hours.opens <= minute < hours.closes
    is_day_after = weekday == (hours.weekday + 1) % len(DAYS)
    return (weekday == hours.weekday and minute >= hours.opens) or (is_day_after and minute < hours.closes)


def _minutes(clock: JSON) -> int | None:
    """`HH:MM` in minutes, up to 24:00."""
    hours, colon, minutes = clock.partition(":") if isinstance(clock, str) else ("", "", "")
    if not (colon and hours.isdecimal() and minutes.isdecimal()):
        return None
    total = int(hours) * 60 + int(minutes)
    return total if total <= _DAY_MINUTES and int(minutes) < 60 else None  # noqa: PLR2004  # minutes of an hour


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _minutes_policy(told: JSON) -> MinutesPolicy:
    return cast("MinutesPolicy", told) if told in get_args(MinutesPolicy) else "notify"


def _limit(told: JSON) -> int | None:
    return told if isinstance(told, int) and not isinstance(told, bool) and told > 0 else None


def _limits(told: JSON) -> Mapping[str, int]:
    read = ((name, _limit(value)) for name, value in told.items()) if isinstance(told, dict) else ()
    return {name: limit for name, limit in read if limit is not None}
