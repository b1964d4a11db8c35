"""Tags: the few short words by which people sort calls."""

import re
from typing import Final
from unicodedata import normalize

MOST_TAGS: Final = 10
"""On one call."""
LONGEST_TAG: Final = 32
"""Characters."""

_WORD: Final = re.compile(r"\w(?:[\w.:-]*\w)?")


def normal_tag(text: str) -> str | None:
    """The tag in its one form: small letters, hyphens for spaces. None when it is none.

    Letters and digits of any script, with `-`, `_`, `.` and `:` between them.
    """
    tag = "-".join(normalize("NFKC", text).casefold().split())
    return tag if len(tag) <= LONGEST_TAG and _WORD.fullmatch(tag) else None
