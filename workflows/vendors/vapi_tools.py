"""Tool calls as VAPI writes them: three shapes, three encodings of arguments."""

from dataclasses import dataclass

import orjson

from actors.domain.json_types import JSON
from workflows.vendors.vapi_values import first_text, mapping, sequence, text

MAX_TOOL_CALLS = 100
UNNAMED = "unnamed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call of a tool by the assistant. `arguments` is {} when there are none or they cannot be read."""

    id: str
    name: str
    arguments: dict[str, JSON]


def tool_calls_of(message: dict[str, JSON]) -> list[ToolCall]:
    """The message's tool calls in its order, each id once; one without an id cannot be answered and is left out."""
    listed = sequence(message.get("toolCallList")) or sequence(message.get("toolCalls"))
    if not listed:
        listed = [mapping(each).get("toolCall") for each in sequence(message.get("toolWithToolCallList"))]
    found: dict[str, ToolCall] = {}
    for each in listed[:MAX_TOOL_CALLS]:
        call = tool_call(each)
        if call is not None:
            found.setdefault(call.id, call)
    return list(found.values())


def tool_call(value: JSON) -> ToolCall | None:
    """A tool call in any shape: `function.arguments` as object or JSON text, or `parameters` beside the name."""
    told = mapping(value)
    identifier = text(told.get("id"))
    if identifier is None:
        return None
    function = mapping(told.get("function"))
    arguments = next(
        (each for each in (function.get("arguments"), told.get("arguments"), told.get("parameters")) if each), None
    )
    return ToolCall(
        id=identifier,
        name=first_text(function.get("name"), told.get("name")) or UNNAMED,
        arguments=_arguments(arguments),
    )


def _arguments(value: JSON) -> dict[str, JSON]:
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except ValueError:
            return {}
    return mapping(value)
