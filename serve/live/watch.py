"""`call-supervisor watch`: the live board in a terminal."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from serve.live.board import LiveBoard
from serve.live.client import Connected, Credential, Lost, NotPermittedError, Received, follow
from serve.live.screen import Link, plain_lines, render
from serve.simulator.target import read_target, require_running

REFRESH_SECONDS = 0.25


def watch(
    *,
    data_dir: Annotated[Path, typer.Option("--data-dir", help="The local stack to watch.")] = Path(".data"),
    url: Annotated[str | None, typer.Option(help="A hub elsewhere, as wss://host.")] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="CALL_SUPERVISOR_API_KEY",
            help="A key with the scope live:read, or wallboard:read for figures.",
        ),
    ] = None,
    organization_id: Annotated[str | None, typer.Option(help="Whose calls.")] = None,
) -> None:
    """Watch an organization's calls as they happen, until Ctrl-C. Without a terminal: one line for each event.

    A wallboard's key shows figures and alarms.
    """
    if url is None or api_key is None or organization_id is None:
        target = read_target(data_dir, "main")
        url, api_key = url or target.live_url, api_key or target.api_key
        organization_id = organization_id or target.organization_id
    # Later it may come and go: the board says so, and goes on.
    require_running(url)
    console = Console()
    show = _draw if console.is_terminal else _print
    try:
        asyncio.run(show(console, url, organization_id, api_key))
    except KeyboardInterrupt:
        return
    except NotPermittedError as refused:
        Console(stderr=True).print(f"The hub refuses this key: {refused}", style="red", markup=False)
        raise typer.Exit(1) from refused


async def _draw(console: Console, url: str, organization_id: str, api_key: str) -> None:
    board, link = LiveBoard(), Link()
    with Live(console=console, screen=True, auto_refresh=False) as screen:
        drawing = asyncio.create_task(_redraw(console, screen, board, link))
        try:
            async for update in follow(url, organization_id, _key(api_key), board):
                match update:
                    case Connected():
                        link.reason = ""
                    case Received(frame=frame):
                        link.hear(frame, _now())
                    case Lost(reason=reason):
                        link.state, link.reason = "reconnecting", reason
        finally:
            drawing.cancel()


async def _redraw(console: Console, screen: Live, board: LiveBoard, link: Link) -> None:
    """Ages tick by themselves, so the screen is drawn at a steady pace rather than for each frame."""
    while True:
        screen.update(render(board, link, _now(), lines=console.height), refresh=True)
        await asyncio.sleep(REFRESH_SECONDS)


async def _print(console: Console, url: str, organization_id: str, api_key: str) -> None:
    async for update in follow(url, organization_id, _key(api_key), LiveBoard()):
        match update:
            case Connected():
                lines = ["connected"]
            case Received(frame=frame):
                lines = list(plain_lines(frame))
            case Lost(reason=reason, retry_seconds=seconds):
                lines = [f"lost: {reason}; again in {seconds:.1f} s"]
        for line in lines:
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def _key(api_key: str) -> Callable[[], Awaitable[Credential]]:
    async def credential() -> Credential:
        return Credential(api_key=api_key)

    return credential


def _now() -> int:
    return time.time_ns() // 1_000_000
