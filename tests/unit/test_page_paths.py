"""Whatever the page shows at an address of its own is served there: whoever loads that address anew finds it."""

import re
from pathlib import Path

from serve.page_paths import CALL_PAGES, PAGE_PATHS

PAGES = Path(__file__).parents[2] / "dashboard" / "src" / "shell" / "pages.ts"


def test_every_page_is_served_at_its_address() -> None:
    shown = set(re.findall(r'\{ path: "([^"]+)"', PAGES.read_text()))
    assert len(shown) > 5
    assert shown <= PAGE_PATHS | {CALL_PAGES}
