"""Whom a request to a simulated vendor is about: read off the words it holds, for vendors know no organizations."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import unquote_plus

from fastapi import Request

from serve.simulator.vendor_door import Named
from storage.simulator_store import SimulatorStore

_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{5,120}")
_IDENTITY: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST_WORDS: Final = 500

Owner = Callable[[Sequence[str]], Awaitable[Sequence[str]]]
"""Further organizations that words stand for, as the vendor itself knows: by its customers' metadata, say."""


def by_words(store: SimulatorStore, *, owner: Owner | None = None) -> Named:
    """Find organizations by the words of a request's path, query, body and idempotency key."""

    async def named(request: Request, body: bytes) -> Sequence[str]:
        told = " ".join(
            (
                request.url.path,
                unquote_plus(request.url.query),
                unquote_plus(body.decode(errors="replace")),
                request.headers.get("idempotency-key", ""),
            )
        )
        words = list(dict.fromkeys([*_IDENTITY.findall(told), *_WORD.findall(told)]))[:_MOST_WORDS]
        if owner is not None:
            words = [*await owner(words), *words]
        return await store.organizations_named(words)

    return named
