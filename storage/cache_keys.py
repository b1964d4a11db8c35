"""Where copies lie in Redis and how long they live: architecture.md's table, key by key."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

MINUTE_SECONDS = 60
NOTHING_SECONDS = 5
"""How long it is remembered that there is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKey:
    """One place. `family` names it in figures; a copy is shown to `owner` alone, where the text does not name it."""

    text: str
    family: str
    seconds: int
    owner: str | None = None

    @property
    def keeps_nothing(self) -> bool:
        """Whether "there is nothing" may be kept: what one organization cannot see may be another's."""
        return self.owner is None


def organization(organization_id: str) -> CacheKey:
    return CacheKey(text=f"org:{organization_id}", family="organization", seconds=5 * MINUTE_SECONDS)


def organization_settings(organization_id: str) -> CacheKey:
    return CacheKey(text=f"org:{organization_id}:settings", family="settings", seconds=5 * MINUTE_SECONDS)


def assistant(organization_id: str, assistant_id: str) -> CacheKey:
    return CacheKey(
        text=f"assistant:{assistant_id}", family="assistant", seconds=5 * MINUTE_SECONDS, owner=organization_id
    )


def template(slug: str) -> CacheKey:
    """A template, by its slug or its id. Templates are written by migrations alone, and nothing tells of those."""
    return CacheKey(text=f"template:{slug}", family="template", seconds=60 * MINUTE_SECONDS)


def user(user_id: str) -> CacheKey:
    """A person's own record, for that person's requests alone."""
    return CacheKey(text=f"user:{user_id}", family="user", seconds=10 * MINUTE_SECONDS)


def of_settings(organization_id: str, assistant_ids: Iterable[str]) -> tuple[CacheKey, ...]:
    """Everything that shows an organization's settings; `assistant_ids` are those whose limits changed."""
    return (
        organization(organization_id),
        organization_settings(organization_id),
        assistants(organization_id),
        *(assistant(organization_id, each) for each in assistant_ids),
    )


def recent_calls(organization_id: str) -> CacheKey:
    """The newest 20 calls. Nothing invalidates it: it lives 10 s, and the live feed tells sooner."""
    return CacheKey(text=f"org:{organization_id}:calls:recent", family="recent_calls", seconds=10)


def assistants(organization_id: str) -> CacheKey:
    return CacheKey(text=f"org:{organization_id}:assistants", family="assistants", seconds=5 * MINUTE_SECONDS)


def phone_numbers(organization_id: str) -> CacheKey:
    """The newest numbers, as many as a page may have."""
    return CacheKey(text=f"org:{organization_id}:phone_numbers", family="phone_numbers", seconds=5 * MINUTE_SECONDS)


def usage(organization_id: str, period: date) -> CacheKey:
    """What was used since the first day of a period, and perhaps by whom.

    A copy of the ledger, so it expires; a new period is a new key.
    """
    return CacheKey(text=f"org:{organization_id}:usage:{period.isoformat()}", family="usage", seconds=MINUTE_SECONDS)


def stats(organization_id: str, day: date) -> CacheKey:
    """A day's figures out of Postgres, for when no owner tells them live."""
    return CacheKey(text=f"org:{organization_id}:stats:{day.isoformat()}", family="stats", seconds=30)
