"""The pages of set-up and proof in a real browser: what is done there is done, and the audit log tells of it."""

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.e2e.browsing import PATIENCE_MS, faults, needs_chromium
from tests.e2e.product import PATIENCE_SECONDS, REQUEST_SECONDS, Product
from tests.e2e.scripts import a_call, bodies

PAGES: Final = {
    "integrations": "#endpoints table",
    "truth": "#measures dl",
    "alarms": "#rules table",
    "setup": "#wiring .state",
    "people": "#api-keys table",
    "audit": "#audit :is(table, .empty)",
}
"""The pages, and what stands on each once it was read."""

pytestmark = needs_chromium


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something of another process to hold."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.2)


async def once(page: Page) -> str:
    """The secret that the open dialog shows, which is gone with it."""
    dialog = page.get_by_role("dialog")
    secret = await dialog.locator("#secret").inner_text()
    await dialog.get_by_role("button", name="I have kept it").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert secret not in await page.content()
    return secret


async def test_an_endpoint_is_made_told_of_a_call_and_told_again(page: Page, product: Product) -> None:
    name, path = f"Endpoint {uuid4().hex[:8]}", uuid4().hex
    await page.goto("/integrations")
    await page.get_by_role("button", name="Add an endpoint").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill(name)
    url = f"{product.base_url}/simulator/receiver/{product.organization_id}/{path}"
    await dialog.get_by_label("URL").fill(url)
    await dialog.get_by_role("button", name="Add the endpoint").click()
    assert (await once(page)).startswith("whsec_")
    row = page.locator("#endpoints tr", has_text=name)
    await expect(row).to_contain_text("healthy")

    call = a_call(product, 391)
    for body in bodies(call, chatter=False):
        product.post(body).raise_for_status()
    await page.get_by_role("combobox", name="Endpoint").select_option(label=name)
    delivery = page.locator("#deliveries tr", has_text=call.call_id)
    await expect(delivery).to_contain_text("delivered", timeout=PATIENCE_MS)
    await delivery.get_by_role("button").click()
    detail = page.locator("#delivery")
    await expect(detail).to_contain_text("answered 200")
    await expect(detail.locator(".excerpt").first).to_contain_text("received")

    await detail.get_by_role("button", name="Send it again").click()
    await expect(detail).to_contain_text("attempt 2", timeout=PATIENCE_MS)
    sent = page.locator("#replays tr", has_text=name)
    await expect(sent).to_contain_text("sent again: 1 delivery", timeout=PATIENCE_MS)
    told = (await asyncio.to_thread(product.get, "deliveries", integration_id=await endpoint_id(product, name))).json()
    # Of a call that ended before it is told, too, if it is processed only now.
    assert [each["attempts"] for each in told["deliveries"] if each["call_id"] == call.call_id] == [2]

    await row.get_by_role("button", name=f"Switch off {name}").click()
    await expect(row).to_contain_text("Somebody switched it off")
    await row.get_by_role("button", name=f"Remove {name}").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove the endpoint").click()
    await expect(row).to_have_count(0)


async def endpoint_id(product: Product, name: str) -> str:
    told = (await asyncio.to_thread(product.get, "integrations")).json()
    return next(each["id"] for each in told["integrations"] if each["name"] == name)


async def test_a_key_is_made_used_and_revoked_and_the_log_tells_it(page: Page, product: Product) -> None:
    name = f"Key {uuid4().hex[:8]}"
    await page.goto("/people")
    await page.get_by_role("button", name="Make a key").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill(name)
    await dialog.get_by_label("calls:read").check()
    await dialog.get_by_role("button", name="Make the key").click()
    key = await once(page)
    row = page.locator("#api-keys tr", has_text=name)
    await expect(row).to_contain_text("never")

    async def answered(path: str) -> int:
        url = f"{product.base_url}/v1/organizations/{product.organization_id}/{path}"
        async with httpx.AsyncClient(timeout=REQUEST_SECONDS) as http:
            return (await http.get(url, headers={"authorization": f"Bearer {key}"})).status_code

    assert (await answered("calls/active"), await answered("audit-log")) == (200, 403)
    await row.get_by_role("button", name=f"Revoke {name}").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke the key").click()
    await expect(row).to_contain_text("revoked")

    async def is_refused() -> bool:
        return await answered("calls/active") == HTTPStatus.UNAUTHORIZED

    # Other replicas learn of it within seconds.
    await until(is_refused)

    key_id = await row.get_attribute("data-key")
    await page.get_by_role("link", name="Audit").click()
    await page.get_by_label("To what").fill(f"key:{key_id}")
    await page.get_by_role("button", name="Show", exact=True).click()
    entries = page.locator("#audit tbody tr")
    await expect(entries).to_have_count(2)
    told = (await asyncio.to_thread(product.get, "audit-log", target=f"key:{key_id}")).json()["entries"]
    shown = [await entries.nth(place).get_attribute("data-action") for place in range(2)]
    assert shown == [each["action"] for each in told]
    # The file is all that the filters let through, not what is on the page.
    async with page.expect_download() as begun:
        await page.get_by_role("button", name="Save all as CSV").click()
    saved = await asyncio.to_thread(Path(await (await begun.value).path()).read_text)
    assert [each["id"] for each in csv.DictReader(io.StringIO(saved))] == [str(each["id"]) for each in told]
    await expect(page.locator("#audit-saving")).to_have_text("Saved 2 entries.")
    await page.get_by_label("From", exact=True).fill("2199-12-31")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(entries).to_have_count(0)


async def test_a_member_is_invited_and_the_invitation_taken_back(page: Page) -> None:
    email = f"{uuid4().hex}@example.com"
    await page.goto("/people")
    await page.get_by_role("button", name="Invite somebody").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Email address").fill(email)
    await dialog.get_by_label("viewer").check()
    await dialog.get_by_role("button", name="Invite", exact=True).click()
    assert "/invitation" in await once(page)
    row = page.locator("#invitations tr", has_text=email)
    await expect(row).to_contain_text("viewer")
    await expect(row).to_contain_text("pending")
    await row.get_by_role("button").click()
    await expect(row).to_have_count(0)


async def test_truth_is_what_the_api_tells(page: Page, product: Product) -> None:
    call = a_call(product, 392)
    first = bodies(call, chatter=False)[0]
    for _ in range(2):
        product.post(first).raise_for_status()
    assert product.post(first, secret="none of theirs").status_code == HTTPStatus.UNAUTHORIZED
    await page.goto("/truth")
    names = ("received", "duplicates", "late", "refused", "missing", "repaired")

    async def told() -> list[str]:
        organization, stats, reconciled = [
            await (await page.request.get(f"/v1/organizations/{product.organization_id}{path}")).json()
            for path in ("", "/stats", "/reconciliations")
        ]
        today = stats["today"]
        figures = (
            organization["webhooks"]["received"],
            organization["webhooks"]["duplicates"],
            today["reorders"],
            reconciled["last_day"]["refused"],
            today["reports_missing"],
            reconciled["last_day"]["repaired"],
        )
        return [str(each) for each in figures]

    async def shown() -> list[str]:
        values = [await page.locator(f'[data-measure="{name}"] dd').first.inner_text() for name in names]
        return [value.removeprefix("▲").strip() for value in values]

    assert int((await told())[1]) >= 1

    async def agree() -> bool:
        figures = await told()
        return int(figures[3]) >= 1 and await shown() == figures

    await until(agree)
    await page.get_by_label("Call", exact=True).fill(call.call_id)
    await page.get_by_role("button", name="Show", exact=True).click()
    arrived = page.locator("#arrivals tbody tr", has_text="status update")
    await expect(arrived.locator('td[data-of="Times"]')).to_have_text("2")


async def test_a_rule_is_made_and_taken_away(page: Page, product: Product) -> None:
    name = f"very-long-{uuid4().hex[:8]}"
    await page.goto("/alarms")
    await page.get_by_role("button", name="New rule").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill(name)
    await dialog.get_by_label("Threshold, s").fill("36000")
    await dialog.get_by_label("Clears below, s").fill("40000")
    await dialog.get_by_role("button", name="Save the rule").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("must not lie above")
    await dialog.get_by_label("Clears below, s").fill("35000")
    await dialog.get_by_role("button", name="Save the rule").click()
    row = page.locator(f'tr[data-rule="{name}"]')
    await expect(row).to_contain_text("≥ 10 h")

    async def is_own() -> bool:
        told = (await asyncio.to_thread(product.get, "alarm-rules")).json()["rules"]
        return any(each["own"] and each["name"] == name for each in told)

    async def is_gone() -> bool:
        return not await is_own()

    await until(is_own)

    # Somebody else changes rules while this one is edited: neither loses what they set.
    await row.get_by_role("button", name=f"Change {name}").click()
    await dialog.get_by_label("Threshold, s").fill("37000")
    theirs = f"theirs-{uuid4().hex[:8]}"
    held = [each for each in (await asyncio.to_thread(product.get, "alarm-rules")).json()["rules"] if each["own"]]
    kept = [{key: value for key, value in each.items() if key not in {"own", "scope"}} for each in held]
    added = {"name": theirs, "metric": "hangs", "threshold": 90, "clear": 90}
    (await asyncio.to_thread(product.put, "alarm-rules", {"rules": [*kept, added]})).raise_for_status()
    await dialog.get_by_role("button", name="Save the rule").click()
    conflict = page.get_by_role("dialog", name="The rules were changed meanwhile")
    await expect(conflict.locator("#their-changes")).to_contain_text(theirs)
    await expect(conflict).to_contain_text(f"They left {name} as it was")
    await conflict.get_by_role("button", name="Leave theirs").click()
    await expect(dialog.get_by_label("Threshold, s")).to_have_value("37000")
    await dialog.get_by_role("button", name="Save the rule").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    told = {each["name"]: each for each in (await asyncio.to_thread(product.get, "alarm-rules")).json()["rules"]}
    assert (told[name]["threshold"], told[theirs]["threshold"]) == (37000, 90)

    await page.get_by_role("button", name=f"Remove {theirs}").click()
    await expect(page.locator(f'tr[data-rule="{theirs}"]')).to_have_count(0)
    await row.get_by_role("button", name=f"Remove {name}").click()
    await expect(row).to_have_count(0)
    await until(is_gone)


@pytest.mark.parametrize("name", PAGES)
async def test_each_page_can_be_used_by_everybody(page: Page, name: str) -> None:
    """WCAG 2.2 AA as far as axe can tell, on a desk in the dark and on a phone in the light."""
    for width, scheme in ((1440, "dark"), (390, "light")):
        await page.set_viewport_size({"width": width, "height": 844})
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        await page.goto(f"/{name}")
        await expect(page.locator(PAGES[name]).first).to_be_visible(timeout=PATIENCE_MS)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        assert await faults(page) == []
