"""What crosses the border between workflows and activities that have to do with money: ids, counts and moments only."""

from dataclasses import dataclass

BOOK_USAGE = "book_usage"
"""Local activity on a CallRef."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationRef:
    """An organization."""

    organization_id: str
