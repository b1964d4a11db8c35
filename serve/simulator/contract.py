"""Requests checked against the reduced contract of the vendor they are for, kept in `contracts/`.

A contract lists the operations we use with the JSON schemas of their parameters, forms and bodies. It is narrower than
the vendor's own: what it has no word for is refused, so that a misspelt member cannot pass unseen.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias, cast
from urllib.parse import parse_qsl

import orjson
from jsonschema import Draft202012Validator

Document: TypeAlias = dict[str, Any]

_FOLDER: Final = Path(__file__).parent / "contracts"
_PARTS: Final = re.compile(r"[^\[\]]+|\[\]")
_QUOTED: Final = 5


class ContractError(Exception):
    """The request is not one of the vendor's. `problems` name members and reasons and hold no value."""

    def __init__(self, problems: Sequence[str], *, known: bool = True) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
        self.known = known
        """Whether there is such an operation at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A request that fits: its values have the types of the contract."""

    parameters: Mapping[str, str]
    query: Document
    body: Document


class Contract:
    """One vendor's contract."""

    def __init__(self, vendor: str) -> None:
        told = json.loads((_FOLDER / f"{vendor}.json").read_bytes())
        self._operations: list[tuple[str, re.Pattern[str], Document]] = [
            (each["method"], _pattern(each["path"]), each) for each in told["operations"]
        ]

    def check(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Checked:
        """The request's values. `headers` are lower-case. Raises ContractError."""
        for known_method, pattern, operation in self._operations:
            matched = pattern.fullmatch(path)
            if known_method == method and matched is not None:
                return _checked(operation, matched.groupdict(), query, headers, body)
        raise ContractError([f"{method} is not served under this path"], known=False)


def _checked(
    operation: Document, parameters: Mapping[str, str], query: str, headers: Mapping[str, str], body: bytes
) -> Checked:
    problems: list[str] = []
    schemas: Document = operation.get("parameters", {})
    for name, value in parameters.items():
        problems += _problems(schemas.get(name, {}), value, at=name)
    for name, schema in operation.get("headers", {}).items():
        if name in headers:
            problems += _problems(schema, headers[name], at=name)
    asked = _decoded(parse_qsl(query, keep_blank_values=True), operation["query"])
    problems += _problems(operation["query"], asked)
    told: Any = {}
    content_type = headers.get("content-type", "").partition(";")[0].strip()
    if "form" in operation:
        if body and content_type != "application/x-www-form-urlencoded":
            problems.append("the body must be a form")
        told = _decoded(parse_qsl(body.decode(errors="replace"), keep_blank_values=True), operation["form"])
        problems += _problems(operation["form"], told)
    elif "json" in operation:
        if content_type != "application/json":
            problems.append("the body must be JSON")
        try:
            told = orjson.loads(body)
        except orjson.JSONDecodeError:
            problems.append("the body must be JSON")
        else:
            problems += _problems(operation["json"], told)
    elif body:
        problems.append("there must be no body")
    if problems:
        raise ContractError(problems[:_QUOTED])
    return Checked(parameters=parameters, query=asked, body=told)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile("".join(_segment(each) for each in re.split(r"(\{\w+\})", path)))


def _segment(text: str) -> str:
    return f"(?P<{text[1:-1]}>[^/]+)" if text.startswith("{") else re.escape(text)


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema))


def _problems(schema: Document, value: Any, *, at: str = "") -> list[str]:
    found: list[str] = []
    faults: Iterable[Any] = _validator(json.dumps(schema)).iter_errors(value)  # pyright: ignore[reportUnknownMemberType]
    for error in faults:
        place = ".".join(str(part) for part in [*([at] if at else []), *error.absolute_path])
        # Of what has no name in the contract the name is told; of every other fault the rule, never the value.
        reason = (
            error.message if error.validator in {"additionalProperties", "required"} else f"fails {error.validator}"
        )
        found.append(f"{place or 'the request'}: {reason}")
    return found


def _decoded(pairs: Sequence[tuple[str, str]], schema: Document) -> Document:
    """A form with `a[b]`, `a[0]` and repeated names as the object it stands for, its values typed by the schema."""
    tree: Document = {}
    for name, value in pairs:
        parts: list[str] = _PARTS.findall(name) or [name]
        at = tree
        for part in parts[:-1]:
            inner = at.get(part)
            # `a=1&a[b]=2` stands for nothing: the later counts.
            at[part] = inner if isinstance(inner, dict) else {}
            at = cast("Document", at[part])
        held = at.get(parts[-1])
        at[parts[-1]] = value if held is None else [*_several(held), value]
    return cast("Document", _typed(tree, schema))


def _typed(value: Any, schema: Document) -> Any:
    kind = schema.get("type")
    if kind == "array":
        items: Document = schema.get("items", {})
        return [_typed(each, items) for each in _several(value)]
    if isinstance(value, dict):
        named: Document = schema.get("properties", {})
        further: Any = schema.get("additionalProperties")
        other = cast("Document", further) if isinstance(further, dict) else {}
        told = cast("Document", value)
        return {name: _typed(each, named.get(name, other)) for name, each in told.items()}
    return _scalar(value, kind)


def _several(value: Any) -> list[Any]:
    """The members of a list, which a form writes as a list or as an object of numbers; else the value alone."""
    if isinstance(value, dict):
        return list(cast("Document", value).values())
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _scalar(value: Any, kind: Any) -> Any:
    if not isinstance(value, str):
        return value
    if kind == "integer" and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    if kind == "boolean" and value in {"true", "false", "True", "False"}:
        return value.lower() == "true"
    return value
