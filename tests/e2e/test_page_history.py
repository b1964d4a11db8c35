"""The pages of past calls and of usage in a real browser: what was said is found, heard in step, and counted once."""

import asyncio
import csv
import io
import re
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Page, expect

from serve.simulator.bodies import body_of
from serve.simulator.script import Said, ScriptedCall
from serve.simulator.wav import LONGEST_SECONDS
from tests.e2e.browsing import PATIENCE_MS, faults, needs_chromium
from tests.e2e.product import PATIENCE_SECONDS, Product
from tests.e2e.scripts import LIFECYCLE, register, scripted

LEAST_TURNS: Final = 4
HEARD: Final = '[aria-current="true"]'

pytestmark = needs_chromium


@pytest.fixture
def told_calls(product: Product) -> list[ScriptedCall]:
    """Two telephone calls that are over, with their recordings, the same for each test; much is said in the first."""
    recorded_whole = [
        call
        for call in scripted(374, 30)
        if call.kind != "webCall" and call.ended_at - (call.answered_at or 0) < LONGEST_SECONDS * 1000
    ]
    calls = sorted(recorded_whole, key=lambda call: -len(said_in(call)))[:2]
    assert len(said_in(calls[0])) >= LEAST_TURNS
    register(product, calls)
    for call in calls:
        for message in (each for each in call.messages if each.type in LIFECYCLE):
            product.post(body_of(call, message)).raise_for_status()
    for call in calls:
        product.call_when(call.call_id, lambda found: found["recording"] is not None and found["processed_at"])
    return calls


def said_in(call: ScriptedCall) -> list[Said]:
    return [each for each in call.conversation if isinstance(each, Said)]


async def downloaded(page: Page, link: str) -> list[dict[str, str]]:
    """The rows of the file that a link leads to."""
    async with page.expect_download() as begun:
        await page.locator(link).click()
    download = await begun.value
    text = await asyncio.to_thread(Path(await download.path()).read_text)
    return list(csv.DictReader(io.StringIO(text)))


async def test_a_call_is_found_by_what_was_said_and_the_file_holds_what_is_shown(
    page: Page, told_calls: list[ScriptedCall]
) -> None:
    call, other = told_calls
    phrase = max((each.text for each in said_in(call)), key=len)
    await page.goto("/calls")
    await page.get_by_label("Search what was said").fill(f'"{phrase}"')
    row = page.locator(f'tbody[data-call="{call.call_id}"]')
    await expect(row.locator("mark").first).to_be_visible(timeout=PATIENCE_MS)
    assert (await row.locator("mark").first.inner_text()).lower() in phrase.lower()

    # Both calls are of the range; one number is of one of them alone.
    await page.get_by_label("Number").fill(call.customer_number)
    await expect(page.get_by_role("button", name="Remove the filter: number")).to_be_visible(timeout=PATIENCE_MS)
    await expect(page.locator("#history-count")).to_contain_text("1 call,", timeout=PATIENCE_MS)
    assert "number=" in page.url
    assert [each["call_id"] for each in await downloaded(page, "#export")] == [call.call_id]
    await page.get_by_role("button", name="Clear all").click()
    await expect(page.locator(f'tbody[data-call="{other.call_id}"]')).to_be_visible(timeout=PATIENCE_MS)
    while await page.get_by_role("button", name="Show more").count():
        shown = await page.locator("tbody[data-call]").count()
        await page.get_by_role("button", name="Show more").click()
        await expect(page.locator("tbody[data-call]").nth(shown)).to_be_attached(timeout=PATIENCE_MS)
    listed = await page.locator("tbody[data-call]").evaluate_all("(rows) => rows.map((row) => row.dataset.call)")
    assert [each["call_id"] for each in await downloaded(page, "#export")] == listed
    assert await faults(page) == []


async def test_a_calls_recording_plays_in_step_with_its_transcript(page: Page, told_calls: list[ScriptedCall]) -> None:
    call = told_calls[0]
    await page.goto(f"/calls/{call.call_id}")
    lines = page.locator("#transcript [data-placed=true][data-kind=said]")
    await expect(lines).to_have_count(len(said_in(call)), timeout=PATIENCE_MS)
    assert await lines.locator(":scope > span").all_inner_texts() == [each.text for each in said_in(call)]

    await lines.nth(1).click()
    await expect(lines.nth(1)).to_have_attribute("aria-current", "true", timeout=PATIENCE_MS)
    await expect(page.locator(HEARD)).to_have_count(1)
    audio = page.locator("#recording")
    await page.wait_for_function("() => !document.querySelector('#recording').paused")
    # It follows what is heard: close before the next line, and on.
    start = await lines.nth(2).evaluate("(line) => line.querySelector('button').textContent")
    minutes, seconds = str(start).split(":")
    await audio.evaluate("(audio, at) => { audio.currentTime = at; }", int(minutes) * 60 + int(seconds) - 0.5)
    await expect(lines.nth(2)).to_have_attribute("aria-current", "true", timeout=PATIENCE_MS)

    await page.keyboard.press(" ")
    await page.wait_for_function("() => document.querySelector('#recording').paused")
    await page.keyboard.press("ArrowDown")
    await expect(lines.nth(3)).to_have_attribute("aria-current", "true", timeout=PATIENCE_MS)
    await page.keyboard.press("ArrowUp")
    await expect(lines.nth(2)).to_have_attribute("aria-current", "true", timeout=PATIENCE_MS)
    assert await faults(page) == []


async def test_a_call_shows_what_went_out_about_it(
    page: Page, product: Product, told_calls: list[ScriptedCall]
) -> None:
    call_id = told_calls[0].call_id
    await page.goto(f"/calls/{call_id}")
    deliveries = page.locator("#call-deliveries tr[data-delivery]")
    await expect(deliveries.first).to_contain_text("delivered", timeout=PATIENCE_MS)
    told = (await asyncio.to_thread(product.get, "deliveries", call_id=call_id)).json()["deliveries"]
    assert {each["event"] for each in told} == {"call.completed"}
    await expect(deliveries).to_have_count(len(told))
    await expect(deliveries.first).to_contain_text("answered 200")

    messages = (await asyncio.to_thread(product.get, "notifications", call_id=call_id)).json()["notifications"]
    assert {each["channel"] for each in messages} == {"sms", "email"}
    for each in messages:
        row = page.locator(f'[data-message="{each["id"]}"]')
        await expect(row).to_contain_text(each["recipient"])
        await expect(row).to_contain_text("text message" if each["channel"] == "sms" else "email")

    attempts = told[0]["attempts"]
    await deliveries.first.get_by_role("button").click()
    await page.locator("#delivery").get_by_role("button", name="Send it again").click()
    await expect(page.locator("#delivery")).to_contain_text(f"attempt {attempts + 1},", timeout=PATIENCE_MS)
    assert await faults(page) == []


async def test_usage_shows_the_ledgers_minutes(page: Page, told_calls: list[ScriptedCall]) -> None:
    del told_calls
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            # What is shown is at most a minute old; a call of another test may have been booked since.
            await page.goto("/usage")
            shown = await page.locator("[data-figure=used] strong").inner_text()
            entries = await downloaded(page, "#ledger")
            seconds = sum(int(each["seconds"]) for each in entries)
            minutes = f"{round(seconds / 60, 2):,} min".replace(".0 min", " min")
            if shown == minutes == await page.locator("#by-number tfoot td").nth(1).inner_text():
                break
    assert seconds > 0
    charged = sum(int(each["amount_micros"]) for each in entries) / 1_000_000
    told = await page.locator("[data-figure=cost] strong").inner_text()
    rounded = re.sub(r"[^\d.]", "", told)
    last_digit = 10.0 ** -len(rounded.partition(".")[2])
    assert abs(float(rounded) - charged) <= last_digit * 0.5001, (told, charged)
    for dimension in ("assistant", "number"):
        parts = await downloaded(page, f"#by-{dimension} p button")
        assert sum(int(each["seconds"]) for each in parts) == seconds
        assert sum(int(each["amount_micros"]) for each in parts) / 1_000_000 == charged
        rows = page.locator(f"#by-{dimension} tbody tr")
        await expect(rows).to_have_count(len(parts))
        await page.locator(f"#by-{dimension}").get_by_role("button", name="Calls").click()
        calls = [int(each) for each in await rows.locator("td:nth-child(2)").all_inner_texts()]
        assert sum(calls) == sum(each["kind"] == "charge" for each in entries)

    listed = page.locator("#entries tr[data-entry]")
    latest = entries[::-1][:25]
    assert await listed.evaluate_all("(rows) => rows.map((row) => row.dataset.entry)") == [
        f"{each['entry']} {each['call_id']}" for each in latest
    ]
    await page.get_by_text("Each day").click()
    await expect(page.get_by_role("table").first).to_be_visible()
    assert await faults(page) == []
