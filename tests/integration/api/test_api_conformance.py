"""Requests drawn from the OpenAPI document, right and wrong: no server error, and every answer is as documented."""

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, cast
from urllib.parse import quote

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import checks
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks as openapi_checks

from serve.openapi import openapi_document
from storage.postgres import Pool
from tests.integration.api.conftest import BASE_URL, Tenant
from tests.integration.api.stored_calls import store_call

# Schemathesis' types are wide; what is used of it is small.
_schemas: Final = cast("Any", schemathesis)
_openapi: Final = cast("Any", openapi_checks)
_not_a_server_error: Final = cast("Any", checks).not_a_server_error
_CASES: Final = 12 if "CHAOS_KILLS" in os.environ else 6
"""Of each operation, right and wrong ones each; `make chaos` draws more."""
_AS_DOCUMENTED: Final = [
    _openapi.status_code_conformance,
    _openapi.content_type_conformance,
    _openapi.response_headers_conformance,
    _openapi.response_schema_conformance,
]
_MODES: Final = (_schemas.GenerationMode.POSITIVE, _schemas.GenerationMode.NEGATIVE)


def drawn(operation: Any, mode: Any) -> list[Any]:
    """The same cases every time; none where nothing wrong can be asked of an operation."""
    cases: list[Any] = []

    @settings(
        max_examples=_CASES,
        database=None,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def draw(case: Any) -> None:
        cases.append(case)

    with suppress(Unsatisfiable):
        draw()
    return cases


async def answered(client: httpx.AsyncClient, case: Any, headers: Mapping[str, str]) -> httpx.Response:
    told = case.as_transport_kwargs(base_url=BASE_URL)
    told["content"] = told.pop("data", None)
    # Requests that no HTTP client can send tell nothing of the server.
    told["headers"] = {
        name: value for name, value in told["headers"].items() if name.lower() not in {"authorization", "cookie"}
    } | dict(headers)
    told.pop("cookies", None)
    return await client.request(**told)


@pytest.mark.timeout(300)
async def test_every_operation_answers_as_documented(
    api: FastAPI, client: httpx.AsyncClient, pool: Pool, tenant: Tenant
) -> None:
    await store_call(pool, tenant.organization_id, "call-1", status="ended")
    schema = _schemas.openapi.from_dict(openapi_document(api))
    faults: list[str] = []
    asked = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        for case in (case for mode in _MODES for case in drawn(operation, mode)):
            for path_parameters in _places(case, tenant):
                case.path_parameters = path_parameters
                response = await answered(client, case, tenant.credential)
                asked += 1
                wanted = _AS_DOCUMENTED if _has_no_owner(response) else [_not_a_server_error, *_AS_DOCUMENTED]
                try:
                    case.validate_response(response, checks=wanted)
                except FailureGroup as unfit:
                    faults.append(f"{operation.method} {operation.path}: {unfit}")
    assert not faults, "\n\n".join(faults)
    assert asked > 400


def _places(case: Any, tenant: Tenant) -> list[dict[str, Any]]:
    """What was drawn, and the same asked of an organization and a call that are there."""
    given_path = dict(case.path_parameters or {})
    if "organization_id" not in given_path:
        return [given_path]
    own = {**given_path, "organization_id": tenant.organization_id}
    return [given_path, own, *([{**own, "call_id": quote("call-1")}] if "call_id" in own else [])]


def _has_no_owner(response: httpx.Response) -> bool:
    """Nothing hosts organizations here, and 503 is how that is told."""
    return response.status_code == 503 and "live state" in response.text
