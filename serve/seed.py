"""The local stack's organizations: the same ones at every start, their secrets made once and kept on this machine."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from pydantic import BaseModel, Field

from serve.auth import API_SCOPES, LOGIN_SCOPE
from serve.config import Settings
from serve.local_issuer import local_issuer, user_id_of
from serve.roles import Role
from serve.seed_vendors import new_integration_secret, seed_vendors
from serve.stack.state import write_atomically
from storage.api_keys import add_api_key, new_api_key, parse_api_key, revoke_api_keys_except
from storage.postgres import Connection, Pool, transaction
from storage.provider_keys import VAPI, VAPI_PUBLIC, put_provider_key
from storage.provisioning import (
    add_organization,
    put_assistant,
    put_member,
    put_phone_number,
    put_webhook_secret,
)
from storage.sealing import Sealer

PHONE_NUMBER: Final = "+15550300000"
# Without an allowance: every second counts.
_PLAN: Final = "metered"
_API_KEY_NAME: Final = "Local API key"
_LOGIN_KEY_NAME: Final = "Local dashboard login"
PROBE: Final = "probe"
_ORGANIZATIONS: Final = (
    ("demo", "Demo organization"),
    ("second", "Second organization"),
    # Takes the event that proves the way through at each start, so that nobody's figures hold it.
    (PROBE, "Probe"),
)


class _Kept(BaseModel):
    """The secrets of one organization, in credentials.json."""

    api_key: str
    login_key: str
    vapi_secret: str
    vapi_api_key: str
    vapi_public_key: str = Field(default_factory=lambda: secrets.token_urlsafe(32))
    integration_secret: str = Field(default_factory=new_integration_secret)


class _KeptByName(BaseModel):
    organizations: dict[str, _Kept] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class DevOrganization:
    """How to act as one organization of the local stack."""

    organization_id: str
    api_key: str = field(repr=False)
    vapi_secret: str = field(repr=False)
    integration_secret: str = field(repr=False)
    dashboard_login_url: str = field(repr=False)
    assistant_id: str
    phone_number_id: str
    phone_number: str
    owner_email: str
    owner_password: str | None = field(repr=False)
    """None where a real project knows the people."""

    def published(self) -> dict[str, object]:
        """The members of dev.json."""
        return {
            "organization_id": self.organization_id,
            "api_key": self.api_key,
            "vapi_secret": self.vapi_secret,
            "integration_secret": self.integration_secret,
            "dashboard_login_url": self.dashboard_login_url,
            "owner": {"email": self.owner_email, "password": self.owner_password},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DevCredentials:
    """The organizations of the local stack."""

    first: DevOrganization
    other: DevOrganization
    probe: DevOrganization

    def published(self) -> dict[str, object]:
        """The members of dev.json: the first organization's, and the second's under `other`."""
        return {**self.first.published(), "other": self.other.published()}


async def seed(settings: Settings, pool: Pool, sealer: Sealer, *, data_dir: Path) -> DevCredentials:
    """Bring the organizations into Postgres. Safe to repeat: ids never change, secrets live in credentials.json.

    When that file is lost the secrets are made anew and the old ones stop working. Postgres gets hashes and seals
    only. Raises StorageUnavailableError.
    """
    path = data_dir / "credentials.json"
    held = _KeptByName.model_validate_json(path.read_bytes()) if path.exists() else _KeptByName()
    told = settings.vapi_webhook_secret
    kept = {slug: held.organizations.get(slug) or _new_secrets() for slug, _ in _ORGANIZATIONS}
    if told is not None:
        first_slug = _ORGANIZATIONS[0][0]
        kept[first_slug] = kept[first_slug].model_copy(update={"vapi_secret": told.get_secret_value()})
    # Before Postgres: a crash between the two leaves secrets that the next start uses.
    write_atomically(path, _KeptByName(organizations=kept).model_dump())
    async with transaction(pool) as connection:
        first, other, probe = [
            await _seed_organization(connection, settings, sealer, slug=slug, name=name, kept=kept[slug])
            for slug, name in _ORGANIZATIONS
        ]
    return DevCredentials(first=first, other=other, probe=probe)


def _new_secrets() -> _Kept:
    return _Kept(
        api_key=new_api_key().text,
        login_key=new_api_key().text,
        vapi_secret=secrets.token_urlsafe(32),
        vapi_api_key=secrets.token_urlsafe(32),
    )


async def _seed_organization(
    connection: Connection, settings: Settings, sealer: Sealer, *, slug: str, name: str, kept: _Kept
) -> DevOrganization:
    identity = uuid5(NAMESPACE_URL, f"urn:call-supervisor:local:{slug}")
    organization_id = str(identity)
    issuer = local_issuer(settings)
    await add_organization(
        connection, organization_id=organization_id, name=name, slug=slug, time_zone="UTC", plan_id=_PLAN
    )
    await put_webhook_secret(
        connection,
        secret_id=uuid5(identity, "webhook-secret"),
        organization_id=organization_id,
        provider="vapi",
        sealed=sealer.seal(organization_id, kept.vapi_secret.encode()),
    )
    told = settings.vapi_api_key
    await put_provider_key(
        connection,
        sealer,
        organization_id=organization_id,
        provider=VAPI,
        key=kept.vapi_api_key if told is None else told.get_secret_value(),
    )
    if settings.simulator_origin is not None:
        await put_provider_key(
            connection, sealer, organization_id=organization_id, provider=VAPI_PUBLIC, key=kept.vapi_public_key
        )
    owner_email = f"owner@{slug}.example"
    owner_id = user_id_of(owner_email)
    await put_member(connection, organization_id=organization_id, user_id=owner_id, email=owner_email, role=Role.OWNER)
    for name_of_key, text, scopes, user_id in (
        (_API_KEY_NAME, kept.api_key, API_SCOPES, None),
        (_LOGIN_KEY_NAME, kept.login_key, {LOGIN_SCOPE}, owner_id),
    ):
        key = parse_api_key(text)
        if key is None:
            raise ValueError("credentials.json holds a damaged key; remove the file and start again")
        await add_api_key(
            connection,
            key,
            organization_id=organization_id,
            name=name_of_key,
            scopes=sorted(scopes),
            role=Role.OWNER,
            user_id=user_id,
        )
        await revoke_api_keys_except(connection, key, organization_id=organization_id, name=name_of_key)
    assistant_id = uuid5(identity, "assistant")
    phone_number_id = str(uuid5(identity, "phone-number"))
    await put_assistant(
        connection,
        assistant_id=assistant_id,
        organization_id=organization_id,
        name="Front desk",
        config=_assistant_config(name),
    )
    await put_phone_number(
        connection,
        phone_number_id=uuid5(identity, "number"),
        organization_id=organization_id,
        provider_phone_number_id=phone_number_id,
        number=PHONE_NUMBER,
        assistant_id=assistant_id,
    )
    if slug != PROBE:
        await seed_vendors(
            connection, settings, sealer, identity=identity, slug=slug, integration_secret=kept.integration_secret
        )
    return DevOrganization(
        organization_id=organization_id,
        api_key=kept.api_key,
        vapi_secret=kept.vapi_secret,
        integration_secret=kept.integration_secret,
        dashboard_login_url=f"{settings.public_base_url.rstrip('/')}/login?token={kept.login_key}",
        assistant_id=str(assistant_id),
        phone_number_id=phone_number_id,
        phone_number=PHONE_NUMBER,
        owner_email=owner_email,
        owner_password=issuer.password_of(owner_email) if issuer is not None else None,
    )


def _assistant_config(organization_name: str) -> Mapping[str, Any]:
    """An assistant in VAPI's terms, sent whole with each answer."""
    return {
        "name": "Front desk",
        "firstMessage": f"Thank you for calling the {organization_name}. How can I help?",
        "model": {
            "provider": "openai",
            "model": "gpt-4o-mini",
            "messages": [{"role": "system", "content": "You answer the phone of a small office. Be brief and kind."}],
        },
        "voice": {"provider": "vapi", "voiceId": "Elliot"},
        "transcriber": {"provider": "deepgram", "model": "nova-3", "language": "en"},
    }
