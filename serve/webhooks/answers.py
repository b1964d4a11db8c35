"""The messages VAPI waits for an answer to, and what each is answered with."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from actors.domain.json_types import JSON
from serve.webhooks.figures import Figures
from serve.webhooks.tools import (
    ToolFailedError,
    ToolServer,
    failed_results,
    function_result,
    seconds_to_answer,
    tool_results,
)
from storage.organizations import Assistant, Reception
from workflows.vendors.vapi_message import ParsedMessage
from workflows.vendors.vapi_tools import tool_calls_of
from workflows.vendors.vapi_values import first_text, mapping

NOTHING = b"{}"
ASSISTANT_REQUEST = "assistant-request"
_NO_ASSISTANT = "Sorry, nobody is set up to answer this number. Goodbye."
_REFUSED = "Sorry, we cannot take your call right now. Please call again later. Goodbye."
_NO_TRANSFER = "Sorry, there is nobody I can transfer you to."
_NO_HANDOFF = "There is no assistant to hand over to."


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The JSON VAPI is answered with. `failed_tools`: ids of the tool calls it tells to have failed."""

    content: bytes
    failed_tools: frozenset[str] = frozenset()


class Answers:
    """Answers from the organization's reception and its tool server. Never fails: every fault has a wording."""

    def __init__(self, tools: ToolServer, figures: Figures) -> None:
        self._tools = tools
        self._figures = figures

    async def answer(
        self,
        message: ParsedMessage,
        reception: Reception,
        *,
        raw: bytes,
        headers: Mapping[bytes, bytes],
        spent_seconds: float,
    ) -> Answer:
        """What VAPI is answered with; an empty object for what needs no answer or none that we serve.

        `spent_seconds` of the time VAPI waits are over.
        """
        match message.type:
            case "tool-calls":
                return await self._tool_calls(message, reception, raw, headers, spent_seconds)
            case "function-call":
                return await self._function_call(message, reception, raw, headers, spent_seconds)
            case "transfer-destination-request":
                destination = reception.transfer_destination
                told = {"destination": destination} if destination else {"error": _NO_TRANSFER}
                return Answer(content=orjson.dumps(told))
            case "handoff-destination-request":
                return Answer(content=orjson.dumps(_handoff(reception.handoff_destination)))
            case _:
                return Answer(content=NOTHING)

    async def _tool_calls(
        self,
        message: ParsedMessage,
        reception: Reception,
        raw: bytes,
        headers: Mapping[bytes, bytes],
        spent_seconds: float,
    ) -> Answer:
        calls = tool_calls_of(message.message)
        seconds = seconds_to_answer(message.message) - spent_seconds
        try:
            reply = await self._tools.ask(reception.tool_url, raw, headers, seconds=seconds)
            results = tool_results(calls, reply)
        except ToolFailedError as failed:
            self._figures.tool_failures += 1
            results = failed_results(calls, failed.detail)
        failed_tools = frozenset(str(each["toolCallId"]) for each in results if "error" in each)
        return Answer(content=orjson.dumps({"results": results}), failed_tools=failed_tools)

    async def _function_call(
        self,
        message: ParsedMessage,
        reception: Reception,
        raw: bytes,
        headers: Mapping[bytes, bytes],
        spent_seconds: float,
    ) -> Answer:
        seconds = seconds_to_answer(message.message) - spent_seconds
        try:
            reply = await self._tools.ask(reception.tool_url, raw, headers, seconds=seconds)
        except ToolFailedError as failed:
            self._figures.tool_failures += 1
            content = orjson.dumps({"result": failed.detail})
            # It has no id of its own.
            return Answer(content=content, failed_tools=frozenset({message.event_key}))
        result, succeeded = function_result(reply)
        failed_tools = frozenset[str]() if succeeded else frozenset({message.event_key})
        return Answer(content=orjson.dumps({"result": result}), failed_tools=failed_tools)


def assistant_answer(assistant: Assistant | None) -> bytes:
    """The assistant that takes the call, or a sentence VAPI speaks before it hangs up."""
    return orjson.dumps({"error": _NO_ASSISTANT} if assistant is None else _assistant(assistant))


def refusal_answer(reception: Reception) -> bytes:
    """Where a refused call goes instead, or the sentence VAPI speaks before it hangs up."""
    if reception.refusal_destination:
        return orjson.dumps({"destination": reception.refusal_destination})
    return orjson.dumps({"error": reception.refusal_message or _REFUSED})


def asked_assistant(message: Mapping[str, JSON], reception: Reception) -> Assistant | None:
    """The assistant of the number that was called."""
    call = mapping(message.get("call"))
    phone_number = mapping(message.get("phoneNumber")) or mapping(call.get("phoneNumber"))
    return reception.assistant_for(
        first_text(call.get("phoneNumberId"), phone_number.get("id")), first_text(phone_number.get("number"))
    )


def _assistant(assistant: Assistant) -> dict[str, object]:
    if assistant.provider_assistant_id is not None:
        return {"assistantId": assistant.provider_assistant_id}
    # The configuration is JSON from Postgres: it is passed on as it is.
    return {"assistant": orjson.Fragment(assistant.config or "{}")}


def _handoff(destination: JSON) -> dict[str, JSON]:
    if destination:
        return {"destination": destination}
    # VAPI's schema wants a destination even beside an error; this one names no assistant.
    return {"destination": {"type": "assistant"}, "error": _NO_HANDOFF}
