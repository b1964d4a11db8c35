"""The line: an assistant at VAPI, a number bought at Twilio, and the one answering the other by way of us."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from temporalio import activity

from actors.domain.json_types import JSON
from storage.onboarding import Asked, Rows, StepRow, changed
from storage.provider_keys import VAPI, VAPI_PUBLIC, ProviderKeys
from workflows.activities.onboarding_course import OnboardingCourse, Settled, skipped
from workflows.errors import AbsentError, RefusedError
from workflows.onboarding_contracts import OnboardingRef, Step, StepState
from workflows.vendors.twilio_api import OwnedNumber, TwilioApi
from workflows.vendors.vapi_account import Kind, VapiAccount
from workflows.vendors.vapi_wiring import Wiring

_TRIED: Final = 5
"""Numbers that somebody else bought while we were at it, before the step is refused."""

_SOLD: Final = "21422"
_LONGEST_NAME: Final = 40
"""Of an assistant or a number, at VAPI."""

_MARK_DIGITS: Final = 12
NO_KEY: Final = "the organization gave no key of VAPI's"
NO_ADDRESS: Final = "nobody outside reaches us (PUBLIC_BASE_URL)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Buying:
    """The account that numbers are bought with, as it is known to VAPI, too."""

    api: TwilioApi
    account_sid: str
    token: str = field(repr=False)


class OnboardingLine:
    """Activities of the onboarding queue. What is not set up leaves its steps out, and they say so."""

    def __init__(
        self,
        course: OnboardingCourse,
        keys: ProviderKeys,
        vapi: VapiAccount,
        buying: Buying | None,
        *,
        base_url: str | None,
    ) -> None:
        self._course = course
        self._store = course.store
        self._keys = keys
        self._vapi = vapi
        self._buying = buying
        self._base_url = base_url

    @activity.defn(name=Step.ASSISTANT.activity)
    async def onboard_assistant(self, ref: OnboardingRef) -> StepState:
        """Have VAPI keep the assistant, and send us what happens in its calls."""
        return await self._course.carry_out(ref, Step.ASSISTANT, "VAPI", self._assistant)

    @activity.defn(name=Step.ASSISTANT.undoing)
    async def undo_assistant(self, ref: OnboardingRef) -> None:
        """Delete the assistant that was made."""
        await self._course.take_back(ref, Step.ASSISTANT, "VAPI", self._without_assistant)

    @activity.defn(name=Step.MONITOR.activity)
    async def onboard_monitor(self, ref: OnboardingRef) -> StepState:
        """Have VAPI guard live control and listening by its public key, if we hold it."""
        return await self._course.carry_out(ref, Step.MONITOR, "VAPI", self._monitor)

    @activity.defn(name=Step.NUMBER.activity)
    async def onboard_number(self, ref: OnboardingRef) -> StepState:
        """Find a number and buy it, once."""
        return await self._course.carry_out(ref, Step.NUMBER, "Twilio", self._number)

    @activity.defn(name=Step.NUMBER.undoing)
    async def undo_number(self, ref: OnboardingRef) -> None:
        """Release the number that was bought."""
        await self._course.take_back(ref, Step.NUMBER, "Twilio", self._without_number)

    @activity.defn(name=Step.IMPORT.activity)
    async def onboard_import(self, ref: OnboardingRef) -> StepState:
        """Have VAPI take the number's calls, and ask us who answers each."""
        return await self._course.carry_out(ref, Step.IMPORT, "VAPI", self._import)

    @activity.defn(name=Step.IMPORT.undoing)
    async def undo_import(self, ref: OnboardingRef) -> None:
        """Have VAPI let go of the number."""
        await self._course.take_back(ref, Step.IMPORT, "VAPI", self._without_import)

    async def _assistant(self, asked: Asked, _held: StepRow) -> Settled:
        key = await self._keys.key_of(asked.key.organization_id, VAPI)
        if key is None:
            return skipped(NO_KEY)
        wiring = await self._wiring(asked)
        if wiring is None:
            return skipped(NO_ADDRESS)
        kept = await self._kept(asked, key, Step.ASSISTANT, "assistant")
        if kept is not None:
            await self._wire(key, "assistant", kept["id"], wiring)
            return Settled(facts=kept, detail="made before")
        assistant = await self._vapi.assistant_named(key, _name(asked))
        if assistant is None:
            await self._course.intend(asked, Step.ASSISTANT)
            settings = {**asked.assistant_config, **wiring.of_assistant()}
            assistant = await self._vapi.create_assistant(key, name=_name(asked), settings=settings)
        await self._wire(key, "assistant", assistant, wiring)
        organization_id, row = asked.key.organization_id, asked.key.named("assistant")
        return Settled(
            facts={"id": assistant, "row": str(row)},
            made=True,
            rows=changed(
                "onboarding_assistant", organization_id, row, assistant, asked.assistant_name, asked.template_id
            ),
        )

    async def _without_assistant(self, asked: Asked, held: StepRow) -> Rows | None:
        key = await self._required_key(asked)
        assistant = held.facts.get("id") or await self._vapi.assistant_named(key, _name(asked))
        if assistant is None:
            return None
        await self._vapi.delete(key, "assistant", assistant)
        return changed("onboarding_assistant_gone", asked.key.organization_id, assistant)

    async def _monitor(self, asked: Asked, _held: StepRow) -> Settled:
        organization_id = asked.key.organization_id
        assistant = await self._course.facts_of(asked, Step.ASSISTANT)
        if assistant is None:
            return skipped("there is no assistant at VAPI")
        if await self._keys.key_of(organization_id, VAPI_PUBLIC) is None:
            return skipped("the organization gave no public key of VAPI's, without which our commands would be refused")
        wiring = await self._wiring(asked, authenticates=True)
        if wiring is None:
            return skipped(NO_ADDRESS)
        await self._wire(await self._required_key(asked), "assistant", assistant["id"], wiring)
        return Settled()

    async def _number(self, asked: Asked, held: StepRow) -> Settled:
        if await self._course.facts_of(asked, Step.ASSISTANT) is None:
            return skipped("there is no assistant at VAPI to answer it")
        if self._buying is None:
            return skipped("Twilio is not set up (TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN)")
        twilio = self._buying.api
        kept = await self._store.kept(asked.key, Step.NUMBER)
        if kept is not None and await _is_ours(twilio, kept):
            return Settled(facts=kept, detail="bought before")
        bought = await self._bought(twilio, asked, held.facts.get("number"))
        facts = {"id": bought.id, "number": bought.number}
        if not await _is_ours(twilio, facts):
            raise RefusedError("the number that was bought is not there")
        return Settled(facts=facts, made=True)

    async def _bought(self, twilio: TwilioApi, asked: Asked, chosen: str | None) -> OwnedNumber:
        """The number of this onboarding. Which one is to be bought is written down before it is."""
        for_sale: Sequence[str] | None = None
        sold: set[str] = set()
        while len(sold) < _TRIED:
            owned = await twilio.numbers(friendly_name=_mark(asked))
            if owned:
                return owned[0]
            if chosen is None:
                for_sale = for_sale or _spread(await twilio.search_numbers(asked.country, asked.area_code), asked)
                chosen = next((each for each in for_sale if each not in sold), None)
                if chosen is None:
                    break
                await self._course.intend(asked, Step.NUMBER, {"number": chosen})
            try:
                return await twilio.buy_number(chosen, friendly_name=_mark(asked))
            except RefusedError as refused:
                if refused.code != _SOLD:
                    raise
            sold.add(chosen)
            chosen = None
        raise RefusedError("no number is for sale there")

    async def _without_number(self, asked: Asked, _held: StepRow) -> Rows | None:
        if self._buying is None:
            raise RefusedError("it is not set up any more")
        for each in await self._buying.api.numbers(friendly_name=_mark(asked)):
            await self._buying.api.release_number(each.id)
        return None

    async def _import(self, asked: Asked, _held: StepRow) -> Settled:
        number = await self._course.facts_of(asked, Step.NUMBER)
        assistant = await self._course.facts_of(asked, Step.ASSISTANT)
        wiring = await self._wiring(asked)
        if number is None or assistant is None or self._buying is None or wiring is None:
            return skipped("there is no number")
        key = await self._required_key(asked)
        kept = await self._kept(asked, key, Step.IMPORT, "phone-number")
        if kept is not None and kept["number"] == number["number"]:
            await self._wire(key, "phone-number", kept["id"], wiring)
            return Settled(facts=kept, detail="imported before")
        # Without an assistant of its own, so that VAPI asks us who answers: opening hours and limits are kept there.
        await self._course.intend(asked, Step.IMPORT)
        imported = await self._vapi.import_twilio_number(
            key,
            number=number["number"],
            account_sid=self._buying.account_sid,
            token=self._buying.token,
            settings={**wiring.of_number(), "name": asked.assistant_name[:_LONGEST_NAME]},
        )
        await self._wire(key, "phone-number", imported, wiring)
        row = asked.key.named("number")
        return Settled(
            facts={"id": imported, "number": number["number"], "row": str(row)},
            made=True,
            rows=changed(
                "onboarding_number", asked.key.organization_id, row, imported, number["number"], assistant["row"]
            ),
        )

    async def _without_import(self, asked: Asked, held: StepRow) -> Rows | None:
        key, imported = await self._required_key(asked), held.facts.get("id")
        number = await self._course.facts_of(asked, Step.NUMBER)
        if imported is None and number is not None:
            imported = await self._vapi.number_known(key, number["number"])
        if imported is None:
            return None
        await self._vapi.delete(key, "phone-number", imported)
        return changed("onboarding_number_gone", asked.key.organization_id, imported)

    async def _kept(self, asked: Asked, key: str, step: Step, kind: Kind) -> Mapping[str, str] | None:
        """What an earlier onboarding left, if it is still there at VAPI."""
        kept = await self._store.kept(asked.key, step)
        if kept is None:
            return None
        try:
            await self._vapi.read(key, kind, kept["id"])
        except AbsentError:
            return None
        return kept

    async def _wire(self, key: str, kind: Kind, record_id: str, wiring: Wiring) -> None:
        """Have VAPI send us what happens, and read it back. Raises RefusedError when it keeps something else."""

        async def differences() -> frozenset[str]:
            record = await self._vapi.read(key, kind, record_id)
            is_assistant = kind == "assistant"
            return wiring.assistant_differences(record) if is_assistant else wiring.number_differences(record)

        if not await differences():
            return
        wanted: dict[str, JSON] = wiring.of_assistant() if kind == "assistant" else wiring.of_number()
        await self._vapi.update(key, kind, record_id, wanted)
        if left := await differences():
            raise RefusedError(f"it keeps another {', '.join(sorted(left))}")

    async def _wiring(self, asked: Asked, *, authenticates: bool = False) -> Wiring | None:
        if self._base_url is None:
            return None
        secret = await self._store.secret(asked.key.organization_id)
        if secret is None:
            raise RefusedError("the organization has no webhook secret")
        url = f"{self._base_url.rstrip('/')}/webhooks/vapi/{asked.key.organization_id}"
        return Wiring(url=url, secret=secret, authenticates=authenticates)

    async def _required_key(self, asked: Asked) -> str:
        key = await self._keys.key_of(asked.key.organization_id, VAPI)
        if key is None:
            raise RefusedError("the organization's key is gone")
        return key


async def _is_ours(twilio: TwilioApi, facts: Mapping[str, str]) -> bool:
    return any(each.id == facts["id"] for each in await twilio.numbers(facts["number"]))


def _spread(for_sale: Sequence[str], asked: Asked) -> Sequence[str]:
    """From another beginning for each onboarding: those at once are not to run after the same numbers."""
    first = asked.key.id.int % max(len(for_sale), 1)
    return [*for_sale[first:], *for_sale[:first]]


def _mark(asked: Asked) -> str:
    """What a number is called at Twilio, by which it is found again."""
    return f"supervisor {asked.key.organization_id} {asked.key.id.hex[:_MARK_DIGITS]}"


def _name(asked: Asked) -> str:
    """What an assistant is called at VAPI, by which it is found again."""
    return f"{asked.assistant_name[: _LONGEST_NAME - _MARK_DIGITS - 1]} {asked.key.id.hex[:_MARK_DIGITS]}"
