"""Usage from the command line: closed days added up anew, and the payment provider told again of what it lacks."""

import asyncio
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer
from pydantic import ValidationError
from rich.console import Console

from serve.config import Settings
from storage.errors import StorageUnavailableError
from storage.meter import MeterOutbox
from storage.postgres import open_pool
from storage.usage import aggregate_range

app = typer.Typer(help="Figures of closed days, and what the payment provider lacks.", no_args_is_help=True)

_STATEMENT_SECONDS = 60.0
_ACTOR = "command line"
_console = Console(highlight=False, soft_wrap=True)


@app.command("aggregate")
def aggregate(
    since: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day.")],
    until: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The last day, inclusive.")],
    organization: Annotated[UUID | None, typer.Option(help="That one alone. Default: all.")] = None,
) -> None:
    """Add up each closed day of a range anew, in each organization's time zone. Safe to repeat."""
    if since > until:
        raise typer.BadParameter("--from must not lie after --to")
    with _told("Not every day was added up"):
        days = asyncio.run(_aggregate(since, until, str(organization) if organization is not None else None))
    _console.print(f"{days} days added up")


@app.command("resend")
def resend(
    organization: Annotated[UUID, typer.Argument(help="Whose usage it is.")],
    call: Annotated[str, typer.Argument(help="The call, by the provider's id.")],
    reason: Annotated[str, typer.Option(help="Why, for the audit log.")],
) -> None:
    """Have the payment provider told again of a call's seconds that it refused, or lacked when they were compared.

    Look at its account first: it remembers identifiers for a day, and what it has after all would count twice. They are
    sent by the workers, within a minute or two. Safe to repeat.
    """
    if not reason.strip():
        raise typer.BadParameter("--reason must say something")
    with _told("Nothing is sent again"):
        due = asyncio.run(_resend(str(organization), call, reason.strip()))
    for identifier, seconds in due.items():
        _console.print(f"{identifier}: {seconds} s are due again")
    if not due:
        _console.print("The payment provider lacks nothing of this call, for all that is known.")
        raise typer.Exit(1)


@contextmanager
def _told(failed: str) -> Generator[None]:
    try:
        yield
    except ValidationError as missing:
        names = ", ".join(str(fault["loc"][0]).upper() for fault in missing.errors())
        raise typer.BadParameter(f"set {names} in the environment") from missing
    except StorageUnavailableError as away:
        _console.print(f"{failed}: {away}")
        raise typer.Exit(1) from away


async def _resend(organization_id: str, call_id: str, reason: str) -> Mapping[str, int]:
    settings = Settings()  # pyright: ignore[reportCallIssue]  # read from the environment
    async with await open_pool(settings.direct_url, size=1, name="call-supervisor usage") as pool:
        return await MeterOutbox(pool).send_again(organization_id, call_id, actor=_ACTOR, reason=reason)


async def _aggregate(since: datetime, until: datetime, organization_id: str | None) -> int:
    settings = Settings()  # pyright: ignore[reportCallIssue]  # read from the environment
    async with await open_pool(
        settings.direct_url, size=1, name="call-supervisor usage", statement_seconds=_STATEMENT_SECONDS
    ) as pool:
        return await aggregate_range(pool, since.date(), until.date(), organization_id)
