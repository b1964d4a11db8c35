"""The board in each of its states, in a real browser: what it says then, and that what still can be done is done."""

import asyncio
import re
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Page, Route, WebSocketRoute, expect

from serve.simulator.bodies import body_of
from tests.e2e.acting import place
from tests.e2e.browsing import PATIENCE_MS, Shoot, faults, needs_chromium, until_live
from tests.e2e.fake_feed import LIVE, FakeFeed, a_board_call, iso
from tests.e2e.product import PATIENCE_SECONDS, Product
from tests.e2e.scripts import LIFECYCLE, a_call

KEYS: Final = 100
CHANGES_PER_SECOND: Final = 200

pytestmark = needs_chromium


async def show(page: Page, feed: FakeFeed | None = None, address: str = "/") -> None:
    if feed is not None:
        await feed.install(page)
    await page.goto(address)
    await until_live(page)


def answering(document: dict[str, Any], status: int = 200) -> Callable[[Route], Awaitable[None]]:
    async def answer(route: Route) -> None:
        await route.fulfill(status=status, json=document)

    return answer


def some_calls(count: int) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    return [
        a_board_call(f"call-{n}", now - timedelta(seconds=n % 900), from_number=f"+1555{n:07}") for n in range(count)
    ]


async def test_first_it_shows_no_figure_at_all(page: Page, shot: Shoot) -> None:
    held = asyncio.Event()

    async def late(route: Route) -> None:
        await held.wait()
        await route.continue_()

    await page.route("**/live-tickets", late)
    await page.goto("/")
    await expect(page.locator(".tile.skeleton")).to_have_count(8)
    assert re.search(r"\d", await page.locator(".figures").inner_text()) is None
    await expect(page.locator("#calls-count")).to_be_empty()
    await expect(page.locator(".rail")).not_to_contain_text(re.compile("No"))
    await shot("first-load")
    held.set()
    await expect(page.locator('.tile[data-tile="live"]')).to_be_visible()
    await expect(page.locator('.small-figure[data-tile="minutes"] .tile-value')).to_have_text(re.compile(r"^[\d,.]+$"))


async def test_an_empty_board_tells_whether_anything_ever_came(page: Page, product: Product, shot: Shoot) -> None:
    call = a_call(product, 372)
    product.post(body_of(call, next(each for each in call.messages if each.type in LIFECYCLE))).raise_for_status()
    await show(page, FakeFeed())
    await expect(page.locator("#empty")).to_contain_text(re.compile(r"Last event [\d:]+, heartbeat OK \d+ s ago"))
    await expect(page.get_by_role("link", name="Place a test call")).to_be_visible()
    await shot("empty-proven")

    nothing = {"state": None, "last_day": {"received": 0, "last_received_at": None}}
    await page.route("**/reconciliations?*", answering(nothing))
    await page.route(re.compile(r"/calls\?"), answering({"calls": []}))
    await page.reload()
    await expect(page.locator("#empty")).to_contain_text("No event ever received")
    await shot("empty-unproven")
    await page.get_by_role("link", name="Go through the set-up").click()
    await expect(page).to_have_url(re.compile("/setup"))


async def test_a_board_that_was_cut_off_says_so_stands_still_and_catches_up(page: Page, shot: Shoot) -> None:
    await page.clock.install()
    feed = FakeFeed(some_calls(3))
    await show(page, feed)
    await page.locator('.row[data-call="call-1"]').get_by_role("button").click()
    await page.route("**/live-tickets", lambda route: route.abort())
    await feed.cut()
    await expect(page.locator("#link")).to_have_attribute("data-state", "reconnecting")
    await expect(page.locator("#banner")).to_have_count(0)
    age = page.locator('.row[data-call="call-2"] .c-age')
    before = await age.inner_text()
    await page.clock.run_for(3_000)
    await expect(age).not_to_have_text(before)
    await shot("disconnected")

    await page.clock.run_for(11_000)
    await expect(page.locator("#banner")).to_contain_text(re.compile(r"Showing \d+:\d\d:\d\d"))
    await expect(page.locator("#still-acts")).to_contain_text("by HTTP")
    stood = await age.inner_text()
    await page.clock.run_for(5_000)
    await expect(age).to_have_text(stood)
    await shot("disconnected-long")

    feed.missed = [{"type": "call-removed", "call_id": f"gone-{n}"} for n in range(8)]
    await page.unroute("**/live-tickets")
    await it_says(page, "Caught up: 8 events.")
    await shot("reconnected")

    feed.remembers = False
    await feed.cut()
    await it_says(page, "Refreshed.")
    await expect(page.locator("#link")).to_have_attribute("data-state", "live")
    await shot("refreshed")


async def it_says(page: Page, text: str) -> None:
    """That it is back, on a page whose clock stands: what it waits for comes in real time, what it shows goes by."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await page.locator(".banner[data-kind=good]").all_inner_texts() != [text]:
            await page.clock.run_for(500)


async def test_delays_and_a_provider_that_is_away_are_told_apart(page: Page, shot: Shoot) -> None:
    feed = FakeFeed(some_calls(2))
    feed.counters = {**feed.counters, "today": {**feed.counters["today"], "webhook_lag_p95_ms": 42_000}}
    away = {"error": "VAPI answered 503", "failing_since": iso(datetime.now(UTC))}
    told = {"state": away, "last_day": {"received": 1, "last_received_at": iso(datetime.now(UTC))}}
    await page.route("**/reconciliations?*", answering(told))
    waiting = {"webhooks": {"lag_seconds": 31.0}}
    await page.route(re.compile(r"/v1/organizations/[^/?]+$"), answering(waiting))
    await show(page, feed)
    await expect(page.locator("#we-are-behind")).to_contain_text("has waited 31.0 s")
    await expect(page.locator("#behind")).to_contain_text("Events delayed 42.0 s (p95")
    await expect(page.locator("#provider-incident")).to_contain_text("VAPI answered 503")
    await expect(page.locator("#provider-incident").get_by_role("link")).to_be_visible()
    await shot("behind-and-provider-incident")


async def test_a_tile_that_fails_does_so_alone_and_is_asked_again(page: Page, shot: Shoot) -> None:
    await page.route("**/slots", answering({"detail": "It broke."}, 500))
    await show(page, FakeFeed(some_calls(2)))
    tile = page.locator('.tile[data-tile="slots"]')
    await expect(tile).to_contain_text("It broke.")
    await expect(page.locator('.tile[data-tile="live"] .tile-value')).to_have_text("2")
    await shot("tile-fault")
    await page.unroute("**/slots")
    await tile.get_by_role("button", name="Retry").click()
    await expect(tile.locator(".tile-fault")).to_have_count(0)


async def test_full_slots_lead_to_the_calls_that_hold_them(page: Page, shot: Shoot) -> None:
    since = iso(datetime.now(UTC))
    held = {"state": "live", "since": since, "evidence": "confirmed", "evidence_at": since}
    ledger: dict[str, Any] = {
        "limit": 2,
        "in_use": 2,
        "reserved": 0,
        "minutes": {"cap": 10, "policy": "block-outbound", "used": 1},
        "slots": [{**held, "call_id": "call-0", "evidence": "quiet"}, {**held, "call_id": "call-1"}],
    }
    freed: list[str | None] = []

    async def free(route: Route) -> None:
        freed.append(route.request.post_data)
        ledger["slots"] = [{**held, "call_id": "call-1"}]
        await route.fulfill(json={"call_id": "call-0", "result": "released"})

    await page.route("**/slots", answering(ledger))
    await page.route("**/slots/call-0/release", free)
    feed = FakeFeed(some_calls(2))
    feed.counters = {**feed.counters, "today": {**feed.counters["today"], "refused": 3}}
    await show(page, feed)
    await expect(page.locator("#over-limit")).to_contain_text("3 calls refused today")
    await page.get_by_role("button", name="Which calls hold them?").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.locator("tbody tr")).to_have_count(2)
    await expect(dialog).to_contain_text("Calls that go on are never cut off.")
    await expect(dialog.get_by_role("button", name="Release the slot of")).to_have_count(1)
    await dialog.get_by_role("button", name="Release the slot of +15550000000").click()
    await page.keyboard.type("It is gone.")
    await shot("over-limit")
    await page.keyboard.press("Enter")
    await expect(dialog.locator("tbody tr")).to_have_count(1)
    assert freed == ['{"reason":"It is gone."}']
    await dialog.get_by_role("button", name="+15550000001").click()
    await expect(page.locator("#call-title")).to_have_text("+15550000001")


async def test_who_watches_and_who_acts_is_shown(page: Page, shot: Shoot) -> None:
    feed = FakeFeed(some_calls(2))
    await show(page, feed)
    acting = {"subject": "user:Ada", "name": "Ada", "call_id": "call-1", "action": "whisper"}
    feed.present("Ada", "Eve", acting=[{**acting, "at": iso(datetime.now(UTC))}], Eve=["call-1"])
    await expect(page.locator("#watching summary")).to_have_text("2 watching")
    row = page.locator('.row[data-call="call-1"]')
    await expect(row).to_contain_text("Ada whispered")
    await row.get_by_role("button").click()
    await expect(page.locator("#acting")).to_contain_text("Ada whispered")
    await expect(page.locator("#also-watching")).to_have_text("Also watching: Eve")
    await expect(row).to_contain_text("◉ 1")
    await page.locator("#watching summary").click()
    await expect(page.locator("#watching")).to_contain_text("Eve")
    await shot("presence")


async def test_views_are_kept_opened_by_number_and_shared_by_their_address(page: Page) -> None:
    await show(page, FakeFeed(some_calls(3)), "/#?q=0000002&sort=-age")
    await expect(page.locator("#filtered")).to_have_text("Hidden by filter: 2 calls")
    await page.locator("#views summary").click()
    await page.get_by_label("Keep what is shown as").fill("The third")
    await page.get_by_role("button", name="Keep", exact=True).click()
    await page.keyboard.press("Escape")
    await page.locator("#organization").click()
    await page.keyboard.press("0")
    await expect(page.locator(".table-body .row")).to_have_count(3)
    await page.reload()
    await expect(page.locator(".table-body .row")).to_have_count(3)
    await page.keyboard.press("6")
    await expect(page.locator(".table-body .row")).to_have_count(1)
    await expect(page).to_have_url(re.compile(r"q=0000002&sort=-age"))
    async with page.expect_download() as download:
        await page.locator("#csv").click()
    saved = Path(await (await download.value).path())
    lines = (await asyncio.to_thread(saved.read_text)).splitlines()
    assert [line.split(",")[0] for line in lines] == ["call_id", "call-2"]


async def test_ending_a_call_that_had_ended_is_as_good(page: Page, product: Product, shot: Shoot) -> None:
    """The page does not hear of the end until it has asked for one itself."""
    held: list[str | bytes] = []
    is_held = False
    sockets: list[WebSocketRoute] = []

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        sockets.append(socket)
        server.on_message(lambda message: held.append(message) if is_held else socket.send(message))

    await page.route_web_socket(LIVE, between)
    await show(page)
    call_id = await asyncio.to_thread(place, product)
    await page.locator(f'.row[data-call="{call_id}"]').get_by_role("button").click()
    await page.get_by_role("button", name="End E").click()
    is_held = True
    end = {"action": "end", "reason": "The test is over."}
    url = f"{product.base_url}/v1/organizations/{product.organization_id}/calls/{call_id}/control"
    credential = {"authorization": f"Bearer {product.api_key}"}
    await asyncio.to_thread(lambda: product.http.post(url, json=end, headers=credential).raise_for_status())
    await asyncio.to_thread(product.call_when, call_id, lambda call: call["status"] == "ended")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Reason").fill("The test is over.")
    await dialog.get_by_role("button", name="End the call").click()
    await expect(page.locator("#action-outcome")).to_contain_text("had already ended", timeout=PATIENCE_MS)
    is_held = False
    for message in held:
        sockets[-1].send(message)
    await expect(page.locator("#action-outcome")).to_have_text(
        re.compile(r"✓ It had already ended \d+ s earlier by a supervisor\."), timeout=PATIENCE_MS
    )
    await expect(page.locator("#action-outcome")).to_have_attribute("role", "status")
    await shot("raced")


async def test_the_board_can_be_used_by_everybody(page: Page) -> None:
    """WCAG 2.2 AA as far as axe can tell, on a desk in the dark and on a phone in the light, with a call open."""
    feed = FakeFeed(some_calls(5))
    await page.route("**/slots", answering({"detail": "It broke."}, 500))
    await show(page, feed)
    feed.present("Ada")
    for width, scheme, address in (
        (1440, "dark", "/"),
        (390, "light", "/"),
        (1440, "light", "/#?call=call-1&sort=-age"),
    ):
        await page.set_viewport_size({"width": width, "height": 900})
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        await page.goto(address)
        await expect(page.locator(".table-body .row")).to_have_count(5)
        assert await faults(page) == []


async def test_five_thousand_rows_at_two_hundred_changes_a_second_take_keys(
    page: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prints how long a key waits for its paint, from when the browser had it: what keeps the page busy counts."""
    feed = FakeFeed(some_calls(5_000))
    await show(page, feed)
    await expect(page.locator("#calls-count")).to_have_text("5000")
    await page.evaluate(
        """() => {
            window.waits = [];
            addEventListener("keydown", (event) => requestAnimationFrame(() => setTimeout(
                () => window.waits.push(performance.now() - event.timeStamp))), { capture: true });
        }"""
    )
    begun = time.monotonic()

    def say(call_id: str, text: str) -> None:
        now = iso(datetime.now(UTC))
        told = {"role": "user", "text": text, "final": True, "at": now}
        feed.tell({"type": "utterance", "call_id": call_id, "evidence_at": now, "utterance": told})

    async def change() -> None:
        while True:
            for n in range(feed.n, int((time.monotonic() - begun) * CHANGES_PER_SECOND)):
                say(f"call-{n * 7 % 5_000}", f"Sentence {n}.")
            await asyncio.sleep(0.01)  # the pace of what is fed, not a wait

    changing = asyncio.create_task(change())
    try:
        for n in range(KEYS):
            await page.keyboard.press("k" if n % 4 == 3 else "j")
            await asyncio.sleep((20 + n * 37 % 90) / 1000)  # a hand's pace, never in step with what is fed
        await page.wait_for_function(f"waits.length === {KEYS}")
    finally:
        changing.cancel()
    rate = feed.n / (time.monotonic() - begun)
    waits = sorted(await page.evaluate("waits"))
    p50, p95, most = waits[KEYS // 2], waits[KEYS * 95 // 100], waits[-1]
    with capsys.disabled():
        figures = f"p50 {p50:.0f} ms, p95 {p95:.0f} ms, most {most:.0f} ms of {KEYS} keys; {rate:.0f} changes/s"
        sys.stdout.write(f"\nkey to paint, 5,000 rows: {figures}\n")
    active = page.locator(".table-body .row[data-active=true]")
    call_id = await active.get_attribute("data-call")
    assert call_id is not None
    say(call_id, "The last of all.")
    await expect(active).to_contain_text("The last of all.")
