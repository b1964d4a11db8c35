"""Each single key of the key map does what the map says of it."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest_asyncio
from playwright.async_api import Page, Route, expect

from tests.e2e.browsing import Shoot, faults, needs_chromium, row_of, until_live
from tests.e2e.fake_feed import FakeFeed, a_board_call, an_incident, iso

pytestmark = needs_chromium

TOLD = re.compile("Keyboard")


@pytest_asyncio.fixture
async def feed(page: Page) -> FakeFeed:
    """Three calls, the longest first, and one alarm."""
    now = datetime.now(UTC)
    feed = FakeFeed(
        [a_board_call(f"call-{n}", now - timedelta(minutes=9 - n), from_number=f"+1555000000{n}") for n in range(3)]
    )
    feed.incidents = [an_incident("call-1", now)]
    await feed.install(page)
    return feed


async def test_the_table_is_walked_and_searched(page: Page, feed: FakeFeed, shot: Shoot) -> None:
    await page.goto("/")
    await until_live(page)
    rows = page.locator("#calls .row")
    order = [await rows.nth(n).get_attribute("data-call") for n in range(3)]
    assert order == ["call-1", "call-0", "call-2"]
    active = page.locator("#calls .row[data-active=true]")
    for key, expected in (("j", 0), ("j", 1), ("ArrowDown", 2), ("j", 2), ("k", 1), ("ArrowUp", 0)):
        await page.keyboard.press(key)
        await expect(active).to_have_attribute("data-call", str(order[expected]))
    await page.keyboard.press("Enter")
    await expect(page.locator("#call-title")).to_be_focused()
    await expect(page.locator("#call-title")).to_have_text("+15550000001")
    await page.keyboard.press("j")
    await expect(page.locator("#call-title")).to_have_text("+15550000000")
    await page.keyboard.press("Escape")
    await expect(page.locator("#call")).to_have_count(0)
    await expect(page.locator('[data-open="call-0"]')).to_be_focused()

    # The focus is in the table: it stands still until told otherwise.
    feed.tell({"type": "incident", "kind": "opened", "incident": an_incident("call-2", datetime.now(UTC))})
    waiting = page.get_by_role("button", name=re.compile("apply"))
    await expect(waiting).to_be_visible()
    await shot("order-waits")
    await page.keyboard.press("r")
    await expect(waiting).to_have_count(0)
    await expect(rows.nth(1)).to_have_attribute("data-call", "call-2")

    await page.keyboard.press("/")
    await expect(page.locator("#search")).to_be_focused()
    await page.keyboard.type("g0000002")
    await expect(rows).to_have_count(0)
    await page.keyboard.press("Escape")
    await expect(rows).to_have_count(3)
    await page.keyboard.press("f")
    await expect(page.locator("[data-filter]").first).to_be_focused()
    await page.locator("#organization").click()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name=TOLD)).to_be_visible()
    await shot("key-map")
    assert await faults(page) == []
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_an_alarm_is_acknowledged_and_muted(page: Page, feed: FakeFeed) -> None:
    asked: list[str] = []

    async def take(route: Route) -> None:
        asked.append(route.request.url.rpartition("/")[2])
        await route.fulfill(status=202, json=feed.incidents[0])

    await page.route("**/incidents/*/*", take)
    await page.goto("/")
    await until_live(page)
    await page.keyboard.press("a")
    await expect(page.locator("#said")).to_contain_text("Acknowledged: ")
    acknowledged = {**feed.incidents[0], "acknowledged_at": iso(datetime.now(UTC)), "acknowledged_by": "user:Ada"}
    feed.tell({"type": "incident", "kind": "acknowledged", "incident": acknowledged})
    await expect(page.locator("#alarms")).to_contain_text("acknowledged")
    await page.keyboard.press("a")
    await expect(page.locator("#said")).to_have_text("No alarm waits to be acknowledged.")
    await page.keyboard.press("m")
    await expect(page.locator("#said")).to_contain_text("Muted for 15 minutes: ")
    assert asked == ["acknowledge", "mute"]


COUNT_TONES: Final = """
    window.tones = 0;
    const make = AudioContext.prototype.createOscillator;
    AudioContext.prototype.createOscillator = function () { window.tones += 1; return make.call(this); };
"""


async def test_a_new_alarm_is_heard_once_by_who_wants_it(page: Page, feed: FakeFeed) -> None:
    await page.add_init_script(COUNT_TONES)
    await page.goto("/")
    await until_live(page)
    sound = page.locator("#sound")
    await expect(sound).to_have_text(re.compile("off$"))

    async def comes(call_id: str, kind: str = "opened", **told: object) -> int:
        incident = {**an_incident(call_id, datetime.now(UTC)), **told}
        feed.tell({"type": "incident", "kind": kind, "incident": incident})
        feed.tell({"type": "call-removed", "call_id": f"after-{call_id}-{kind}"})
        told_of = page.locator(f'#alarms [data-incident="{incident["incident_id"]}"]')
        await expect(told_of).to_have_attribute("data-over", "false" if kind == "opened" else "true")
        tones: int = await page.evaluate("tones")
        return tones

    assert await comes("unheard") == 0
    await sound.click()
    await expect(sound).to_have_text(re.compile("on$"))
    assert await comes("heard") == 3, "three short tones for a critical one"
    assert await comes("heard", "recovered", recovered_at=iso(datetime.now(UTC)), lasted_seconds=1.0) == 3
    await page.reload()
    await until_live(page)
    await sound.focus()
    await expect(sound).to_have_attribute("aria-pressed", "true")
    assert await comes("muted", muted_until=iso(datetime.now(UTC) + timedelta(minutes=9))) == 0


async def test_an_open_call_is_acted_on(page: Page, feed: FakeFeed, shot: Shoot) -> None:
    del feed
    commands: list[dict[str, object]] = []

    async def control(route: Route) -> None:
        told: dict[str, object] = json.loads(route.request.post_data or "")
        commands.append(told)
        await route.fulfill(json={"call_id": "call-0", "action": told["action"], "result": "done"})

    async def detail(route: Route) -> None:
        lists: dict[str, list[str]] = {name: [] for name in ("messages", "notes", "timeline", "actions")}
        await route.fulfill(json={"summary": None, "recording": None, **lists})

    await page.route("**/calls/call-0", detail)
    await page.route("**/calls/call-0/control", control)
    await page.goto("/#?call=call-0")
    await until_live(page)
    field = page.locator("#action-text")
    for key, label, typed in (("s", "The assistant says", "Hello."), ("w", "Whisper to the assistant", "Be brief.")):
        await page.keyboard.press(key)
        await expect(page.get_by_label(label)).to_be_focused()
        await page.keyboard.type(typed)
        await page.keyboard.press("Enter")
        await expect(field).to_have_count(0)
    await page.keyboard.press("x")
    await expect(page.get_by_label("Transfer to")).to_be_focused()
    await page.keyboard.type("nowhere")
    await page.keyboard.press("Enter")
    await expect(page.locator("#action-outcome")).to_contain_text("neither a number")
    await page.keyboard.press("Escape")
    await page.keyboard.press("u")
    await expect(page.get_by_role("button", name="Unmute AI U")).to_be_visible()
    await page.keyboard.press("u")
    await expect(page.get_by_role("button", name="Mute AI U", exact=True)).to_be_visible()
    await page.keyboard.press("n")
    await expect(page.locator("#note")).to_be_focused()
    await page.keyboard.type("seuxk")
    await expect(page.locator("#note")).to_have_value("seuxk")
    await page.locator("#call-title").focus()
    await page.keyboard.press("e")
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    await shot("end-asks-first")
    await page.keyboard.press("Enter")
    await expect(dialog).to_have_count(0)
    assert [each["action"] for each in commands] == ["say", "whisper", "mute", "unmute"]
    await expect(page.locator(row_of("call-0"))).to_have_count(1)


async def test_a_tag_is_set_and_taken_away(page: Page, feed: FakeFeed) -> None:
    del feed
    tagged: list[tuple[str, str]] = []

    async def tag(route: Route) -> None:
        tagged.append((route.request.method, route.request.url.rpartition("/")[2]))
        await route.fulfill(json={"tags": ["vip"] if route.request.method == "PUT" else []})

    await page.route("**/calls/call-0/tags/*", tag)
    await page.goto("/#?call=call-0")
    await until_live(page)
    await page.keyboard.press("t")
    await expect(page.get_by_label("Add a tag")).to_be_focused()
    await page.keyboard.type("VIP ")
    await page.keyboard.press("Enter")
    await expect(page.locator("#call .tag")).to_contain_text("vip")
    await expect(page.get_by_label("Add a tag")).to_have_value("")
    await page.keyboard.press("Shift+Tab")
    await expect(page.get_by_role("button", name="Take away the tag vip")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#call .tag")).to_have_count(0)
    await expect(page.get_by_label("Add a tag")).to_be_focused()
    await page.keyboard.press("Escape")
    assert tagged == [("PUT", "VIP"), ("DELETE", "vip")]
