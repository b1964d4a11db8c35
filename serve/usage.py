"""Add up closed days from the command line: after an import, or where figures were defined anew."""

import asyncio
from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer
from pydantic import ValidationError
from rich.console import Console

from serve.config import Settings
from storage.errors import StorageUnavailableError
from storage.postgres import open_pool
from storage.usage import aggregate_range

app = typer.Typer(help="Figures of closed days.", no_args_is_help=True)

_STATEMENT_SECONDS = 60.0
_console = Console(highlight=False, soft_wrap=True)


@app.callback()
def usage() -> None:
    """Keep the command's name when it is the only one."""


@app.command("aggregate")
def aggregate(
    since: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day.")],
    until: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The last day, inclusive.")],
    organization: Annotated[UUID | None, typer.Option(help="That one alone. Default: all.")] = None,
) -> None:
    """Add up each closed day of a range anew, in each organization's time zone. Safe to repeat."""
    if since > until:
        raise typer.BadParameter("--from must not lie after --to")
    try:
        days = asyncio.run(_aggregate(since, until, str(organization) if organization is not None else None))
    except ValidationError as missing:
        names = ", ".join(str(fault["loc"][0]).upper() for fault in missing.errors())
        raise typer.BadParameter(f"set {names} in the environment") from missing
    except StorageUnavailableError as away:
        _console.print(f"Not every day was added up: {away}")
        raise typer.Exit(1) from away
    _console.print(f"{days} days added up")


async def _aggregate(since: datetime, until: datetime, organization_id: str | None) -> int:
    settings = Settings()  # pyright: ignore[reportCallIssue]  # read from the environment
    async with await open_pool(
        settings.direct_url, size=1, name="call-supervisor usage", statement_seconds=_STATEMENT_SECONDS
    ) as pool:
        return await aggregate_range(pool, since.date(), until.date(), organization_id)
