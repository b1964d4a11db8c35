"""`call-supervisor simulate`: calls as VAPI would tell of them, sent to a running stack, and what it made of them."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from serve.live.client import NotPermittedError
from serve.simulator.calls import scripted_calls
from serve.simulator.checking import Checker, LiveCheck, Watcher
from serve.simulator.ledger import SETTLED_SECONDS, Ledger
from serve.simulator.mischief import Delivery, Mischief, deliveries
from serve.simulator.schedule import Schedule
from serve.simulator.script import ScriptedCall
from serve.simulator.sending import Commands, Registrar, Sender
from serve.simulator.target import Target, read_target, require_running
from workflows.call_processing import REPORT_ASKED_AFTER_MS

_LEAD_SECONDS: Final = 1.0
_LINE_SECONDS: Final = 10.0
_LISTED: Final = 50
_ASKED_AFTER_SECONDS: Final = REPORT_ASKED_AFTER_MS[0] / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is sent, and how long its effects may take.

    `awaits_lost_reports`: reports that were dropped must have come from the provider, which is asked two minutes after
    the end of a call.
    """

    calls: Sequence[ScriptedCall]
    deliveries: Sequence[Delivery]
    wait_seconds: float
    settled_seconds: float = SETTLED_SECONDS
    awaits_lost_reports: bool = True

    @property
    def middle(self) -> float:
        """The time, in seconds since the epoch, when half of what is sent is sent."""
        return self.deliveries[len(self.deliveries) // 2].send_at / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was found. The run is good when nothing differs."""

    ledger: Ledger
    calls: int
    calls_differing: int
    looks: dict[str, LiveCheck]
    differences: Sequence[str]


def share(written: str | float) -> float:
    """A share from 0 to 1, also written as a percentage. Raises typer.BadParameter."""
    text = str(written)  # typer hands a default over as it is
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError as wrong:
        raise typer.BadParameter("a share is written 5% or 0.05") from wrong
    if not 0 <= value <= 1:
        raise typer.BadParameter("a share lies between 0% and 100%")
    return value


_Share = Annotated[float, typer.Option(parser=share, metavar="SHARE")]


def command(
    *,
    calls: Annotated[int, typer.Option(min=1, max=5000, help="How many calls.")] = 20,
    rate: Annotated[float, typer.Option(min=0.05, max=50, help="New calls per second.")] = 2.0,
    duplicate: _Share = 0.0,
    reorder: _Share = 0.0,
    delay: _Share = 0.0,
    drop_report: _Share = 0.0,
    drop_ended: _Share = 0.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same calls.")] = 7,
    speed: Annotated[float, typer.Option(min=1, max=100, help="How many times as fast as real calls.")] = 1.0,
    call_seconds: Annotated[float | None, typer.Option(min=2, max=600, help="Mean length of a call.")] = None,
    organization: Annotated[str, typer.Option(help="`main` or `other`, as in dev.json.")] = "main",
    wait_seconds: Annotated[float, typer.Option(min=1, max=3600, help="How long processing may take at most.")] = 120,
    data_dir: Annotated[Path, typer.Option("--data-dir", help="The data folder of the running stack.")] = Path(".data"),
) -> None:
    """Simulate calls, misbehave as told, and compare what the stack shows with what is true.

    The calls take commands as VAPI's do: what an operator says in one, or its end, becomes part of the truth.
    Exit code 0 when nothing differs.
    """
    target = read_target(data_dir, organization)
    require_running(target.base_url)
    mischief = Mischief(
        duplicate=duplicate, reorder=reorder, delay=delay, drop_report=drop_report, drop_ended=drop_ended
    )
    starts_at = round((time.time() + _LEAD_SECONDS) * 1000)
    scripted = scripted_calls(seed, calls, starts_at=starts_at, rate=rate, speed=speed, call_seconds=call_seconds)
    scripted = [replace(each, control_base=target.control_base) for each in scripted]
    plan = Plan(calls=scripted, deliveries=deliveries(scripted, mischief, seed=seed), wait_seconds=wait_seconds)
    console = Console()
    outcome = asyncio.run(drive(target, plan, console))
    print_outcome(console, outcome)
    raise typer.Exit(1 if outcome.differences else 0)


async def drive(target: Target, plan: Plan, console: Console) -> Outcome:
    """Send the plan and look at what becomes of it: half way, after the last answer, and once all is processed."""
    ledger = Ledger(settled_seconds=plan.settled_seconds)
    watcher = Watcher(target)
    looks: dict[str, LiveCheck] = {}
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(limits=limits, trust_env=False) as http, _running(watcher, console):
        checker = Checker(http, target, ledger)

        async def look(when: str) -> None:
            looks[f"{when}, calls/active"] = await checker.active()
            looks[f"{when}, live feed"] = watcher.check(ledger.live_set(time.monotonic()))

        async def look_half_way() -> None:
            await asyncio.sleep(max(0.0, plan.middle - time.time()))
            await look("half way")

        schedule = Schedule(plan.calls, plan.deliveries)
        registering = asyncio.create_task(_register(Registrar(http, target), schedule, console))
        commanding = asyncio.create_task(Commands(http, target, schedule).run())
        looking = asyncio.create_task(look_half_way())
        try:
            with _progress(console, len(plan.deliveries), ledger) as sent:
                await Sender(http, target, ledger, sent=sent).run(schedule)
            if time.time() >= plan.middle:
                # Commands may have ended everything before.
                await looking
            is_provider_told = await registering
        finally:
            for task in (registering, looking, commanding):
                task.cancel()
        lost = ledger.lost_reports() if is_provider_told and plan.awaits_lost_reports else frozenset[str]()
        console.print("All sent and answered; waiting until everything is processed.")
        if lost:
            console.print(
                f"{len(lost)} reports never came: the provider is asked {_ASKED_AFTER_SECONDS:g} s after a call."
            )
        count, wrong = await checker.outcomes(
            within_seconds=plan.wait_seconds + (_ASKED_AFTER_SECONDS if lost else 0),
            provider_asked=bool(lost),
            waiting_for=_waiting(console, lost),
        )
        await asyncio.sleep(plan.settled_seconds)
        await look("at the end")
    live_wrong = [f"{when}: {each}" for when, found in looks.items() for each in found.differences]
    refused = [f"{count} webhooks answered {answer}" for answer, count in ledger.answers.items() if answer[0] != "2"]
    return Outcome(
        ledger=ledger,
        calls=count,
        calls_differing=len(wrong),
        looks=looks,
        differences=[*refused, *live_wrong, *(each for faults in wrong.values() for each in faults)],
    )


@asynccontextmanager
async def _running(watcher: Watcher, console: Console) -> AsyncGenerator[None]:
    async def watch() -> None:
        try:
            await watcher.run()
        except NotPermittedError as refused:
            console.print(f"The live hub refused us: {refused}")

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _register(registrar: Registrar, schedule: Schedule, console: Console) -> bool:
    """Whether the simulated vendor knows every call to its end."""
    try:
        await registrar.run(schedule)
    except httpx.HTTPError as failed:
        console.print(f"No simulated vendor to tell the calls to ({failed}): lost reports stay lost.")
        return False
    return True


def _waiting(console: Console, lost: frozenset[str]) -> Callable[[int, frozenset[str]], None]:
    """A line now and then of what is waited for."""
    told_at = time.monotonic()

    def waiting_for(total: int, wrong: frozenset[str]) -> None:
        nonlocal told_at
        if time.monotonic() - told_at < _LINE_SECONDS:
            return
        told_at = time.monotonic()
        reports = f", {len(wrong & lost)} of them for a lost report" if wrong & lost else ""
        console.print(f"{total - len(wrong)} of {total} calls are as they must be; waiting for {len(wrong)}{reports}")

    return waiting_for


@contextmanager
def _progress(console: Console, total: int, ledger: Ledger) -> Generator[Callable[[], None]]:
    """A bar on a terminal, a line now and then elsewhere. Yields what is called for each answer."""
    if console.is_terminal:
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("webhooks"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("", total=total)
            yield lambda: progress.advance(task)
        return
    told_at = time.monotonic()

    def answered() -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= _LINE_SECONDS:
            told_at = time.monotonic()
            console.print(f"{ledger.answers.total()} of {total} webhooks answered")

    yield answered


def print_outcome(console: Console, outcome: Outcome) -> None:
    """The closing table, then every difference, if any."""
    ledger = outcome.ledger
    table = Table(title="Simulated calls", title_justify="left")
    for name in ("what", "expected", "found"):
        table.add_column(name, justify="left" if name == "what" else "right")
    table.add_row("webhooks sent", "", str(ledger.sent))
    table.add_row("  of them duplicates", "", str(ledger.duplicates))
    for answer, count in sorted(ledger.answers.items()):
        table.add_row(f"acknowledged {answer}" if answer[0] == "2" else f"answered {answer}", "", str(count))
    for when, found in outcome.looks.items():
        table.add_row(f"going on {when}", str(found.expected), str(found.found))
    table.add_row("calls as they must be", str(outcome.calls), str(outcome.calls - outcome.calls_differing))
    table.add_row("differences", "0", str(len(outcome.differences)))
    console.print(table)
    for each in outcome.differences[:_LISTED]:
        console.print(f"  {each}", highlight=False, markup=False)
    if len(outcome.differences) > _LISTED:
        console.print(f"  and {len(outcome.differences) - _LISTED} more")
