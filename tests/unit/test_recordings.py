from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.recordings import RecordingStore, RecordingTooLargeError, recording_path

ORGANIZATION = "0b9d7c9e-7c39-4e0c-9a52-1d1b7a1f0003"
CREATED_AT = datetime(2026, 3, 31, 23, 59, tzinfo=UTC)


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("call_id", "name"),
    [
        ("019a9c95-aaaa-7bbb-8ccc-dddddddddddd", "019a9c95-aaaa-7bbb-8ccc-dddddddddddd.wav"),
        ("../../etc/passwd", "..%2F..%2Fetc%2Fpasswd.wav"),
        ("a b#1\\\N{LATIN SMALL LETTER E WITH ACUTE}", "a%20b%231%5C%C3%A9.wav"),
    ],
)
def test_a_call_id_stays_inside_its_folder(call_id: str, name: str) -> None:
    assert recording_path(ORGANIZATION, call_id, CREATED_AT) == f"{ORGANIZATION}/2026/03/{name}"


def test_a_long_call_id_still_names_one_file() -> None:
    one, other = (recording_path(ORGANIZATION, "\N{EURO SIGN}" * 199 + end, CREATED_AT) for end in "ab")
    assert one != other
    assert len(Path(one).name) < 255


async def test_what_is_written_is_what_is_there(tmp_path: Path) -> None:
    store = RecordingStore((tmp_path / "made on demand").as_uri())
    path = recording_path(ORGANIZATION, "../x", CREATED_AT)
    for content in (b"first", b"second, longer"):
        stored = await store.write(path, chunks(content[:3], content[3:]), content_type="audio/wav")
        assert stored.size == len(content)
        assert (tmp_path / "made on demand" / path).read_bytes() == content


async def test_a_recording_too_large_leaves_nothing_behind(tmp_path: Path) -> None:
    store = RecordingStore(tmp_path.as_uri())
    with pytest.raises(RecordingTooLargeError):
        await store.write("a/b.wav", chunks(b"1234", b"5678"), content_type="audio/wav", max_bytes=7)
    assert files_of(tmp_path) == []


async def test_a_stream_that_breaks_leaves_what_was_there(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"new"
        raise ConnectionError

    store = RecordingStore(tmp_path.as_uri())
    await store.write("a/b.wav", chunks(b"old"), content_type="audio/wav")
    with pytest.raises(ConnectionError):
        await store.write("a/b.wav", broken(), content_type="audio/wav")
    assert (tmp_path / "a/b.wav").read_bytes() == b"old"
