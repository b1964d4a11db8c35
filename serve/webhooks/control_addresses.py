"""Addresses that command calls, taken out of webhooks and sealed before anything of them is stored."""

from serve.webhooks.seen_calls import SeenCalls
from storage.inbox import NewEvent
from storage.sealing import Sealer
from workflows.vendors.control_urls import may_control
from workflows.vendors.vapi_message import ParsedMessage


class ControlAddresses:
    """Seals a call's address with the first event that brings it to this replica; later ones bring it in vain.

    An address that commands may not go to is not kept: see `may_control`.
    """

    def __init__(self, sealer: Sealer, *, trusted_origin: str | None) -> None:
        self._sealer = sealer
        self._trusted_origin = trusted_origin
        self._kept = SeenCalls()

    def sealed(self, organization_id: str, message: ParsedMessage) -> bytes | None:
        """The sealed address that the event shall bring along, if any."""
        url = message.control_url
        if message.call_id is None or url is None or (organization_id, message.call_id) in self._kept:
            return None
        if not may_control(url, trusted_origin=self._trusted_origin):
            return None
        return self._sealer.seal(organization_id, url.encode())

    def note_kept(self, event: NewEvent) -> None:
        """The event is stored, and its address with it."""
        if event.call_id is not None and event.control is not None:
            self._kept.add(event.organization_id, event.call_id)
