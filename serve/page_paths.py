"""The addresses of the dashboard: the page answers at each, to anybody, and itself knows what to show there."""

from typing import Final

PAGE_PATHS: Final = frozenset(
    {"/", "/calls", "/usage", "/integrations", "/truth", "/alarms", "/setup", "/people", "/audit", "/wallboard"}
)
"""Equal to what dashboard/src/shell/pages.ts tells, but for the calls' own and the board on the wall."""
CALL_PAGES: Final = "/calls/"
"""What every call's own address begins with."""
