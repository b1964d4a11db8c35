"""What did not arrive for a reason that passes is sent again, twice at most; what fails for good is not."""

from collections.abc import Callable
from datetime import timedelta
from itertools import product
from typing import Final

import structlog
from temporalio import activity

from storage.notifications import Notifications
from storage.resends import ResendRule, Resends
from workflows.billing_contracts import RESEND_MESSAGES, OrganizationRef, Round
from workflows.errors import AbsentError, ProviderUnavailableError
from workflows.message_sending import MessageSender
from workflows.vendors.twilio_api import PASSING

_log = structlog.get_logger(__name__)

_PAGE: Final = 50
_TEXT_PAUSES: Final = (timedelta(minutes=5), timedelta(minutes=30))
"""Longer than Twilio's clock and ours may be apart: a text that is looked for must not be the one that failed."""
_MAIL_PAUSE: Final = timedelta(hours=1)

RULES: Final = (
    *(
        ResendRule(provider="twilio", reason=code, generation=generation, pause=pause)
        for code, (generation, pause) in product(sorted(PASSING), enumerate(_TEXT_PAUSES))
    ),
    # Resend itself goes on for a while before it tells of a bounce: one more try is enough.
    ResendRule(provider="resend", reason="transient", generation=0, pause=_MAIL_PAUSE),
)
"""Everything else is final: numbers that are none, carriers that filter, mailboxes that do not exist, complaints."""


class MessageResends:
    """An activity of the billing queue, which has the organizations' duties. `now` is ms of our clock."""

    def __init__(
        self, resends: Resends, messages: Notifications, sender: MessageSender, *, now: Callable[[], int]
    ) -> None:
        self._resends = resends
        self._messages = messages
        self._sender = sender
        self._now = now

    @activity.defn(name=RESEND_MESSAGES)
    async def resend_messages(self, organization: OrganizationRef) -> Round:
        """Send again what is due. Each is a message of its own, so that what became of both is known.

        Safe to repeat: nothing is sent twice. While a vendor is away its messages wait.
        """
        organization_id = organization.organization_id
        planned = await self._resends.plan(organization_id, at=self._now(), limit=_PAGE)
        pause: float | None = None
        for again in await self._resends.open(organization_id, at=self._now(), limit=_PAGE):
            message = await self._messages.message(again.ref)
            if message is None or not message.is_open:
                continue
            try:
                await self._sender.deliver(again.ref, message, kind=again.kind, key=f"resend/{again.ref.id}")
            except (ProviderUnavailableError, AbsentError) as away:
                _log.warning("a message waits", organization_id=organization_id, reason=type(away).__name__)
                pause = max(pause or 0.0, getattr(away, "retry_after_seconds", None) or 0.0)
        return Round(pause_seconds=pause) if pause is not None else Round(more=planned == _PAGE)
