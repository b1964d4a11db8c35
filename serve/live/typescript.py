"""The live protocol's types in TypeScript: `python -m serve.live.typescript` writes what the dashboard compiles with.

Made here and not by a tool of Node's, so that wherever the models are tested it is told whether the file is theirs.
It knows the few forms of JSON Schema that the models come to, and fails at any other.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from serve.live.asyncapi import schemas

FILE: Final = Path(__file__).parents[2] / "dashboard" / "src" / "live" / "protocol.ts"
_HEAD: Final = """\
/* Made from serve/live/protocol.py and serve/live/views.py by `make schema`; a test holds it current. Do not edit. */
"""
_PRIMITIVES: Final = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


def typescript() -> str:
    """The whole module."""
    return "\n".join([_HEAD, *(_declaration(name, schema) for name, schema in sorted(schemas().items()))])


def _declaration(name: str, schema: Mapping[str, Any]) -> str:
    about = "".join(_comment(schema.get("description"), ""))
    if "properties" in schema:
        return f"{about}export interface {name} {{\n{''.join(_members(schema))}}}\n"
    return f"{about}export type {name} = {_type(schema)};\n"


def _members(schema: Mapping[str, Any]) -> Iterable[str]:
    required = schema.get("required", ())
    for name, member in schema["properties"].items():
        yield from _comment(member.get("description"), "  ")
        yield f"  readonly {name}{'' if name in required else '?'}: {_type(member)};\n"


def _comment(text: str | None, indent: str) -> Iterable[str]:
    if text:
        yield f"{indent}/** {' '.join(text.replace('*/', '* /').split())} */\n"


def _type(schema: Mapping[str, Any]) -> str:
    match schema:
        case {"$ref": str(ref)}:
            return ref.rpartition("/")[2]
        case {"const": value}:
            return json.dumps(value)
        case {"enum": [*values]}:
            return " | ".join(json.dumps(value) for value in values)
        case {"anyOf": [*alternatives]} | {"oneOf": [*alternatives]}:
            return " | ".join(_type(each) for each in alternatives)
        case {"type": "array", "items": items}:
            return f"ReadonlyArray<{_type(items)}>"
        case {"type": "object", "additionalProperties": values}:
            return f"Readonly<Record<string, {_type(values)}>>"
        case {"type": str(kind)} if kind in _PRIMITIVES:
            return _PRIMITIVES[kind]
        case _:
            raise ValueError(f"no type of TypeScript for {schema}")


if __name__ == "__main__":
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(typescript())
