"""Stop a stack from another terminal, and show one: both work on what stack.json records."""

import time

from rich.console import Console
from rich.table import Table

from serve.stack.leftovers import clear_leftovers
from serve.stack.ports import listens
from serve.stack.state import DataFolder
from serve.stack.steps import Steps


def down(folder: DataFolder, steps: Steps, *, timeout_s: float = 120.0) -> int:
    """Ask the running `up` to stop and wait for it; when it was killed, end what it left. Returns the exit code."""
    record = folder.read_record()
    supervisor = record.supervisor.identity.find() if record else None
    if record is None or supervisor is None:
        clear_leftovers(folder, steps)
        steps.console.print("nothing runs")
        return 0
    with steps.step(f"stack (pid {supervisor.pid}) stopped"):
        supervisor.terminate()
        deadline = time.monotonic() + timeout_s
        while record.supervisor.identity.find() and time.monotonic() < deadline:
            time.sleep(0.1)
    if record.supervisor.identity.find():
        steps.console.print(f"pid {supervisor.pid} has not ended after {timeout_s:.0f} s; its terminal says why")
        return 1
    return 0


def status(folder: DataFolder, console: Console) -> int:
    """Show each part with pid, port, health and age. Returns 0 when all are well, 1 otherwise."""
    record = folder.read_record()
    if record is None:
        console.print(f"no stack runs in {folder.path}")
        return 1
    table = Table("part", "pid", "port", "health", "up for")
    healthy = True
    for name, part in {"call-supervisor up": record.supervisor, **record.parts}.items():
        running = part.identity.find() is not None
        well = running and (part.port is None or listens(part.port))
        healthy = healthy and well
        health = "[green]well[/green]" if well else "[yellow]not answering[/yellow]" if running else "[red]ended[/red]"
        age = _duration(time.time() - part.started_at) if running else "-"
        table.add_row(name, str(part.pid), str(part.port or "-"), health, age)
    console.print(table)
    return 0 if healthy else 1


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
