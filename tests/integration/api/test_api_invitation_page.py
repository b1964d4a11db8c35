"""The pages that take a password: for anybody, strict; of what an invitation's link says nothing reaches a server."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from serve.config import Settings
from tests.integration.api.conftest import BASE_URL, Tenant

Client = httpx.AsyncClient


async def test_the_page_is_for_anybody_and_holds_nothing_inline(client: Client, settings: Settings) -> None:
    page = await client.get("/invitation")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert settings.supabase_url is not None
    assert f'data-auth-url="{settings.supabase_url}"' in page.text
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", page.text)
    links = re.findall(r'(?:href|src)="([^"]+)"', page.text)
    assert len(links) > 3
    for link in links:
        assert (await client.get(link)).status_code == 200, link
    # Each state the page can be in has a heading that takes the focus, and every field a label.
    sections = re.findall(r'<section id="([\w-]+)"(.*?)</section>', page.text, re.DOTALL)
    assert {"empty", "expired", "sign-in", "accept", "refused", "done"} <= {name for name, _ in sections}
    assert all('<h1 tabindex="-1">' in content for _, content in sections)
    assert page.text.count("<input") == len(re.findall(r"<label>[^<]+<input", page.text))
    assert 'role="alert"' in page.text


async def test_signing_in_is_for_anybody_and_holds_nothing_inline(client: Client, settings: Settings) -> None:
    page = await client.get("/sign-in")
    assert page.status_code == 200
    assert f'data-auth-url="{settings.supabase_url}"' in page.text
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", page.text)
    for link in re.findall(r'(?:href|src)="([^"]+)"', page.text):
        assert (await client.get(link)).status_code == 200, link


@pytest.mark.parametrize("path", ["/invitation", "/sign-in"])
async def test_it_talks_to_us_and_to_where_people_sign_in_alone(client: Client, settings: Settings, path: str) -> None:
    policy = (await client.get(path)).headers["content-security-policy"]
    assert f"connect-src 'self' {settings.supabase_url};" in policy
    assert "unsafe" not in policy
    assert "live.test" not in policy
    board = (await client.get("/")).headers["content-security-policy"]
    assert str(settings.supabase_url) not in board


async def test_an_invitation_comes_with_its_link(client: Client, tenant: Tenant) -> None:
    asked = {"email": "one@example.com", "role": "viewer"}
    made = (await client.post(f"{tenant.path}/invitations", json=asked, headers=tenant.credential)).json()
    url = urlsplit(str(made["url"]))
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{BASE_URL}/invitation"
    assert not url.query, "what stands there is sent to the server and kept in its logs"
    carried = parse_qs(url.fragment)
    assert carried["token"] == [made["token"]]
    expires = datetime.fromisoformat(carried["expires"][0])
    assert timedelta(days=6) < expires - datetime.now(UTC) < timedelta(days=8)


@pytest.mark.parametrize("name", ["invitation", "sign-in"])
def test_the_script_looks_for_what_the_page_has(name: str) -> None:
    static = Path("serve/static")
    page, script = (static / f"{name}.html").read_text(), (static / f"{name}.js").read_text()
    shared = (static / "accounts.js").read_text()
    listed = re.search(r"SECTIONS = \[([^\]]+)\]", script)
    assert (listed is not None) is (name == "invitation")
    sections = set(re.findall(r'"([\w-]+)"', listed[1])) if listed else set[str]()
    named = set(re.findall(r'(?:byId|getElementById)\("([\w-]+)"\)', script + shared)) | sections
    assert named <= set(re.findall(r'id="([\w-]+)"', page))
