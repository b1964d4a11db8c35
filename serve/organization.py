"""Organizations from the command line: their first credentials are printed once and kept nowhere."""

import asyncio
import re
import secrets
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console

from serve.auth import API_SCOPES, LOGIN_SCOPE
from serve.config import Settings
from serve.deployment import Deployment
from serve.roles import Role
from serve.settings_schemas import OrganizationSettings, SettingsChange
from storage import cache_keys
from storage.api_keys import add_api_key, new_api_key
from storage.cache import forget_copies
from storage.errors import StorageUnavailableError
from storage.placement import set_dedicated
from storage.postgres import open_pool, transaction
from storage.provisioning import add_organization, organization_exists, put_webhook_secret
from storage.sealing import Sealer
from storage.settings import UnknownAssistantsError, change_settings

app = typer.Typer(help="Create organizations and let people in.", no_args_is_help=True)

_LOGIN_MINUTES: Final = 15
_ACTOR: Final = "command line"
_console = Console(highlight=False, soft_wrap=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Option(help="As people see it.")],
    time_zone: Annotated[str, typer.Option(help="IANA name; the organization's day follows it.")] = "UTC",
) -> None:
    """Create an organization; prints its webhook URL, webhook secret and API key, once."""
    if not 1 <= len(name.strip()) <= 200:  # noqa: PLR2004  # as the table has it
        raise typer.BadParameter("1 to 200 characters", param_hint="--name")
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as unknown:
        raise typer.BadParameter(f"{time_zone} is no IANA time zone", param_hint="--time-zone") from unknown
    _run(_create(_settings(), name.strip(), time_zone))


@app.command("login-link")
def login_link(organization_id: Annotated[UUID, typer.Argument(help="As `create` printed it.")]) -> None:
    """Print a link that opens the organization's dashboard: once, within 15 minutes."""
    _run(_login_link(_settings(), str(organization_id)))


@app.command("dedicate")
def dedicate(
    organization_id: Annotated[UUID, typer.Argument(help="As `create` printed it.")],
    *,
    off: Annotated[bool, typer.Option("--off", help="Back to the shards all others share.")] = False,
) -> None:
    """Give an organization's slot a shard process of its own, on the cluster of RAY_ADDRESS, while it works."""
    # Ray takes seconds to import.
    from serve.placement import arrange_shards  # noqa: PLC0415
    from serve.stack.cluster_client import joined_cluster  # noqa: PLC0415

    _run(_dedicate(_settings(), str(organization_id), dedicated=not off))
    with joined_cluster() as settings:
        arrange_shards(settings)
    _console.print("It shares shards with the others again." if off else "It has a shard of its own.")


@app.command("configure")
def configure(
    organization_id: Annotated[UUID, typer.Argument(help="As `create` printed it.")],
    *,
    values: Annotated[
        list[str] | None, typer.Option("--set", help="MEMBER=VALUE, the value as JSON or as it is; may be repeated.")
    ] = None,
) -> None:
    """Change settings while the organization works, and show them all: what the settings of the REST API are."""
    told = dict(_member(each) for each in values or ())
    try:
        changes = SettingsChange.model_validate(told)
    except ValidationError as refused:
        faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in refused.errors())
        raise typer.BadParameter(faults, param_hint="--set") from refused
    _run(_configure(_settings(), str(organization_id), changes))


def _member(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, orjson.loads(value)
    except orjson.JSONDecodeError:
        return name, value


async def _configure(settings: Settings, organization_id: str, changes: SettingsChange) -> None:
    async with await open_pool(settings.direct_url, size=1, name="call-supervisor organization") as pool:
        try:
            made = await change_settings(
                pool,
                organization_id=organization_id,
                changes=changes.told(),
                actor=_ACTOR,
                at=int(datetime.now(UTC).timestamp() * 1000),
            )
        except UnknownAssistantsError as unknown:
            raise typer.BadParameter(f"there is no such assistant: {unknown}", param_hint="--set") from unknown
    if made is None:
        raise typer.BadParameter("there is no such organization")
    await forget_copies(settings.redis_url, *cache_keys.of_settings(organization_id, made.assistant_ids))
    for name, value in OrganizationSettings.of(made.settings).model_dump(mode="json").items():
        _console.print(f"{name:<24}{orjson.dumps(value).decode()}", markup=False)


async def _dedicate(settings: Settings, organization_id: str, *, dedicated: bool) -> None:
    async with await open_pool(settings.direct_url, size=1, name="call-supervisor organization") as pool:
        if not await set_dedicated(pool, organization_id, dedicated=dedicated):
            raise typer.BadParameter("there is no such organization")
    await forget_copies(settings.redis_url, *cache_keys.of_settings(organization_id, ()))


async def _create(settings: Settings, name: str, time_zone: str) -> None:
    sealer = Sealer(settings.encryption_key.get_secret_value())
    organization_id, key, secret = str(uuid4()), new_api_key(), secrets.token_urlsafe(32)
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "organization"
    async with (
        await open_pool(settings.direct_url, size=1, name="call-supervisor organization") as pool,
        transaction(pool) as connection,
    ):
        await add_organization(
            connection,
            organization_id=organization_id,
            name=name,
            slug=f"{words}-{organization_id[:8]}",
            time_zone=time_zone,
        )
        await put_webhook_secret(
            connection,
            secret_id=uuid4(),
            organization_id=organization_id,
            provider="vapi",
            sealed=sealer.seal(organization_id, secret.encode()),
        )
        await add_api_key(
            connection,
            key,
            organization_id=organization_id,
            name="First key",
            scopes=sorted(API_SCOPES),
            role=Role.OWNER,
        )
    base_url = Deployment.of(settings).public_base_url
    _console.print(f"organization    {organization_id}")
    _console.print(f"webhook URL     {base_url}/webhooks/vapi/{organization_id}")
    _console.print(f"webhook secret  {secret}")
    _console.print(f"API key         {key.text}")
    _console.print("Neither the secret nor the key can be shown again.")


async def _login_link(settings: Settings, organization_id: str) -> None:
    key = new_api_key()
    async with (
        await open_pool(settings.direct_url, size=1, name="call-supervisor organization") as pool,
        transaction(pool) as connection,
    ):
        if not await organization_exists(connection, organization_id):
            raise typer.BadParameter("there is no such organization")
        await add_api_key(
            connection,
            key,
            organization_id=organization_id,
            name="Login link",
            scopes=[LOGIN_SCOPE],
            expires_at=datetime.now(UTC) + timedelta(minutes=_LOGIN_MINUTES),
        )
    _console.print(f"{Deployment.of(settings).public_base_url}/login?token={key.text}")


def _settings() -> Settings:
    try:
        return Settings()  # pyright: ignore[reportCallIssue]  # read from the environment
    except ValidationError as missing:
        names = ", ".join(str(fault["loc"][0]).upper() for fault in missing.errors())
        raise typer.BadParameter(f"set {names} in the environment") from missing


def _run(work: Coroutine[None, None, None]) -> None:
    try:
        asyncio.run(work)
    except StorageUnavailableError as away:
        _console.print(f"Nothing was changed: {away}")
        raise typer.Exit(1) from away
