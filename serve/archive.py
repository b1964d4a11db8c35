"""Move a closed month of calls into the object store, from the command line."""

import asyncio
import re
from collections.abc import Coroutine
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from serve.config import Settings
from storage.archive import MONTHS_KEPT, ArchivedPart, archive_month, months_rows, refuse_early
from storage.archive_files import open_archive
from storage.errors import StorageError

_MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_console = Console(highlight=False, soft_wrap=True)
_T = TypeVar("_T")


def command(
    *,
    month: Annotated[str, typer.Option(help="Year and month in UTC, as in 2026-05.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be moved; change nothing.")] = False,
    keep_months: Annotated[
        int, typer.Option(min=1, help="Whole months that must have passed since the month's end.")
    ] = MONTHS_KEPT,
) -> None:
    """Move a closed month of calls out of Postgres into Parquet in the object store.

    Calls stay readable through the API. Nothing waits for it; cut off anywhere, it goes on when it is started again.
    What came late for an archived month is added to it by archiving the month once more.
    """
    told = _MONTH.fullmatch(month)
    if told is None:
        raise typer.BadParameter("write it as 2026-05", param_hint="--month")
    first = date(int(told[1]), int(told[2]), 1)
    settings = _settings()
    try:
        refuse_early(first, now=datetime.now(UTC), months_kept=keep_months)
        store = open_archive(settings.recordings_url)
        if dry_run:
            _tell_rows(month, _run(months_rows(settings.direct_url, store, first)))
            return
        with Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rows]}"), TimeElapsedColumn(),
            console=_console,
        ) as shown:  # fmt: skip
            part = _run(
                archive_month(
                    settings.direct_url,
                    store,
                    first,
                    now=datetime.now(UTC),
                    months_kept=keep_months,
                    progress=_Steps(shown),
                )
            )
    except StorageError as refused:
        _console.print(f"Not archived: {refused}")
        raise typer.Exit(1) from refused
    _tell_part(month, part)


class _Steps:
    """One line for each step; a bar while its rows are counted."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._lines: dict[str, TaskID] = {}

    def __call__(self, what: str, done: int, of: int) -> None:
        if what not in self._lines:
            self._lines[what] = self._shown.add_task(what, total=of or 1, rows="")
        self._shown.update(
            self._lines[what], completed=done if of else 1, total=of or 1, rows=f"{done:,} rows" if of else ""
        )


def _tell_rows(month: str, rows: dict[str, int]) -> None:
    table = Table(title=f"What archiving {month} would move", title_justify="left")
    table.add_column("table")
    table.add_column("rows", justify="right")
    for name, count in rows.items():
        table.add_row(name, f"{count:,}")
    _console.print(table)


def _tell_part(month: str, part: ArchivedPart) -> None:
    if not part.tables:
        _console.print(f"{month}: nothing is left to archive.")
        return
    table = Table(title=f"{month}, part {part.part}: archived", title_justify="left")
    for name in ("table", "rows", "bytes", "SHA-256 of the rows"):
        table.add_column(name, justify="left" if name in {"table", "SHA-256 of the rows"} else "right")
    for file in part.tables:
        table.add_row(file.table, f"{file.rows:,}", f"{file.size:,}", file.sha256.hex()[:16])
    _console.print(table)


def _settings() -> Settings:
    try:
        return Settings()  # pyright: ignore[reportCallIssue]  # read from the environment
    except ValidationError as missing:
        names = ", ".join(str(fault["loc"][0]).upper() for fault in missing.errors())
        raise typer.BadParameter(f"set {names} in the environment") from missing


def _run(work: Coroutine[Any, Any, _T]) -> _T:
    return asyncio.run(work)
