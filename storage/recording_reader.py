"""Reads recordings out of the object store, whole or a range, without holding them in memory."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

from storage.errors import StorageError, StorageUnavailableError

if TYPE_CHECKING:
    from obstore import GetResult

_CHUNK_BYTES: Final = 256 * 1024


class RecordingGoneError(StorageError):
    """Postgres knows the recording, but the object store has it no more."""


class RecordingReader:
    """Reads below `url`: `file:///folder`, or `s3://bucket/prefix` with the usual AWS_* variables."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme == "file":
            self._store = LocalStore(Path(unquote(parts.path)), mkdir=True)
        else:
            self._store = from_url(url, client_options={"timeout": "60s", "connect_timeout": "5s"})

    async def open(self, path: str, *, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes [start, end) of a recording, at least one, as a stream that is read as fast as it is consumed.

        Raises RecordingGoneError and StorageUnavailableError before the first byte; the stream raises the latter.
        """
        try:
            found = await obstore.get_async(self._store, path, options={"range": (start, end)})
        except FileNotFoundError as gone:
            raise RecordingGoneError("the object store does not have the recording") from gone
        except BaseError as away:
            raise StorageUnavailableError("the object store refused or did not answer") from away
        return _chunks(found)


async def _chunks(found: "GetResult") -> AsyncIterator[bytes]:
    try:
        async for chunk in found.stream(min_chunk_size=_CHUNK_BYTES):
            yield bytes(chunk)
    except BaseError as away:
        raise StorageUnavailableError("the object store ended the stream early") from away
