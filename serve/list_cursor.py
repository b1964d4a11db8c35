"""Where the next page of a list begins: newest first, an id deciding between equal times."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

from fastapi import Query

from serve.cursors import Cursor, not_of_this_list
from storage.calls import Row
from storage.tenant_rows import TenantRows

CursorText: TypeAlias = Annotated[
    str | None, Query(alias="cursor", max_length=200, description="`next_cursor` of the page before.")
]
LONGEST_PAGE: Final = 200
Limit: TypeAlias = Annotated[int, Query(alias="limit", ge=1, le=LONGEST_PAGE)]

_LARGEST_NUMBER: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCursor(Cursor):
    """The last row of a page."""

    created_at: datetime
    row_id: UUID


def after(text: str | None, *owner: object) -> tuple[datetime | None, UUID | None]:
    """The place a page begins after; nothing for the first. Raises MalformedRequestError."""
    if text is None:
        return None, None
    cursor = ListCursor.decode(text, *owner)
    return cursor.created_at, cursor.row_id


def after_numbered(text: str | None, *owner: object) -> tuple[datetime | None, int | None]:
    """As `after`, of a list whose rows are counted: their numbers stand in the place of ids."""
    at, row_id = after(text, *owner)
    if row_id is not None and row_id.int > _LARGEST_NUMBER:
        raise not_of_this_list()
    return at, row_id.int if row_id is not None else None


def page_of(rows: Sequence[Row], limit: int, *owner: object) -> tuple[Sequence[Row], str | None]:
    """The page out of `limit` + 1 rows asked for, and the cursor of the next one, if any."""
    page = rows[:limit]
    if len(rows) <= limit:
        return page, None
    last: Any = page[-1]
    return page, ListCursor(created_at=last["created_at"], row_id=last["id"]).encode(*owner)


async def read_page(
    rows: TenantRows, name: str, *arguments: object, cursor: str | None, limit: int, owner: Sequence[object]
) -> tuple[Sequence[Row], str | None]:
    """A page out of a statement that takes the place to begin after, `arguments` and how many. Raises as `after`."""
    told = await rows.all(name, *after(cursor, *owner), *arguments, limit + 1)
    return page_of(told, limit, *owner)
