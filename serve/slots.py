"""`call-supervisor slots`: what holds each concurrency slot, and releasing one, from the command line."""

from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import httpx
import typer
from rich.console import Console
from rich.table import Table

from serve.simulator.target import read_target

_SECONDS: Final = 10.0


def slots(
    *,
    data_dir: Annotated[Path, typer.Option("--data-dir", help="The local stack to ask.")] = Path(".data"),
    url: Annotated[str | None, typer.Option(help="An API elsewhere, as https://host.")] = None,
    api_key: Annotated[
        str | None, typer.Option(envvar="CALL_SUPERVISOR_API_KEY", help="With calls:read; slots:release to release.")
    ] = None,
    organization_id: Annotated[str | None, typer.Option(help="Whose slots.")] = None,
    release: Annotated[str | None, typer.Option(help="Free the slot of this call.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why; kept in the audit log.")] = None,
) -> None:
    """Show what holds each concurrency slot, or free one: `--release CALL --reason WHY`."""
    if release is not None and not reason:
        raise typer.BadParameter("say why, for the audit log", param_hint="--reason")
    if url is None or api_key is None or organization_id is None:
        target = read_target(data_dir, "main")
        url, api_key = url or target.base_url, api_key or target.api_key
        organization_id = organization_id or target.organization_id
    place = f"{url.rstrip('/')}/v1/organizations/{organization_id}/slots"
    console = Console()
    try:
        with httpx.Client(headers={"Authorization": f"Bearer {api_key}"}, timeout=_SECONDS) as http:
            if release is not None:
                answer = http.post(f"{place}/{quote(release, safe='')}/release", json={"reason": reason})
                console.print(f"{release}: {_read(answer)['result']}", markup=False)
            else:
                _show(console, _read(http.get(place)))
    except httpx.HTTPError as away:
        Console(stderr=True).print(f"{url} does not answer: {away}", style="red", markup=False)
        raise typer.Exit(1) from away


def _read(answer: httpx.Response) -> dict[str, Any]:
    told: dict[str, Any] = answer.json()
    if answer.is_error:
        Console(stderr=True).print(str(told.get("detail", answer.reason_phrase)), style="red", markup=False)
        raise typer.Exit(1)
    return told


def _show(console: Console, ledger: dict[str, Any]) -> None:
    limit = ledger["limit"] if ledger["limit"] is not None else "no limit"
    console.print(
        f"{ledger['in_use']} of {limit} in use, {ledger['reserved']} of them reserved; as of {ledger['as_of']}"
    )
    table = Table("call", "state", "assistant", "campaign", "since", "last evidence", "", box=None)
    for name in ("slots", "released"):
        for slot in ledger[name]:
            state = slot["state"] if name == "slots" else "released"
            evidence = f"{slot['evidence_kind']} {slot['evidence_at']}"
            told = (slot["call_id"], state, slot["assistant_id"], slot["campaign_id"], slot["since"], evidence)
            table.add_row(*(each or "-" for each in told), slot["evidence"])
    console.print(table)
