"""The live protocol as an AsyncAPI 3 document, for people and for generators of clients."""

from typing import Any, Final, get_args
from urllib.parse import urlsplit

from pydantic.json_schema import GenerateJsonSchema

from serve.live.access import Refusal
from serve.live.protocol import FRAME, FRAMES

ASYNCAPI: Final = "3.0.0"
_VERSION: Final = "1"
_DESCRIPTION: Final = """\
What happens to an organization's calls, as it happens. A socket only listens: what it sends is read and dropped, and
commands are requests to the REST API.

The first frame is a snapshot; events follow. A client keeps the position of the last frame it applied and comes back
with `after`: it gets exactly what followed, or a snapshot whose `reason` says why not. A wallboard is small, and told
whole each time. A frame whose position is not greater than the client's is dropped. One that follows a position greater
than the client's (`after` of events, or a heartbeat's own) shows that a frame was lost on the way: the client connects
anew and resumes. Types of frames and events and fields that a client does not know are passed over.

Lost connections: after a random time of up to 0.5 s, doubling with each attempt up to 20 s. No frame for 15 s: the
connection is dead, whatever TCP says. Closed with a code of 4500 to 4999, a client does not come back.
"""
_CLOSE_CODES: Final = (
    (1001, "the server goes away", True),
    (1009, "what the client sent is over 64 KiB", True),
    (1011, "the fault is on this side", True),
    (1012, "restart", True),
    (1013, "a server is away, or there are too many sockets", True),
    (1006, "cut off without a closing frame: 1 MiB waited for the client, or it was 5 s behind", True),
    (*Refusal.EXPIRED.value, True),
    (*Refusal.NOT_PERMITTED.value, False),
    (4504, "no such organization", False),
)


class _Schemas(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # names are titles enough
        return False


def schemas() -> dict[str, Any]:
    """JSON Schemas by name, each thing once. They permit fields they do not name: later versions may send more."""
    document = FRAME.json_schema(
        mode="serialization", ref_template="#/components/schemas/{model}", schema_generator=_Schemas
    )
    named = document.pop("$defs")
    return {name: _open(schema) for name, schema in {**named, "LiveFrame": document}.items()}


def asyncapi_document(live_url: str) -> dict[str, Any]:
    """The document of a hub that is reached at `live_url`."""
    url = urlsplit(live_url)
    messages = {get_args(frame.model_fields["type"].annotation)[0]: frame for frame in FRAMES}
    return {
        "asyncapi": ASYNCAPI,
        "info": {"title": "Call supervisor: live feed", "version": _VERSION, "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {
            "hub": {
                "host": url.netloc,
                "pathname": url.path or "/",
                "protocol": url.scheme,
                "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in ("ticket", "bearer")],
            }
        },
        "channels": {
            "live": {
                "address": "/live/{organization_id}",
                "servers": [{"$ref": "#/servers/hub"}],
                "parameters": {"organization_id": {"description": "Whose calls."}},
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                "bindings": {"ws": {"method": "GET", "query": _QUERY, "bindingVersion": "0.1.0"}},
                "x-close-codes": [
                    {"code": code, "reason": reason, "reconnect": reconnect} for code, reason, reconnect in _CLOSE_CODES
                ],
            }
        },
        "operations": {
            "follow": {
                "action": "send",
                "summary": "A snapshot or what was missed, then events and heartbeats.",
                "channel": {"$ref": "#/channels/live"},
                "messages": [{"$ref": f"#/channels/live/messages/{name}"} for name in messages],
            }
        },
        "components": {
            "securitySchemes": _CREDENTIALS,
            "messages": {
                name: {
                    "name": name,
                    "summary": (frame.__doc__ or "").partition("\n")[0],
                    "payload": {"$ref": f"#/components/schemas/{frame.__name__}"},
                }
                for name, frame in messages.items()
            },
            "schemas": schemas(),
        },
    }


_CREDENTIALS: Final[dict[str, Any]] = {
    "ticket": {
        "type": "httpApiKey",
        "in": "query",
        "name": "ticket",
        "description": "For browsers: good once, for 60 s, from `POST /v1/organizations/{id}/live-tickets`.",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "For programs: an API key with the scope `live:read` (or `wallboard:read`), or an access token.",
    },
}
_QUERY: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "after": {"type": "string", "description": "Resume after this position."},
        "view": {
            "type": "string",
            "enum": ["wallboard"],
            "description": "Figures, and nothing of any caller. Who has `wallboard:read` alone gets no more.",
        },
        "ticket": {"type": "string"},
    },
}


def _open(schema: dict[str, Any]) -> dict[str, Any]:
    """As AsyncAPI has it: `discriminator` there names a property that every alternative shares, and adds nothing."""
    opened: dict[str, Any] = {key: value for key, value in schema.items() if key != "discriminator"}
    if opened.get("additionalProperties") is False:
        del opened["additionalProperties"]
    for name in ("anyOf", "oneOf"):
        if name in opened:
            opened[name] = [_open(each) for each in opened[name]]
    if "items" in opened:
        opened["items"] = _open(opened["items"])
    if "properties" in opened:
        opened["properties"] = {name: _open(each) for name, each in opened["properties"].items()}
    return opened
