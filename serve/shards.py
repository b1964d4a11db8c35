"""Shards from the command line: what each does, and how many there are, changed while they work."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final, TypeAlias, cast

import typer
from rich.console import Console
from rich.table import Table

from actors.domain.json_types import JSON
from actors.leases import fair_share
from actors.slots import SLOTS

Statuses: TypeAlias = Callable[[], Mapping[str, Mapping[str, JSON]]]

COLUMNS: Final[Mapping[str, str]] = {
    "name": "shard",
    "pid": "pid",
    "node": "node",
    "version": "version",
    "slots": "slots",
    "organizations": "organizations",
    "live_calls": "live calls",
    "lag_ms": "lag ms",
    "highest_epoch": "epoch",
    "waiting_in_mailboxes": "waiting",
    "overloaded": "overloaded",
    "repairs": "repairs",
    "memory_mb": "memory MB",
}
_TEXTS: Final = frozenset({"name", "node", "version"})
_VERSION_SHOWN: Final = 8
BALANCE_SECONDS: Final = 60.0
POLL_SECONDS: Final = 1.0


def command(
    count: Annotated[
        int | None, typer.Option(min=1, max=256, help="Have so many shards from now on, across deployments.")
    ] = None,
) -> None:
    """Show the shards of the cluster of RAY_ADDRESS; with --count, start or drain some first, under traffic.

    A shard that goes hands its organizations over before it ends: nothing is lost, nothing done twice.
    """
    # Ray takes seconds to import.
    from actors.runtime import shard_statuses  # noqa: PLC0415
    from serve.placement import arrange_shards  # noqa: PLC0415
    from serve.stack.cluster_client import joined_cluster  # noqa: PLC0415

    console = Console()
    with joined_cluster() as settings:
        if count is not None:
            console.print(f"{len(shard_statuses())} shards answer; {count} are to share the slots from now on")
            arrange_shards(settings, count=count)
            _wait_for_balance(console, shard_statuses)
        console.print(table(list(shard_statuses().values())))


def table(statuses: Sequence[Mapping[str, JSON]]) -> Table:
    """One row a shard."""
    shown = Table()
    for name, title in COLUMNS.items():
        shown.add_column(title, justify="left" if name in _TEXTS else "right", no_wrap=name == "name")
    for status in statuses:
        cells = {name: str(status.get(name, "")) for name in COLUMNS}
        shown.add_row(*{**cells, "version": cells["version"][:_VERSION_SHOWN]}.values())
    return shown


def is_balanced(statuses: Sequence[Mapping[str, JSON]]) -> bool:
    """Every slot is held, and none has more than a fair share; dedicated shards have what is theirs."""
    held = [cast("int", status["slots"]) for status in statuses]
    shared = [cast("int", status["slots"]) for status in statuses if not status["dedicated"]]
    return sum(held) == SLOTS and max(shared, default=0) <= fair_share(len(shared))


def _wait_for_balance(console: Console, statuses: Statuses) -> None:
    """Tell how slots move, until no shard has more than its share."""
    deadline, told = time.monotonic() + BALANCE_SECONDS, ""
    while time.monotonic() < deadline:
        now = statuses()
        slots = {name: status["slots"] for name, status in now.items()}
        line = ", ".join(f"{name} {held}" for name, held in slots.items())
        if line != told:
            console.print(f"slots: {line}")
            told = line
        if is_balanced(list(now.values())):
            return
        time.sleep(POLL_SECONDS)
    console.print("Slots still move; run this again to see.")
