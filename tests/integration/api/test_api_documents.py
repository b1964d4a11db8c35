import re

import httpx
from fastapi import FastAPI

from serve.auth import OPEN_PATHS
from serve.openapi import openapi_document
from tests.integration.api.conftest import Tenant


async def test_the_document_describes_each_operation_and_its_faults(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    tags = {tag["name"] for tag in document["tags"]}
    operation_ids: set[str] = set()
    for path, item in document["paths"].items():
        for operation in item.values():
            operation_ids.add(operation["operationId"])
            assert operation["description"], path
            assert set(operation["tags"]) <= tags
            assert ("security" in operation) == (path not in OPEN_PATHS)
            statuses = {"500"} if path in OPEN_PATHS else {"401", "403", "404", "500", "503"}
            assert statuses <= set(operation["responses"])
            faults = [answer for status, answer in operation["responses"].items() if status in statuses | {"422"}]
            assert all("application/problem+json" in fault["content"] for fault in faults)
    assert len(operation_ids) == sum(len(item) for item in document["paths"].values())
    assert "HTTPValidationError" not in document["components"]["schemas"]


async def test_every_reference_of_the_document_leads_somewhere(api: FastAPI, client: httpx.AsyncClient) -> None:
    text = (await client.get("/openapi.json")).text
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert named <= set(openapi_document(api)["components"]["schemas"])
    assert "Problem" in named


async def test_the_live_feed_is_described_too(client: httpx.AsyncClient) -> None:
    document = (await client.get("/asyncapi.json")).json()
    assert document["asyncapi"] == "3.0.0"
    assert document["servers"]["hub"]["host"] == "live.test:8001"
    assert document["components"]["schemas"]["SnapshotFrame"]["description"]


async def test_the_page_of_the_document_asks_no_other_server(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    document = (await client.get("/openapi.json")).json()
    for item in document["paths"].values():
        for operation in item.values():
            assert f'id="{operation["operationId"]}"' in page.text
    links = re.findall(r'(?:href|src)="([^"]+)"', page.text)
    assert links
    assert all(link.startswith("/") and not link.startswith("//") for link in links)
    for link in links:
        assert (await client.get(link)).status_code == 200
    assert not re.search(r"<script|style=|<style| on\w+=", page.text)


async def test_every_answer_tells_the_browser_to_trust_nothing_else(client: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/docs", "/v1/session", "/docs/absent"):
        answer = await client.get(path)
        headers = answer.headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "connect-src 'self' ws://live.test:8001;" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        # What has an `ETag` may be kept by its reader and is asked about each time; nothing else is kept at all.
        is_read = answer.status_code == 200 and headers["content-type"] == "application/json"
        assert ("etag" in headers) == is_read, path
        assert headers["cache-control"] == ("private, no-cache" if is_read else "no-store"), path


async def test_what_is_read_is_kept_by_its_reader_and_what_was_done_by_nobody(
    client: httpx.AsyncClient, tenant: Tenant
) -> None:
    for noun in ("", "/calls", "/assistants", "/stats", "/usage", "/members"):
        headers = (await client.get(f"{tenant.path}{noun}", headers=tenant.credential)).headers
        assert headers["cache-control"] == "private, no-cache", noun
        assert "Authorization, Cookie" in headers["vary"]
        assert "etag" in headers
    export = await client.get(f"{tenant.path}/calls/export", params={"format": "csv"}, headers=tenant.credential)
    made = await client.post(f"{tenant.path}/live-tickets", headers=tenant.credential)
    for answer in (export, made):
        assert answer.is_success, answer.text
        assert answer.headers["cache-control"] == "no-store"
