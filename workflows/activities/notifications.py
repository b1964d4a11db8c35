"""People are told of a processed call, each once: by text message and by email."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from temporalio import activity
from temporalio.exceptions import ApplicationError

from storage.notifications import SENDING, Draft, Message, MessageRef, Notice, Notifications, Recipient
from workflows.activities.step_notes import StepNotes
from workflows.contracts import CallRef
from workflows.errors import AbsentError, AmbiguousError, ProviderUnavailableError, RefusedError
from workflows.message_sending import MessageSender
from workflows.messaging import Messaging
from workflows.notices import email_subject, email_text, sms_text
from workflows.step_contracts import (
    GIVE_UP_NOTIFICATION,
    NOTIFICATIONS,
    PLAN_NOTIFICATIONS,
    SEND_NOTIFICATION,
    NotificationRef,
    PlannedNotifications,
    SendOutcome,
)
from workflows.vendors.twilio_api import OPTED_OUT

KIND: Final = "call-completed"


class CallNotifications:
    """Activities around messages about calls. A channel that is None is off: its messages say so.

    Nobody is told twice: a message is a row of its own; its words are written before it is sent; that it is about to be
    sent is durable before it is. An email that may have been sent is sent again under the same key, a text message that
    may have been sent is looked for first.
    """

    def __init__(
        self,
        messages: Notifications,
        notes: StepNotes,
        *,
        messaging: Messaging,
        now: Callable[[], int],
    ) -> None:
        self._messages = messages
        self._notes = notes
        self._sender = MessageSender(messages, messaging, now=now)
        self._now = now

    @activity.defn(name=PLAN_NOTIFICATIONS)
    async def plan_notifications(self, call: CallRef) -> PlannedNotifications:
        """Write down what everybody who wants to know is to be told. Touches Postgres alone; safe to repeat."""
        recipients = await self._messages.recipients(call.organization_id, KIND)
        notice = await self._messages.notice(call.organization_id, call.call_id) if recipients else None
        if notice is None:
            return PlannedNotifications()
        drafts = [self._draft(notice, call.call_id, recipient) for recipient in recipients]
        planned = await self._messages.plan(call.organization_id, call.call_id, KIND, notice.created_at, drafts)
        return PlannedNotifications(
            notifications=[
                NotificationRef(
                    organization_id=call.organization_id,
                    call_id=call.call_id,
                    notification_id=str(each.id),
                    created_at=each.created_at.isoformat(),
                )
                for each in planned
            ]
        )

    @activity.defn(name=SEND_NOTIFICATION)
    async def send_notification(self, order: NotificationRef) -> SendOutcome:
        """Send one message, once. Raises what a later attempt may mend."""
        ref = _ref(order)
        message = await self._messages.message(ref)
        if message is None:
            return SendOutcome.FAILED
        if not message.is_open:
            return SendOutcome.SENT if message.vendor_id is not None else SendOutcome.WITHHELD
        if message.suppressed is not None and message.status != SENDING:
            await self._messages.settle(ref, status="suppressed", error=message.suppressed, at=self._now())
            return SendOutcome.WITHHELD
        try:
            sent = await self._sender.send(ref, message, kind=KIND, key=f"{KIND}/{ref.id}")
        except RefusedError as refused:
            return await self._refused(order, message, refused)
        except (ProviderUnavailableError, AbsentError) as away:
            if not isinstance(away, AmbiguousError) and message.status != SENDING:
                await self._messages.postpone(ref, at=self._now())
            await self._notes.delayed(_call(order), _step(message), str(away), about=order.notification_id)
            raise _later(away) from None
        await self._messages.sent(ref, vendor_id=sent.id, status=sent.status, at=self._now())
        return SendOutcome.SENT

    @activity.defn(name=GIVE_UP_NOTIFICATION)
    async def give_up_notification(self, order: NotificationRef) -> None:
        """The vendor was away for too long. Touches Postgres alone; safe to repeat."""
        message = await self._messages.message(_ref(order))
        if message is not None and message.is_open:
            await self._failed(order, message, "the provider was away")

    def _draft(self, notice: Notice, call_id: str, recipient: Recipient) -> Draft:
        is_text = recipient.channel == "sms"
        off = not self._sender.carries(recipient.channel)
        withheld = (
            {"status": "suppressed", "error": recipient.suppressed}
            if recipient.suppressed is not None
            else {"status": "off", "error": "no provider is set"}
            if off
            else {}
        )
        return Draft(
            id=uuid5(recipient.id, f"{KIND}:{call_id}"),
            recipient=recipient,
            provider="twilio" if is_text else "resend",
            subject=None if is_text else email_subject(notice),
            body=sms_text(notice, call_id) if is_text else email_text(notice, call_id),
            **withheld,
        )

    async def _refused(self, order: NotificationRef, message: Message, refused: RefusedError) -> SendOutcome:
        if message.channel == "sms" and refused.code == OPTED_OUT:
            await self._messages.suppress(order.organization_id, "sms", message.recipient, "opt-out")
            await self._messages.settle(_ref(order), status="suppressed", error="opt-out", at=self._now())
            return SendOutcome.WITHHELD
        await self._failed(order, message, refused.code or str(refused))
        return SendOutcome.FAILED

    async def _failed(self, order: NotificationRef, message: Message, reason: str) -> None:
        # The note first: whoever finds the message settled finds it told.
        await self._notes.failed(_call(order), _step(message), reason, about=order.notification_id)
        await self._messages.settle(_ref(order), status="failed", error=reason, at=self._now())


def _ref(order: NotificationRef) -> MessageRef:
    return MessageRef(
        organization_id=order.organization_id,
        id=UUID(order.notification_id),
        created_at=datetime.fromisoformat(order.created_at),
    )


def _call(order: NotificationRef) -> CallRef:
    return CallRef(organization_id=order.organization_id, call_id=order.call_id)


def _step(message: Message) -> str:
    return f"{NOTIFICATIONS}:{message.channel}"


def _later(away: ProviderUnavailableError | AbsentError) -> ApplicationError:
    """The failure as Temporal is to retry it: not before the vendor asked us to."""
    seconds = away.retry_after_seconds if isinstance(away, ProviderUnavailableError) else None
    return ApplicationError(
        f"{SEND_NOTIFICATION}: {type(away).__name__}",
        type=type(away).__name__,
        next_retry_delay=None if seconds is None else timedelta(seconds=max(seconds, 1.0)),
    )
