"""`call-supervisor load`: the budgets of the design, measured on this machine in a process of its own."""

import asyncio
import json
import selectors
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import psutil
import typer
import uvloop
from rich.console import Console

from serve.simulator.load.figures import Figure, Measured, machine, print_figures
from serve.simulator.load.http1 import Endpoint
from serve.simulator.load.live import webhook_to_frame
from serve.simulator.load.phases import acknowledgement, chatter, reports, statuses
from serve.simulator.load.templates import Templates
from serve.simulator.target import Target, read_target, require_loopback, require_running

_RATE: Final = 100.0
_PEER_PATH: Final = "/webhooks/vapi/org-1"
_REST_SECONDS: Final = 1.0
_LONGEST_REST_SECONDS: Final = 30.0
_BUSY_PERCENT: Final = 35.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds each phase lasts, and how many sockets listen in the live ones."""

    acknowledgement: float
    live: float
    saturation: float
    sockets: tuple[int, ...]


FULL: Final = Times(acknowledgement=60, live=20, saturation=10, sockets=(100, 500))
QUICK: Final = Times(acknowledgement=6, live=4, saturation=3, sockets=(100,))

Phase = Callable[[], Awaitable[Measured]]


def command(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="About half a minute in all, for CI.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    peer: Annotated[str | None, typer.Option(help="Base URL of another implementation to measure first.")] = None,
    peer_secret: Annotated[str, typer.Option(help="Its webhook secret.")] = "",
    organization: Annotated[str, typer.Option(help="`main` or `other`, as in dev.json.")] = "other",
    data_dir: Annotated[Path, typer.Option("--data-dir", help="The data folder of the running stack.")] = Path(".data"),
) -> None:
    """Measure ack latency at 100/s, throughput at saturation, and the way from webhook to live frame.

    Bodies have real sizes and come in the proportion of real calls. Latencies count from the time a request should
    have left. Loopback only; the calls appear in the chosen organization.
    """
    target = read_target(data_dir, organization)
    for url in (target.base_url, target.live_url):
        require_loopback(url)
        require_running(url)
    console = Console(stderr=as_json)
    described = machine()
    times = QUICK if quick else FULL
    theirs: Mapping[str, Figure] = {}
    if peer is not None:
        require_loopback(peer)
        require_running(peer)
        endpoint = Endpoint(url=peer.rstrip("/") + _PEER_PATH, secret=peer_secret)
        theirs = {each.name: each for each in run_phases(_webhook_phases(endpoint, times), console, "peer: ")}
    figures = run_phases(_phases(target, times), console, "")
    figures = [replace(each, peer=theirs[each.name].value) if each.name in theirs else each for each in figures]
    if as_json:
        typer.echo(json.dumps({"machine": described, "figures": [each.as_json() for each in figures]}, indent=2))
    else:
        print_figures(console, figures, described)


def _phases(target: Target, times: Times) -> dict[str, Phase]:
    """All phases; those that leave work behind come last."""
    endpoint = Endpoint(url=target.webhook_url, secret=target.vapi_secret)
    webhooks = _webhook_phases(endpoint, times)
    live: dict[str, Phase] = {
        f"webhook to frame, {sockets} sockets": partial(
            webhook_to_frame,
            target,
            endpoint,
            _templates(),
            sockets=sockets,
            rate=_RATE,
            seconds=times.live,
        )
        for sockets in times.sockets
    }
    first = next(iter(webhooks))
    return {first: webhooks.pop(first), **live, **webhooks}


def _webhook_phases(endpoint: Endpoint, times: Times) -> dict[str, Phase]:
    templates = _templates()
    seconds = times.saturation
    return {
        f"ack at {_RATE:g}/s": partial(acknowledgement, endpoint, templates, rate=_RATE, seconds=times.acknowledgement),
        "saturation: chatter": partial(chatter, endpoint, templates, seconds=seconds),
        "saturation: status updates": partial(statuses, endpoint, templates, seconds=seconds),
        "saturation: reports": partial(reports, endpoint, templates, seconds=seconds),
    }


def _templates() -> Templates:
    return Templates(time.time_ns() // 1_000_000)


def run_phases(phases: Mapping[str, Phase], console: Console, prefix: str) -> list[Figure]:
    """Run one after the other. A stack that goes away meanwhile is told in a line; raises typer.Exit then."""
    figures: list[Figure] = []
    for name, phase in phases.items():
        console.print(f"{prefix}{name} …")
        gone, measured = False, Measured()
        with asyncio.Runner(loop_factory=_precise_loop if name.startswith("ack") else uvloop.new_event_loop) as runner:
            try:
                measured = runner.run(_awaited(phase))
            except* (OSError, OverflowError) as failed:
                cause = _first(failed)
                console.print(f"  what is measured does not answer any more: {cause}", style="red", markup=False)
                gone = True
        if gone:
            raise typer.Exit(1)
        if measured.refused:
            console.print(f"  not acknowledged: {measured.refused} (0: no answer)", highlight=False)
        figures += measured.figures
        _rest()
    return figures


def _rest() -> None:
    """Let what a phase leaves behind be processed, so that the next one measures itself; at most half a minute."""
    until = time.monotonic() + _LONGEST_REST_SECONDS
    while psutil.cpu_percent(interval=_REST_SECONDS) > _BUSY_PERCENT and time.monotonic() < until:
        pass


def _first(failed: BaseException) -> str:
    within = getattr(failed, "exceptions", ())
    return _first(within[0]) if within else str(failed) or type(failed).__name__


async def _awaited(phase: Phase) -> Measured:
    return await phase()


def _precise_loop() -> asyncio.AbstractEventLoop:
    # select() waits to the microsecond; epoll rounds up to the next millisecond, a fifth of the budget.
    return asyncio.SelectorEventLoop(selectors.SelectSelector())
