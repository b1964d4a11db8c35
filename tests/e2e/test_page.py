"""The page in a real browser, on the running product: a call appears, its transcript grows, a supervisor ends it."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright, expect

from serve.simulator.bodies import body_of
from tests.e2e.acting import place
from tests.e2e.product import PATIENCE_SECONDS, Product
from tests.e2e.scripts import LIFECYCLE, a_call
from tests.running_stack import RunningStack

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE_MS: Final = PATIENCE_SECONDS * 1000

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt install chromium")


@pytest_asyncio.fixture
async def page(stack: RunningStack) -> AsyncIterator[Page]:
    """The board, signed in by the link that `make up` prints; ends with what the browser complained of."""
    told = json.loads(stack.data.dev_file.read_bytes())
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda said: complaints.append(said.text) if "Content Security Policy" in said.text else None
        )
        await page.goto(told["dashboard_login_url"])
        await expect(page.locator("#link")).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)
        yield page
        await browser.close()
    assert complaints == []


async def test_a_call_appears_speaks_and_is_shown_as_ended(page: Page, product: Product) -> None:
    call = a_call(product, 371)
    lifecycle = [each for each in call.messages if each.type in LIFECYCLE]
    started = next(each for each in lifecycle if each.content.get("status") == "in-progress")
    spoken = next(each for each in call.messages if each.content.get("transcriptType") == "final")
    product.post(body_of(call, started)).raise_for_status()
    row = page.locator(f'.row[data-call="{call.call_id}"]')
    await expect(row).to_contain_text("in progress", timeout=PATIENCE_MS)

    await row.get_by_role("button").click()
    words = str(spoken.content["transcript"])
    async with asyncio.timeout(PATIENCE_SECONDS):
        # What is said is delivered at most once: a caller who was not heard says it again.
        while await page.locator("#transcript").get_by_text(words).count() == 0:
            product.post(body_of(call, spoken)).raise_for_status()
            await asyncio.sleep(0.5)

    for message in lifecycle:
        product.post(body_of(call, message)).raise_for_status()
    await expect(page.locator("#call .pill")).to_have_text("ended", timeout=PATIENCE_MS)
    await page.get_by_role("tab", name="Facts").click()
    await expect(page.locator("#call")).to_contain_text("processed", timeout=PATIENCE_MS)


async def test_a_supervisor_has_something_said_and_ends_the_call(page: Page, product: Product) -> None:
    call_id = await asyncio.to_thread(place, product)
    await page.locator(f'.row[data-call="{call_id}"]').get_by_role("button").click()
    said = "A colleague takes over in a minute."
    await expect(page.get_by_role("button", name="Say S")).to_be_enabled(timeout=PATIENCE_MS)
    await page.keyboard.press("s")
    await page.get_by_label("The assistant says").fill(said)
    await page.keyboard.press("Enter")
    await expect(page.locator("#action-outcome")).to_contain_text("told to say it", timeout=PATIENCE_MS)
    await expect(page.locator("#transcript")).to_contain_text(said, timeout=PATIENCE_MS)

    await page.get_by_role("button", name="End E").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    await dialog.get_by_label("Reason").fill("The test is over.")
    await dialog.get_by_role("button", name="End the call").click()
    await expect(page.locator("#action-outcome")).to_contain_text("ended", timeout=PATIENCE_MS)
    await expect(page.locator("#call .pill")).to_have_text("ended", timeout=PATIENCE_MS)
    call = await asyncio.to_thread(product.call_when, call_id, lambda call: call["status"] == "ended")
    assert call["ended_reason"] == "manually-canceled"
