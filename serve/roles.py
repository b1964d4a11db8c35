"""What each role may do: the one table that routes, members and API keys are measured by."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from typing import Final


class Role(StrEnum):
    """A member's place in an organization, the most powerful first: each may do all that the next one may."""

    OWNER = "owner"
    ADMIN = "admin"
    SUPERVISOR = "supervisor"
    VIEWER = "viewer"

    def reaches(self, other: "Role") -> bool:
        """Whether this role may do all that `other` may."""
        return _RANKS[self] <= _RANKS[other]


_RANKS: Final = {role: rank for rank, role in enumerate(Role)}

LEAST_ROLE: Final[Mapping[str, Role]] = {
    "organization:read": Role.VIEWER,
    "organization:write": Role.ADMIN,
    "organization:delete": Role.OWNER,
    "members:read": Role.VIEWER,
    "members:write": Role.ADMIN,
    # To make or unmake an owner.
    "owners:write": Role.OWNER,
    "api-keys:read": Role.ADMIN,
    "api-keys:write": Role.ADMIN,
    "audit:read": Role.ADMIN,
    "calls:read": Role.VIEWER,
    "calls:export": Role.SUPERVISOR,
    # To write down something about a call.
    "calls:annotate": Role.SUPERVISOR,
    # To speak into, mute or transfer a call that goes on.
    "calls:control": Role.SUPERVISOR,
    # To end one, beside `calls:control`.
    "calls:end": Role.SUPERVISOR,
    # To place a call.
    "calls:create": Role.SUPERVISOR,
    "live:read": Role.VIEWER,
    # The live board's figures and nothing of any caller: all that a screen on a wall needs.
    "wallboard:read": Role.VIEWER,
    "slots:release": Role.SUPERVISOR,
    "alarms:read": Role.VIEWER,
    "alarms:write": Role.SUPERVISOR,
    "assistants:read": Role.VIEWER,
    "assistants:write": Role.ADMIN,
    "phone-numbers:read": Role.VIEWER,
    "phone-numbers:write": Role.ADMIN,
    "templates:read": Role.VIEWER,
    "integrations:read": Role.SUPERVISOR,
    "integrations:write": Role.ADMIN,
    "deliveries:replay": Role.SUPERVISOR,
    "usage:read": Role.SUPERVISOR,
    "billing:read": Role.ADMIN,
    "billing:write": Role.OWNER,
    "simulator:read": Role.ADMIN,
}
"""Every scope there is, and the least role that has it."""


def least_role(scopes: Iterable[str]) -> Role:
    """The least role that has every one of these scopes. Raises KeyError for one that does not exist."""
    return min((LEAST_ROLE[scope] for scope in scopes), key=_RANKS.__getitem__, default=Role.VIEWER)


@cache
def scopes_of(role: Role) -> frozenset[str]:
    """All that a role may do."""
    return frozenset(scope for scope, least in LEAST_ROLE.items() if role.reaches(least))
