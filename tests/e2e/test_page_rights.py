"""What the page shows to whoever may do less: nothing that is not theirs, and whom to ask for it."""

import asyncio
import re
from http import HTTPStatus
from typing import Final
from uuid import uuid4

from playwright.async_api import BrowserContext, Page, Route, expect

from serve.simulator.bodies import body_of
from serve.simulator.script import ScriptedCall
from tests.e2e.browsing import PATIENCE_MS, faults, needs_chromium, picture, until_live
from tests.e2e.members import join
from tests.e2e.product import Product
from tests.e2e.scripts import LIFECYCLE, a_call
from tests.running_stack import RunningStack

LIVE: Final = "#link, .banner, .tile, .row, #alarms, #search"
"""What there is of a page only where something live is shown."""

pytestmark = needs_chromium


def begin(product: Product, number: int) -> ScriptedCall:
    """A call that goes on."""
    call = a_call(product, number)
    started = next(each for each in call.messages if each.content.get("status") == "in-progress")
    product.post(body_of(call, started)).raise_for_status()
    return call


def end(product: Product, call: ScriptedCall) -> None:
    for message in (each for each in call.messages if each.type in LIFECYCLE):
        product.post(body_of(call, message)).raise_for_status()


async def test_a_viewer_sees_what_they_may_until_they_are_removed(
    page: Page, product: Product, stack: RunningStack
) -> None:
    email, session = await join(product, stack, "viewer")
    assert page.context.browser is not None
    theirs = await page.context.browser.new_context(base_url=product.base_url)
    await theirs.add_cookies([{"name": "session", "value": session, "url": product.base_url}])
    viewer = await theirs.new_page()
    viewer.set_default_timeout(PATIENCE_MS)
    await viewer.goto("/audit")
    await expect(viewer.locator("#not-permitted")).to_contain_text("audit:read", timeout=PATIENCE_MS)
    await expect(viewer.locator("#not-permitted")).to_contain_text("You are a viewer of")
    assert await faults(viewer) == []
    await until_live(viewer)
    await picture(viewer, "not-permitted-viewer")
    await viewer.goto("/alarms")
    await expect(viewer.locator("#rules table")).to_be_visible(timeout=PATIENCE_MS)
    await expect(viewer.get_by_role("button", name="New rule")).to_have_count(0)

    call = begin(product, 393)
    await viewer.goto(f"/#?call={call.call_id}")
    await expect(viewer.locator("#call .pill")).to_have_text("in progress")
    await expect(viewer.get_by_role("group", name="Actions")).to_have_count(0)
    await expect(viewer.locator("#may-not")).to_contain_text("calls:control")
    for key in "swuxeam":
        await viewer.keyboard.press(key)
    await expect(viewer.get_by_role("dialog")).to_have_count(0)
    await expect(viewer.locator("#action-text, #said, #action-outcome, .alarm-actions button")).to_have_count(0)
    assert await faults(viewer) == []
    await picture(viewer, "viewer-board")
    await viewer.goto(f"/calls/{call.call_id}")
    await expect(viewer.locator("#went-out")).to_contain_text("integrations:read")
    await expect(viewer.get_by_role("button", name="Add the note")).to_have_count(0)
    await picture(viewer, "viewer-call")
    end(product, call)

    await viewer.goto("/")
    await until_live(viewer)
    await page.goto("/people")
    row = page.locator("#members tr", has_text=email)
    await row.get_by_role("combobox").select_option("supervisor")
    await expect(row.get_by_role("combobox")).to_have_value("supervisor")
    await row.get_by_role("button", name=f"Remove {email}").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove the member").click()
    await expect(row).to_have_count(0)
    # Their socket is closed, and with it goes what it had brought.
    await expect(viewer.get_by_role("heading", name="You are a member of no organization")).to_be_visible(
        timeout=PATIENCE_MS
    )
    await expect(viewer.locator(".row, .tile, #organization")).to_have_count(0)
    await picture(viewer, "removed-member")
    answer = await viewer.request.get(f"/v1/organizations/{product.organization_id}/members")
    assert answer.status == HTTPStatus.NOT_FOUND


async def test_whoever_may_not_watch_finds_the_past_and_nothing_live(context: BrowserContext, product: Product) -> None:
    """No role lacks `live:read`, but a key may: each request is decided by it, in place of a session."""
    call = begin(product, 394)
    made = await asyncio.to_thread(product.act, "api-keys", {"name": uuid4().hex, "scopes": ["calls:read"]})
    bearer = {"authorization": f"Bearer {made.raise_for_status().json()['api_key']}"}
    asked: list[str] = []

    async def by_key(route: Route) -> None:
        asked.append(route.request.url)
        await route.continue_(headers={**route.request.headers, **bearer})

    await context.route("**/v1/**", by_key)
    page = await context.new_page()
    await page.goto("/")
    refused = page.locator("#not-permitted")
    await expect(refused).to_contain_text("To watch the live board takes a viewer or more", timeout=PATIENCE_MS)
    await expect(refused).to_contain_text("What you signed in with does not carry it")
    await expect(page.locator(LIVE)).to_have_count(0)
    assert await page.get_by_role("navigation").get_by_role("link").all_inner_texts() == ["History", "Truth"]
    assert await faults(page) == []
    await picture(page, "not-permitted")

    await refused.get_by_role("link", name="Go to History").click()
    await page.locator(f'tbody[data-call="{call.call_id}"]').get_by_role("link").click(timeout=PATIENCE_MS)
    await expect(page.locator(".record .pill")).to_have_text("in progress", timeout=PATIENCE_MS)
    await expect(page.locator(LIVE)).to_have_count(0)
    await expect(page.get_by_role("link", name="Watch it on the board")).to_have_count(0)
    assert await faults(page) == []
    await picture(page, "not-permitted-to-watch-call")
    assert [url for url in asked if re.search(r"live-tickets|assistants|phone-numbers|integrations", url)] == []
    end(product, call)
