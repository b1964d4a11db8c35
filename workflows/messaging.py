"""The vendors that carry messages to people, as far as they are set up."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from workflows.config import WorkerSettings
from workflows.vendors.resend_api import ResendApi
from workflows.vendors.twilio_api import TwilioApi


@dataclass(frozen=True, slots=True, kw_only=True)
class Texting:
    """Text messages from a number of ours. `status_callback`: where the vendor tells what becomes of them."""

    api: TwilioApi
    sender: str
    status_callback: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """Emails from an address of ours."""

    api: ResendApi
    sender: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Messaging:
    """A channel that is None is off."""

    texting: Texting | None = None
    mailing: Mailing | None = None


@asynccontextmanager
async def open_messaging(settings: WorkerSettings) -> AsyncGenerator[Messaging]:
    """The channels of the settings. Connects to nothing yet; connections end with the context."""
    async with AsyncExitStack() as opened:
        texting, mailing = None, None
        sid, token, sender = settings.twilio_account_sid, settings.twilio_auth_token, settings.twilio_from
        if sid is not None and token is not None and sender is not None:
            api = TwilioApi(sid, token.get_secret_value(), settings.twilio_base_url)
            base = settings.public_base_url
            texting = Texting(
                api=await opened.enter_async_context(api),
                sender=sender,
                status_callback=None if base is None else f"{base.rstrip('/')}/webhooks/twilio",
            )
        if settings.resend_api_key is not None and settings.resend_from is not None:
            resend = ResendApi(settings.resend_api_key.get_secret_value(), settings.resend_base_url)
            mailing = Mailing(api=await opened.enter_async_context(resend), sender=settings.resend_from)
        yield Messaging(texting=texting, mailing=mailing)
