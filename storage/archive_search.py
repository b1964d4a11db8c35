"""Words in archived transcripts: no index remains of those, so they are looked through, a bounded amount at a time.

Postgres alone decides what a transcript says, by the very function whose result was indexed before. What it cannot find
anything in is left out beforehand: a transcript without one of the words that all have to be there.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from storage.archive_files import Row
from storage.archive_parts import Place, place_of
from storage.calls import TenantReader
from storage.statements import statement

LOOKED_THROUGH: Final = 64 * 1024 * 1024
"""Characters of transcripts that one page may look through."""

JUDGED: Final = 4 * 1024 * 1024
"""Characters of them that Postgres may have to judge for one page."""

_ROWS_AT_ONCE: Final = 256
_CHARACTERS_AT_ONCE: Final = 1024 * 1024
# As much of a transcript as the index holds.
_INDEXED: Final = 100_000
_QUOTED: Final = re.compile(r"'((?:[^']|'')*)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """Some transcripts, newest first: which may say the words, how many characters there were, and the last's place."""

    maybe: Mapping[Place, str]
    characters: int
    last: Place | None


class WordsOf:
    """What somebody looks for in transcripts, as one request's reads judge it."""

    def __init__(self, reads: TenantReader, words: str) -> None:
        self._reads = reads
        self._words = words
        self._wanted: Collection[str] | None = None

    async def prepare(self) -> None:
        """Learn which words a transcript must have in it, where that can be told simply."""
        query = str(await self._reads.connection.fetchval(statement("words_as_query"), self._words))
        simple = not set(_QUOTED.sub("", query)) & set("!|")
        # Beyond ASCII, what a small letter is may differ between Postgres and here.
        found = (word for word in _QUOTED.findall(query) if word.isascii() and word.isalnum())
        self._wanted = list(found) if simple else ()

    def look(self, transcripts: Iterator[Row]) -> Looked:
        """Go through the next few of the transcripts. Blocks: run it in a thread."""
        maybe: dict[Place, str] = {}
        characters = 0
        for count, row in enumerate(transcripts, 1):
            place, text = place_of(row), row["transcript_text"][:_INDEXED]
            characters += len(text)
            lowered = text.lower()
            if all(word in lowered for word in self._wanted or ()):
                maybe[place] = text
            if count >= _ROWS_AT_ONCE or characters >= _CHARACTERS_AT_ONCE:
                return Looked(maybe=maybe, characters=characters, last=place)
        return Looked(maybe=maybe, characters=characters, last=None)

    async def judge(self, texts: Sequence[str]) -> Mapping[int, str]:
        """Which of the texts say the words, by index, each with what was said around them."""
        if not texts:
            return {}
        rows = await self._reads.connection.fetch(statement("texts_with_words"), self._words, texts)
        return {row["place"] - 1: row["marked"] for row in rows}

    async def told_anew(self, places: Collection[Place]) -> Collection[UUID]:
        """Which of these calls Postgres has a newer transcript of: its index finds those."""
        if not places:
            return ()
        ids, times = [row_id for _, row_id in places], [at for at, _ in places]
        organization_id = UUID(self._reads.organization_id)
        rows = await self._reads.connection.fetch(statement("told_anew"), organization_id, ids, times)
        return {row["call_id"] for row in rows}
