"""The page in a real browser, on the running product: a call appears, its transcript grows, a supervisor ends it."""

import asyncio
from typing import Final

import pytest_asyncio
from playwright.async_api import Page, expect

from serve.simulator.bodies import body_of
from tests.e2e.acting import place
from tests.e2e.browsing import PATIENCE_MS, Shoot, needs_chromium, row_of, until_live
from tests.e2e.product import PATIENCE_SECONDS, Product
from tests.e2e.scripts import LIFECYCLE, a_call

pytestmark = needs_chromium

KEEP_REPORTS: Final = """(call) => {
    window.reports = [];
    new MutationObserver(() => {
        const told = document.querySelector(`#ended li[data-call="${call}"] .report`)?.textContent;
        if (told !== undefined && window.reports.at(-1) !== told) window.reports.push(told);
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""
"""What is said of the call's report, one after the other."""


@pytest_asyncio.fixture
async def board(page: Page) -> Page:
    await page.goto("/")
    await until_live(page)
    return page


async def test_a_call_appears_speaks_is_tagged_and_shown_as_ended(board: Page, product: Product, shot: Shoot) -> None:
    page, call = board, a_call(product, 371)
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

    await page.keyboard.press("t")
    await expect(page.get_by_label("Add a tag")).to_be_focused()
    await page.keyboard.type("Call back")
    await page.keyboard.press("Enter")
    await expect(page.locator("#call .tag")).to_contain_text("call-back", timeout=PATIENCE_MS)
    # The choice of tags is made of what the live feed told.
    await page.locator('[data-filter="tag"]').select_option("call-back", timeout=PATIENCE_MS)
    await expect(page.get_by_role("button", name="Remove the filter: tag call-back")).to_be_visible()
    assert "tag=call-back" in page.url
    await expect(page.locator("#calls .row")).to_have_count(1)
    await shot("a-tagged-call")
    await page.get_by_role("button", name="Remove the filter: tag call-back").click()

    # That this page has the call open is told by HTTP, and heard of by all who watch.
    await page.locator('[data-filter="watcher"]').select_option("me")
    await expect(row).to_have_count(1, timeout=PATIENCE_MS)
    assert "watcher=me" in page.url
    await page.get_by_role("button", name="Remove the filter: watched by me").click()

    for message in lifecycle:
        product.post(body_of(call, message)).raise_for_status()
    await expect(page.locator("#call .pill")).to_have_text("ended", timeout=PATIENCE_MS)
    await page.get_by_role("tab", name="Facts").click()
    await expect(page.locator("#call")).to_contain_text("processed", timeout=PATIENCE_MS)
    (found,) = product.get("calls", tag="call-back").raise_for_status().json()["calls"]
    assert (found["call_id"], found["tags"]) == (call.call_id, ["call-back"])


async def test_a_supervisor_is_alarmed_has_something_said_and_ends_the_call(
    board: Page, product: Product, shot: Shoot
) -> None:
    page = board
    too_long = {"name": "call-too-long", "metric": "age_seconds", "threshold": 1, "clear": 1, "severity": "critical"}
    product.put("alarm-rules", {"rules": [too_long]}).raise_for_status()
    try:
        call_id = await asyncio.to_thread(place, product)
        row = page.locator(row_of(call_id))
        await expect(row).to_contain_text("call too long", timeout=PATIENCE_MS)
        incidents = product.get("incidents", open="true").raise_for_status().json()["incidents"]
        (incident,) = [each for each in incidents if each["call_id"] == call_id]
        alarm = page.locator(f'#alarms [data-incident="{incident["incident_id"]}"]')
        await expect(alarm).to_contain_text("Critical")
        await alarm.get_by_role("button", name="Acknowledge").click()
        await expect(alarm).to_contain_text("acknowledged", timeout=PATIENCE_MS)

        await row.get_by_role("button").click()
        lines = page.locator("#transcript li")
        said = "A colleague takes over in a minute."
        await expect(page.get_by_role("button", name="Say S")).to_be_enabled(timeout=PATIENCE_MS)
        await page.keyboard.press("s")
        await page.get_by_label("The assistant says").fill(said)
        await page.keyboard.press("Enter")
        await expect(page.locator("#action-outcome")).to_contain_text("told to say it", timeout=PATIENCE_MS)
        await expect(page.locator("#transcript")).to_contain_text(said, timeout=PATIENCE_MS)
        await expect(lines.nth(1)).to_be_visible(timeout=PATIENCE_MS)
        await shot("a-call-with-an-alarm")

        await page.get_by_role("button", name="Mute AI U").click()
        await expect(page.get_by_role("button", name="Unmute AI U")).to_be_visible(timeout=PATIENCE_MS)
        await page.get_by_role("button", name="Close the call").click()
        await row.get_by_role("button").click()
        await expect(page.get_by_role("button", name="Unmute AI U")).to_be_visible(timeout=PATIENCE_MS)

        await page.evaluate(KEEP_REPORTS, call_id)
        await page.get_by_role("button", name="End E").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
        await dialog.get_by_label("Reason").fill("The test is over.")
        await dialog.get_by_role("button", name="End the call").click()
        await expect(page.locator("#action-outcome")).to_contain_text("ended", timeout=PATIENCE_MS)
        await expect(page.locator("#call .pill")).to_have_text("ended", timeout=PATIENCE_MS)
        # For a minute only: it is not put off until the call is processed.
        await expect(alarm).to_have_attribute("data-over", "true")
        # Its report follows later, and changes what is there.
        ended = page.locator(f'#ended li[data-call="{call_id}"]')
        await expect(ended).to_contain_text("manually canceled", timeout=PATIENCE_MS)
        await expect(ended.locator(".report")).to_have_text("processed", timeout=PATIENCE_MS)
        await expect(ended).to_contain_text("lasted")
        assert (await page.evaluate("reports")).index("report pending") == 0
        call = await asyncio.to_thread(product.call_when, call_id, lambda call: call["status"] == "ended")
        assert call["ended_reason"] == "manually-canceled"
    finally:
        product.put("alarm-rules", {"rules": []}).raise_for_status()


async def test_what_the_provider_refuses_is_told_and_not_shown_as_done(
    board: Page, product: Product, shot: Shoot
) -> None:
    page = board
    call_id = await asyncio.to_thread(place, product)
    await page.locator(row_of(call_id)).get_by_role("button").click()
    mute = page.get_by_role("button", name="Mute AI U", exact=True)
    await expect(mute).to_be_enabled(timeout=PATIENCE_MS)
    with_key = {"authorization": f"Bearer {product.api_key}"}
    faults = f"{product.base_url}/simulator/faults"
    product.http.put(faults, json={"vapi": {"status": 422}}, headers=with_key).raise_for_status()
    try:
        await mute.click()
        outcome = page.locator("#action-outcome")
        await expect(outcome).to_contain_text("VAPI refused the command. It said: ", timeout=PATIENCE_MS)
        await expect(outcome).to_have_attribute("role", "alert")
        await expect(mute).to_be_enabled()
        await expect(mute).to_have_attribute("aria-pressed", "false")
        await page.get_by_role("button", name="End E").click()
        await page.get_by_role("dialog").get_by_label("Reason").fill("The test is over.")
        await page.get_by_role("dialog").get_by_role("button", name="End the call").click()
        await expect(page.get_by_role("dialog")).to_have_count(0, timeout=PATIENCE_MS)
        await expect(outcome).to_contain_text("VAPI refused the command. It said: ", timeout=PATIENCE_MS)
        await expect(page.locator("#call .pill")).to_have_text("in progress")
        await shot("refused-by-the-provider")
    finally:
        product.http.delete(faults, headers=with_key).raise_for_status()
    await page.get_by_role("button", name="End E").click()
    await page.get_by_role("dialog").get_by_label("Reason").fill("The test is over.")
    await page.get_by_role("dialog").get_by_role("button", name="End the call").click()
    await expect(page.locator("#call .pill")).to_have_text("ended", timeout=PATIENCE_MS)
