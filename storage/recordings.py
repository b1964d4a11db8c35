"""Recordings in an object store: a folder, or a bucket of any S3 endpoint."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

from storage.errors import StorageError, StorageUnavailableError

MAX_BYTES = 500_000_000
_MAX_NAME = 200
_CHUNK = 8 * 1024 * 1024
_PARTS_IN_FLIGHT = 2


class RecordingTooLargeError(StorageError):
    """The recording exceeds what is kept; nothing of it was stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """What was written: bytes and their SHA-256."""

    size: int
    sha256: bytes


def recording_path(organization_id: str, call_id: str, created_at: datetime) -> str:
    """Where a recording lies: `{organization}/{year}/{month}/{call}.wav`.

    A call id is the provider's free text: what is unsafe in a path is percent-encoded, what is too long for a file name
    ends in its hash.
    """
    name = quote(call_id, safe="")
    if len(name) > _MAX_NAME:
        name = f"{name[:100]}-{hashlib.sha256(call_id.encode()).hexdigest()}"
    month = created_at.astimezone(UTC)
    return f"{organization_id}/{month:%Y}/{month:%m}/{name}.wav"


class RecordingStore:
    """Writes recordings. `url`: `file:///folder`, or `s3://bucket/prefix` with the usual AWS_* variables."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme == "file":
            folder = Path(unquote(parts.path))
            folder.mkdir(parents=True, exist_ok=True)
            self._store = LocalStore(folder)
        else:
            # The store's own limits hold: 5 s to connect, 30 s for a part. Options of ours would hide AWS_ALLOW_HTTP.
            self._store = from_url(url)
        # A folder has nowhere to keep a content type; Postgres keeps it either way.
        self._keeps_attributes = parts.scheme != "file"

    async def write(
        self, path: str, chunks: AsyncIterator[bytes], *, content_type: str, max_bytes: int = MAX_BYTES
    ) -> StoredObject:
        """Write the stream under `path`, all or nothing, replacing what was there. Memory stays bounded by a few parts.

        Raises RecordingTooLargeError, StorageUnavailableError, and what `chunks` raises; then nothing is left behind.
        """
        digest = hashlib.sha256()
        size = 0

        async def measured() -> AsyncIterator[bytes]:
            nonlocal size
            async for chunk in chunks:
                size += len(chunk)
                if size > max_bytes:
                    raise RecordingTooLargeError(f"more than {max_bytes} bytes")
                digest.update(chunk)
                yield chunk

        try:
            await obstore.put_async(
                self._store,
                path,
                measured(),
                attributes={"Content-Type": content_type} if self._keeps_attributes else None,
                use_multipart=True,
                chunk_size=_CHUNK,
                max_concurrency=_PARTS_IN_FLIGHT,
            )
        except BaseError as away:
            raise StorageUnavailableError("the object store refused or did not answer") from away
        return StoredObject(size=size, sha256=digest.digest())
