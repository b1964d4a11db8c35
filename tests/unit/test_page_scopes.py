"""The page's list of scopes, from which people choose those of an API key, is the server's own."""

import re
from pathlib import Path

from serve.roles import LEAST_ROLE

_SCOPES = Path(__file__).parents[2] / "dashboard" / "src" / "api" / "scopes.ts"


def test_the_page_offers_every_scope_under_the_role_that_has_it() -> None:
    told = re.findall(r'^  "([a-z-]+:[a-z-]+)": \["([a-z]+)", "', _SCOPES.read_text(), re.MULTILINE)
    assert dict(told) == {scope: str(role) for scope, role in LEAST_ROLE.items()}
