"""What every operation of the document keeps to: units in names, times in ISO 8601, keys that make repeating safe."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
from fastapi import FastAPI

from serve.openapi import openapi_document

# Quantities that mean nothing without a unit.
QUANTITY: Final = re.compile(
    r"(^|_)(duration|cost|price|amount|latency|lag|talk|silence|age|lasted|cooldown|pending|grace|handle|answer|word)(_|$)"
)
UNIT: Final = re.compile(r"_(ms|seconds|minutes|hours|micros|usd|share|n|at)$")
MOMENT: Final = re.compile(r"(_at|_since|_until|_to|_start|_end)$|^(from|to|at|since|until|time|as_of)$")
# Asked for twice they come to what they came to once, or open something that nobody holds yet.
REPEATABLE: Final = frozenset(
    {
        "POST /logout",
        "POST /v1/sessions",
        "POST /v1/invitations/accept",
        "POST /v1/organizations/{organization_id}/live-tickets",
        "POST /v1/organizations/{organization_id}/billing/portal",
        "POST /v1/organizations/{organization_id}/billing/refresh",
        "POST /v1/organizations/{organization_id}/provider-wiring/check",
        "POST /v1/organizations/{organization_id}/slots/{call_id}/release",
        "POST /v1/organizations/{organization_id}/incidents/{incident_id}/acknowledge",
        "POST /v1/organizations/{organization_id}/incidents/{incident_id}/resolve",
        "POST /v1/organizations/{organization_id}/incidents/{incident_id}/mute",
    }
)


@pytest.fixture
def document(api: FastAPI) -> dict[str, Any]:
    return openapi_document(api)


def members(document: Mapping[str, Any]) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """Schema, member and the forms it may have."""
    for schema, told in document["components"]["schemas"].items():
        for name, member in told.get("properties", {}).items():
            yield schema, name, [member, *member.get("anyOf", ())]


def is_number(forms: list[dict[str, Any]]) -> bool:
    return bool({"integer", "number"} & {form.get("type") for form in forms})


async def test_quantities_are_named_with_their_units(document: dict[str, Any]) -> None:
    unnamed = {
        f"{schema}.{name}"
        for schema, name, forms in members(document)
        if {"integer", "number"} & {form.get("type") for form in forms}
        and QUANTITY.search(name)
        and not UNIT.search(name)
    }
    assert unnamed == set()


async def test_times_are_iso_8601_and_named_as_moments(document: dict[str, Any]) -> None:
    moments = {name for _, name, forms in members(document) if "date-time" in {form.get("format") for form in forms}}
    assert len(moments) > 20
    assert {name for name in moments if not MOMENT.search(name)} == set()
    numbers = {
        f"{schema}.{name}" for schema, name, forms in members(document) if name.endswith("_at") and is_number(forms)
    }
    assert numbers == set()


async def test_whatever_is_made_can_be_asked_for_again(document: dict[str, Any]) -> None:
    unsafe = {
        f"POST {path}"
        for path, item in document["paths"].items()
        if "post" in item and not {"Idempotency-Key"} & {each["name"] for each in item["post"].get("parameters", ())}
    }
    assert unsafe == REPEATABLE


async def test_a_list_that_can_grow_has_pages(document: dict[str, Any]) -> None:
    endless = {
        schema.removesuffix("Page")
        for schema in document["components"]["schemas"]
        if schema.endswith("Page") and "next_cursor" not in document["components"]["schemas"][schema]["properties"]
    }
    assert endless == set()
    for path, item in document["paths"].items():
        names = {each["name"]: each["schema"] for each in item.get("get", {}).get("parameters", ())}
        if "cursor" in names:
            assert names["limit"]["maximum"] <= 500, path
            assert names["limit"]["minimum"] == 1, path
