"""Vendors as the API asks them, at once and once: VAPI to act on calls, Stripe for pages to pay on."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from serve.config import Settings
from serve.errors import ConflictError
from storage.call_controls import CallControls
from storage.postgres import Pool
from storage.provider_keys import VAPI, VAPI_PUBLIC, ProviderKeys
from storage.sealing import Sealer, SealError
from storage.times import milliseconds
from storage.wiring import WiringStore
from workflows.vendors.stripe_api import StripeApi
from workflows.vendors.vapi import VapiClient
from workflows.vendors.vapi_account import VapiAccount
from workflows.vendors.vapi_control import ControlClient
from workflows.vendors.vapi_placing import PlacingClient
from workflows.wiring_desk import WiringDesk

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """The vendors, and what Postgres keeps to reach VAPI."""

    vapi: VapiClient
    commands: ControlClient
    placing: PlacingClient
    addresses: CallControls
    keys: ProviderKeys
    wiring: WiringDesk
    trusted_origin: str | None
    stripe: StripeApi | None
    """None: no payment provider is set."""

    async def key_of(self, organization_id: str) -> str:
        """The organization's key. Raises ConflictError when it gave none."""
        key = await self.keys.key_of(organization_id, VAPI)
        if key is None:
            raise ConflictError("The organization has given no key of VAPI.")
        return key

    async def control_key_of(self, organization_id: str) -> str | None:
        """What opens the control of its calls where VAPI was told to ask for it; None when it gave none."""
        return await self.keys.key_of(organization_id, VAPI_PUBLIC)


@asynccontextmanager
async def open_provider(settings: Settings, pool: Pool, sealer: Sealer) -> AsyncGenerator[Provider]:
    """VAPI of the settings. Connects to nothing yet."""
    async with (
        AsyncExitStack() as paying,
        VapiClient(settings.vapi_base_url) as vapi,
        VapiAccount(settings.vapi_base_url) as account,
        PlacingClient(settings.vapi_base_url) as placing,
        ControlClient(trusted_origin=settings.simulator_origin) as commands,
    ):
        stripe: StripeApi | None = None
        if settings.stripe_secret_key is not None:
            key = settings.stripe_secret_key.get_secret_value()
            stripe = await paying.enter_async_context(StripeApi(key, settings.stripe_base_url))
        keys = ProviderKeys(pool, sealer)

        async def readable_key_of(organization_id: str, provider: str) -> str | None:
            try:
                return await keys.key_of(organization_id, provider)
            except SealError:
                _log.warning("provider_key_unreadable", organization_id=organization_id)
                return None

        yield Provider(
            vapi=vapi,
            commands=commands,
            placing=placing,
            addresses=CallControls(pool, sealer),
            keys=keys,
            wiring=WiringDesk(
                WiringStore(pool, sealer),
                account,
                key_of=readable_key_of,
                base_url=settings.public_base_url,
                now=lambda: milliseconds(datetime.now(UTC)),
            ),
            trusted_origin=settings.simulator_origin,
            stripe=stripe,
        )
