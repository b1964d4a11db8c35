"""The board's page: what was built is served as it is, strictly, and what was not says what to do."""

import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from serve.deployment import Deployment
from serve.routes import page as page_module
from tests.integration.api.conftest import Tenant

Client = httpx.AsyncClient


async def test_the_page_is_what_was_built_and_holds_nothing_inline(client: Client) -> None:
    page = await client.get("/")
    assert page.status_code == 200
    built = (page_module.BUILT / "index.html").read_text()
    assert page.text == built.replace('data-takes-passwords=""', 'data-takes-passwords="yes"')
    assert page.headers["cache-control"] == "no-cache"
    again = await client.get("/", headers={"if-none-match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"] == page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", page.text)
    links = re.findall(r'(?:href|src)="([^"]+)"', page.text)
    assert any(link.endswith(".js") for link in links)
    for link in links:
        answer = await client.get(link)
        assert answer.status_code == 200, link
        kept = "immutable" in answer.headers["cache-control"]
        assert kept is ("/assets/" in link), "a name that holds its digest is kept, another asked about each time"


@pytest.mark.parametrize("is_local", [True, False])
async def test_only_the_local_stack_tells_of_itself(*, is_local: bool) -> None:
    app, told = FastAPI(), dict.fromkeys(("public_base_url", "live_url", "auth_url", "auth_key"), "")
    page_module.install(app, Deployment(**told, is_local=is_local))
    async with Client(transport=httpx.ASGITransport(app=app), base_url="http://page.test") as client:
        page = (await client.get("/")).text
    assert ('data-is-local="yes"' in page) is is_local
    assert 'data-takes-passwords=""' in page


async def test_each_of_its_addresses_leads_to_it_and_others_to_nothing(client: Client, tenant: Tenant) -> None:
    board = (await client.get("/")).text
    for path in ("/calls", "/calls/a%2Fcall", "/usage", "/integrations", "/truth", "/alarms", "/setup", "/people"):
        page = await client.get(path)
        assert (page.status_code, page.text) == (200, board), path
    for path in ("/call", "/usage/2026", "/nothing"):
        assert (await client.get(path)).status_code == 401, "whether it exists is nobody's business"
        nothing = await client.get(path, headers=tenant.credential)
        assert nothing.status_code == 404, path
        assert nothing.headers["content-type"] == "application/problem+json"


async def test_without_a_build_it_says_what_to_do(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(page_module, "BUILT", tmp_path)
    page = await client.get("/")
    assert page.status_code == 503
    assert "make setup" in page.text
    assert (await client.get("/healthz")).status_code == 200
