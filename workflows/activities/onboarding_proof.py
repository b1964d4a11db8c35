"""What proves that an onboarding works, and tells so: a probe through our own door, a test call, a welcome."""

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson
from temporalio import activity

from actors.domain.json_types import JSON
from storage.notifications import Notifications
from storage.onboarding import Asked, StepRow
from storage.provider_keys import VAPI, ProviderKeys
from storage.times import milliseconds, moment
from workflows.activities.onboarding_course import OnboardingCourse, Settled, skipped
from workflows.activities.onboarding_line import NO_ADDRESS
from workflows.errors import AbsentError, AmbiguousError, ProviderUnavailableError, RefusedError
from workflows.message_sending import MessageSender
from workflows.messaging import Mailing, Messaging
from workflows.onboarding_contracts import OnboardingRef, Step, StepState
from workflows.vendors.vapi_message import parse_message
from workflows.vendors.vapi_placing import PlacingClient
from workflows.vendors.vendor_http import VendorHttp

PROBE_TYPE: Final = "onboarding-probe"
"""A message of ours: it names no call, so that it is in nobody's figures."""

_LOOK_EVERY_SECONDS: Final = 0.25
_LOOKS: Final = 80
_CLOCKS: Final = timedelta(minutes=5)


class OnboardingProof:
    """Activities of the onboarding queue. `now` is ms of our clock."""

    def __init__(
        self,
        course: OnboardingCourse,
        keys: ProviderKeys,
        http: VendorHttp,
        placing: PlacingClient,
        *,
        messages: Notifications,
        messaging: Messaging,
        base_url: str | None,
        now: Callable[[], int],
    ) -> None:
        self._course = course
        self._store = course.store
        self._keys = keys
        self._http = http
        self._placing = placing
        self._messages = messages
        self._mailing = messaging.mailing
        self._sender = MessageSender(messages, messaging, now=now)
        self._base_url = None if base_url is None else base_url.rstrip("/")
        self._now = now

    @activity.defn(name=Step.PROBE.activity)
    async def onboard_probe(self, ref: OnboardingRef) -> StepState:
        """Send a webhook as VAPI would, to where VAPI sends them, and see it come in here."""
        return await self._course.carry_out(ref, Step.PROBE, "our webhook door", self._probe)

    @activity.defn(name=Step.TEST_CALL.activity)
    async def onboard_test_call(self, ref: OnboardingRef) -> StepState:
        """Have the line call somebody, once, and see the call on the board."""
        return await self._course.carry_out(ref, Step.TEST_CALL, "VAPI", self._test_call)

    @activity.defn(name=Step.WELCOME.activity)
    async def onboard_welcome(self, ref: OnboardingRef) -> StepState:
        """Mail the owners, each once, what was set up."""
        return await self._course.carry_out(ref, Step.WELCOME, "Resend", self._welcome)

    async def _probe(self, asked: Asked, _held: StepRow) -> Settled:
        if self._base_url is None:
            return skipped(NO_ADDRESS)
        organization_id = asked.key.organization_id
        secret = await self._store.secret(organization_id)
        if secret is None:
            raise RefusedError("the organization has no webhook secret")
        told = {"type": PROBE_TYPE, "timestamp": milliseconds(asked.created_at), "onboarding": str(asked.key.id)}
        body, now = orjson.dumps({"message": told}), self._now()
        # Signed, so that the secret itself leaves for nobody who only answers at this address.
        signature = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {"content-type": "application/json", "x-timestamp": str(now), "x-signature": signature}
        url = f"{self._base_url}/webhooks/vapi/{organization_id}"
        reply = await self._http.exchange("POST", url, headers=headers, content=body)
        if not 200 <= reply.status < 300:  # noqa: PLR2004
            raise ProviderUnavailableError(f"it answered {reply.status}")
        if not await self._store.is_probe_seen(organization_id, parse_message(body, received_at=now).event_key):
            raise ProviderUnavailableError("somebody else answered: PUBLIC_BASE_URL does not lead here")
        return Settled()

    async def _test_call(self, asked: Asked, held: StepRow) -> Settled:
        if asked.test_number is None:
            return skipped("no number to call was given")
        number = await self._course.facts_of(asked, Step.IMPORT)
        assistant = await self._course.facts_of(asked, Step.ASSISTANT)
        if number is None or assistant is None:
            return skipped("there is no number to call from")
        call_id = held.facts.get("id")
        if call_id is None:
            request: dict[str, JSON] = {
                "assistantId": assistant["id"],
                "phoneNumberId": number["id"],
                "customer": {"number": asked.test_number},
                "name": str(asked.key.id),
            }
            call_id = await self._placed(asked, request)
            # From here on it is waited for, however often.
            await self._course.intend(asked, Step.TEST_CALL, {"id": call_id})
        if not await self._comes_into_sight(asked.key.organization_id, call_id):
            raise ProviderUnavailableError("the call was placed, and its webhooks did not come")
        return Settled(facts={"id": call_id}, made=True)

    async def _comes_into_sight(self, organization_id: str, call_id: str) -> bool:
        for _ in range(_LOOKS):
            if await self._store.is_call_seen(organization_id, call_id):
                return True
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        return False

    async def _placed(self, asked: Asked, request: dict[str, JSON]) -> str:
        """VAPI's id of the call, placed if it was not. VAPI knows no idempotency key, so it is looked for by name."""
        key = await self._keys.key_of(asked.key.organization_id, VAPI)
        if key is None:
            raise RefusedError("the organization's key is gone")
        until = max(asked.created_at, datetime.now(UTC)) + _CLOCKS
        found = await self._placing.find(key, str(asked.key.id), since=asked.created_at - _CLOCKS, until=until)
        if found is not None:
            return str(found["id"])
        answer = await self._placing.place(key, request)
        if answer.call_id is not None:
            return answer.call_id
        match answer.outcome:
            case "unanswered":
                raise AmbiguousError("it did not tell whether it placed the call")
            case "unreached":
                raise ProviderUnavailableError("it could not be reached")
            case _:
                raise RefusedError(f"it places no call: status {answer.status}", status=answer.status)

    async def _welcome(self, asked: Asked, _held: StepRow) -> Settled:
        mailing = self._mailing
        if mailing is None:
            return skipped("Resend is not set up (RESEND_API_KEY, RESEND_FROM)")
        addresses = await self._store.addresses(asked.key.organization_id)
        if not addresses:
            return skipped("nobody's address is known")
        subject, body = await self._words(asked)
        refs = [await self._store.message(asked, address, subject=subject, body=body) for address in addresses]
        for ref in refs:
            message = await self._messages.message(ref)
            if message is not None and message.is_open:
                await self._sender.deliver(ref, message, kind="welcome", key=f"welcome/{ref.id}")
        told = [await self._messages.message(ref) for ref in refs]
        sent = [each.vendor_id for each in told if each is not None and each.vendor_id is not None]
        if not sent:
            raise RefusedError("; ".join(sorted({each.status for each in told if each is not None})))
        states = sorted({await _read_back(mailing, vendor_id) for vendor_id in sent})
        detail = f"sent to {len(sent)} of {len(told)}: {', '.join(states)}"
        return Settled(facts={"id": sent[0]}, detail=detail, made=True)

    async def _words(self, asked: Asked) -> tuple[str, str]:
        number = await self._course.facts_of(asked, Step.IMPORT)
        line = (
            f"{asked.assistant_name} answers {number['number']} from now on: call it, and watch the call on the board."
            if number is not None
            else "No telephone number was set up yet; the checklist tells why."
        )
        path = f"/v1/organizations/{asked.key.organization_id}/onboarding"
        where = f"The board: {self._base_url}/\nThe checklist: {self._base_url}{path}\n" if self._base_url else ""
        begun = moment(milliseconds(asked.created_at)).strftime("%Y-%m-%d")
        text = f"{asked.organization_name} is set up, as asked for on {begun}.\n\n{line}\n\n{where}"
        return f"{asked.organization_name} is set up"[:200], text


async def _read_back(mailing: Mailing, vendor_id: str) -> str:
    try:
        return await mailing.api.email_state(vendor_id)
    except (RefusedError, AbsentError):
        # A key that may only send; what becomes of the email is told by webhook.
        return "not to be read back by this key"
