"""The browser of the tests of the page."""

from tests.e2e.browsing import browser, context, page, shot

__all__ = ["browser", "context", "page", "shot"]
