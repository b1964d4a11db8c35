"""A real browser on the running product, set up once for every test of the page."""

import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.e2e.product import PATIENCE_SECONDS
from tests.running_stack import RunningStack

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE_MS: Final = PATIENCE_SECONDS * 1000
SHOTS: Final = "PAGE_SHOTS"
"""Names a folder for pictures of every state that a test comes to."""
needs_chromium: Final = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt install chromium")
Shoot: TypeAlias = Callable[[str], Awaitable[None]]

_AXE: Final = Path(__file__).parents[2] / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
_WCAG: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_SIZES: Final = {"desk": (1440, 900), "phone": (390, 844)}


# Left alone it gives up after five seconds, which beside two other workers a page can take for a single answer.
expect.set_options(timeout=PATIENCE_MS)


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One for all tests, each with a context of its own: a start takes a second of the processor."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture
async def context(stack: RunningStack, browser: Browser) -> AsyncIterator[BrowserContext]:
    """Pages of nobody in particular; ends with what the browser complained of."""
    complaints: list[str] = []
    # What breathes is drawn sixty times a second, which says nothing and slows down what is tried.
    context = await browser.new_context(
        viewport={"width": 1440, "height": 900}, base_url=told(stack)["base_url"], reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE_MS)
    context.on("weberror", lambda fault: complaints.append(str(fault.error)))
    context.on("console", lambda said: complaints.append(said.text) if "Content Security Policy" in said.text else None)
    yield context
    for each in browser.contexts:
        await each.close()
    assert complaints == []


@pytest_asyncio.fixture
async def page(stack: RunningStack, context: BrowserContext) -> Page:
    """Of whoever has the link that `make up` prints, signed in and on no page yet."""
    await sign_in(context, stack)
    return await context.new_page()


async def sign_in(context: BrowserContext, stack: RunningStack) -> None:
    await context.request.get(told(stack)["dashboard_login_url"], max_redirects=0)


def told(stack: RunningStack) -> dict[str, Any]:
    """What the stack tells of itself in dev.json."""
    return json.loads(stack.data.dev_file.read_bytes())


async def until_live(page: Page) -> None:
    await expect(page.locator("#link")).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)


@pytest.fixture
def shot(page: Page) -> Shoot:
    """Takes a picture of a state of the page."""
    return partial(picture, page)


async def picture(page: Page, name: str) -> None:
    """A picture of a state, if a folder is named: on a desk and a phone, in the dark and in the light."""
    if (folder := os.environ.get(SHOTS)) is None:
        return
    before = page.viewport_size
    for size, (width, height) in _SIZES.items():
        await page.set_viewport_size({"width": width, "height": height})
        for scheme in ("dark", "light"):
            await page.emulate_media(color_scheme=scheme)
            # Makes the folder, too.
            await page.screenshot(path=Path(folder) / f"{name}-{size}-{scheme}.png")
    await page.emulate_media(color_scheme="null")
    if before is not None:
        await page.set_viewport_size(before)


async def faults(page: Page) -> list[str]:
    """What axe finds of WCAG 2.2 AA. It is not the page's, so its policy does not hold for it."""
    await page.evaluate(_AXE.read_text())
    found: dict[str, Any] = await page.evaluate("(tags) => axe.run({ runOnly: tags })", _WCAG)
    return [f"{each['id']}: {[node['html'] for node in each['nodes']]}" for each in found["violations"]]


def row_of(call_id: str) -> str:
    """Where a call stands in the board's table."""
    return f'.row[data-call="{call_id}"]'
