"""A message that is written down leaves for its vendor, once, whatever becomes of the answer."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from storage.notifications import SENDING, Channel, Message, MessageRef, Notifications
from workflows.errors import AbsentError, AmbiguousError, ProviderUnavailableError, RefusedError
from workflows.messaging import Messaging
from workflows.vendors.twilio_api import OPTED_OUT, SentMessage

_KEY_REMEMBERED_MS: Final = 23 * 3_600_000
"""Resend knows an idempotency key for a day; what was sent before that cannot be asked about."""


class MessageSender:
    """An email that may have been sent is sent again under the same key, a text that may have been is looked for first.

    A channel that is None is off. `now` is ms of our clock.
    """

    def __init__(self, messages: Notifications, messaging: Messaging, *, now: Callable[[], int]) -> None:
        self._messages = messages
        self._texting = messaging.texting
        self._mailing = messaging.mailing
        self._now = now

    def carries(self, channel: Channel) -> bool:
        """Whether the channel is on."""
        return (self._texting if channel == "sms" else self._mailing) is not None

    async def deliver(self, ref: MessageRef, message: Message, *, kind: str, key: str) -> None:
        """Send it and note that it left, or settle why it does not.

        Raises ProviderUnavailableError and AbsentError, which a later attempt may mend: it stays open, and may have
        left only where the error is an AmbiguousError.
        """
        if message.suppressed is not None and message.status != SENDING:
            await self._messages.settle(ref, status="suppressed", error=message.suppressed, at=self._now())
            return
        try:
            sent = await self.send(ref, message, kind=kind, key=key)
        except RefusedError as refused:
            await self._refused(ref, message, refused)
        except AmbiguousError:
            # It stays `sending`: the next attempt looks first, or is known by its key.
            raise
        except (ProviderUnavailableError, AbsentError):
            if message.status != SENDING:
                await self._messages.postpone(ref, at=self._now())
            raise
        else:
            await self._messages.sent(ref, vendor_id=sent.id, status=sent.status, at=self._now())

    async def _refused(self, ref: MessageRef, message: Message, refused: RefusedError) -> None:
        if message.channel == "sms" and refused.code == OPTED_OUT:
            await self._messages.suppress(ref.organization_id, "sms", message.recipient, "opt-out")
            await self._messages.settle(ref, status="suppressed", error="opt-out", at=self._now())
            return
        await self._messages.settle(ref, status="failed", error=refused.code or str(refused), at=self._now())

    async def send(self, ref: MessageRef, message: Message, *, kind: str, key: str) -> SentMessage:
        """Have the vendor take it; that it is about to be sent is durable before it is. `key` names it to Resend.

        Raises as the vendors' clients do, and RefusedError where the channel is off or nothing can be known any more.
        """
        if message.channel == "sms":
            return await self._text(ref, message)
        return await self._mail(ref, message, kind=kind, key=key)

    async def _text(self, ref: MessageRef, message: Message) -> SentMessage:
        texting = self._texting
        if texting is None:
            raise RefusedError("no provider is set")
        if message.attempted_at is not None:
            since = datetime.fromtimestamp(message.attempted_at / 1000, UTC)
            found = await texting.api.find_sms(
                to=message.recipient, sender=texting.sender, since=since, body=message.body
            )
            if found is not None:
                return found
        await self._messages.attempt(ref, at=self._now())
        return await texting.api.send_sms(
            sender=texting.sender, to=message.recipient, body=message.body, status_callback=texting.status_callback
        )

    async def _mail(self, ref: MessageRef, message: Message, *, kind: str, key: str) -> SentMessage:
        mailing = self._mailing
        if mailing is None:
            raise RefusedError("no provider is set")
        if message.attempted_at is not None and self._now() - message.attempted_at > _KEY_REMEMBERED_MS:
            raise RefusedError("whether it was sent is not known")
        await self._messages.attempt(ref, at=self._now())
        sent = await mailing.api.send_email(
            sender=mailing.sender,
            to=message.recipient,
            subject=message.subject or "",
            text=message.body,
            idempotency_key=key,
            tags={"kind": kind, "organization": ref.organization_id, "notification": str(ref.id)},
        )
        return SentMessage(id=sent, status="sent")
