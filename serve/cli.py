"""The command line: the local stack, a deployment on a cluster, and what to try on either."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from serve import archive, organization, shards, usage
from serve.live.watch import watch
from serve.simulator import drive
from serve.simulator.load import command as load
from serve.slots import slots
from serve.stack.down import down as stop_stack
from serve.stack.down import status as show_stack
from serve.stack.state import DataFolder
from serve.stack.steps import Steps
from serve.stack.up import StackOptions
from serve.stack.up import up as run_stack

main = typer.Typer(
    name="call-supervisor",
    help="Real-time supervisor for voice-AI calls.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
main.add_typer(organization.app, name="organization")
main.add_typer(usage.app, name="usage")
main.command("watch")(watch)
main.command("slots")(slots)
main.command("simulate")(drive.command)
main.command("load")(load.command)
main.command("shards")(shards.command)
main.command("archive")(archive.command)
DataDir = Annotated[Path, typer.Option("--data-dir", help="Where everything this stack keeps lives.")]


@main.command()
def up(
    *,
    data_dir: DataDir = Path(".data"),
    http_port: Annotated[int, typer.Option(help="Webhooks, REST and the dashboard.")] = 8000,
    live_port: Annotated[int, typer.Option(help="Websockets of live dashboards.")] = 8001,
    dashboard_port: Annotated[int, typer.Option(help="Ray's own dashboard.")] = 8265,
    shards: Annotated[int, typer.Option(min=1, max=256, help="Processes that hold organizations.")] = 2,
    replicas: Annotated[int, typer.Option(min=1, help="Processes that take webhooks.")] = 2,
) -> None:
    """Start PostgreSQL, Valkey, Temporal, Ray and the applications on this machine, until Ctrl-C.

    DATABASE_URL, REDIS_URL and TEMPORAL_ADDRESS each replace the embedded server when they are set. Data survives
    in the data folder; what a killed run left behind is ended first.
    """
    options = StackOptions(
        data_dir=data_dir,
        http_port=http_port,
        live_port=live_port,
        dashboard_port=dashboard_port,
        shards=shards,
        replicas=replicas,
    )
    raise typer.Exit(run_stack(options, Steps(Console()), dict(os.environ)))


@main.command()
def down(data_dir: DataDir = Path(".data")) -> None:
    """Stop the stack of a data folder, or end what a killed one left."""
    raise typer.Exit(stop_stack(DataFolder(data_dir), Steps(Console())))


@main.command()
def status(data_dir: DataDir = Path(".data")) -> None:
    """Show the parts of a running stack; exit code 0 when all are well."""
    raise typer.Exit(show_stack(DataFolder(data_dir), Console()))


@main.command()
def deploy() -> None:
    """Migrate and deploy onto the Ray cluster of RAY_ADDRESS, with settings from the environment.

    Safe to repeat: what is current stays as it is.
    """
    from serve.stack.applications import deploy_to_cluster  # noqa: PLC0415  # Ray takes seconds to import

    deploy_to_cluster()


if __name__ == "__main__":
    main()
