"""Parquet in the object store: a table's rows of one month, written as a stream and read one organization at a time.

A file holds every organization's rows, sorted by organization and newest call first, in row groups of a few thousand:
thousands of organizations make one file of a month, not thousands, and statistics of each group tell whose rows it can
hold, so that reading one organization touches its own groups alone.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from io import RawIOBase
from pathlib import Path
from typing import Any, Final, TypeAlias, cast
from urllib.parse import unquote, urlsplit
from uuid import UUID

import obstore
import orjson
import pyarrow as pa
from obstore.store import LocalStore, ObjectStore, from_url
from pyarrow import compute, parquet

from storage.errors import StorageError

# pyarrow tells no types.
_arrow, _compute, _parquet = cast("Any", pa), cast("Any", compute), cast("Any", parquet)

Values: TypeAlias = Sequence[Any]
Row: TypeAlias = dict[str, Any]

GROUP_ROWS: Final = 8_192
GROUP_BYTES: Final = 16 * 1024 * 1024
_ROWS_AT_ONCE: Final = 256
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_ORGANIZATION: Final = "organization_id"
# What a reader can pass row groups over by; statistics of texts would only weigh down the footer.
_PRUNED_BY: Final = frozenset({_ORGANIZATION, "id", "created_at", "call_id", "call_created_at"})
_TYPES: Final[Mapping[str, Any]] = {
    "uuid": _arrow.string(),
    "text": _arrow.string(),
    "jsonb": _arrow.string(),
    "bytea": _arrow.binary(),
    "boolean": _arrow.bool_(),
    "smallint": _arrow.int16(),
    "integer": _arrow.int32(),
    "bigint": _arrow.int64(),
    "double precision": _arrow.float64(),
    "date": _arrow.date32(),
    "timestamp with time zone": _arrow.timestamp("us", tz="UTC"),
    "text[]": _arrow.list_(_arrow.string()),
    "integer[]": _arrow.list_(_arrow.int32()),
    "bigint[]": _arrow.list_(_arrow.int64()),
}
# By the end of a column's name, as everywhere in the product.
_UNITS: Final = {
    "_ms": "milliseconds",
    "_micros": "millionths of a US dollar",
    "_seconds": "seconds",
    "bytes": "bytes",
    "_at": "microseconds since 1970-01-01 UTC",
}


class UnarchivableError(StorageError):
    """A column has a type that no archive holds yet."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column's name and its type in the words of Postgres."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What rows amount to: how many, and the SHA-256 of their canonical encoding in order."""

    rows: int
    sha256: bytes


class Digest:
    """Sums rows up.

    A row's canonical encoding is a JSON array in UTF-8 and a line feed: times are microseconds since 1970, bytes
    hexadecimal, `jsonb` the text that Postgres makes of it.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._rows = 0

    def add(self, rows: Sequence[Values]) -> None:
        for row in rows:
            self._hash.update(orjson.dumps([_canonical(value) for value in row]) + b"\n")
        self._rows += len(rows)

    @property
    def content(self) -> Content:
        return Content(rows=self._rows, sha256=self._hash.digest())


def open_archive(url: str) -> ObjectStore:
    """The object store of `url`, as recordings name it. Its own limits hold: 5 s to connect, 30 s for a part."""
    parts = urlsplit(url)
    return LocalStore(Path(unquote(parts.path)), mkdir=True) if parts.scheme == "file" else from_url(url)


class _Sink(RawIOBase):
    """An object that is being written, as pyarrow takes files. What is not closed is never there."""

    def __init__(self, store: ObjectStore, path: str) -> None:
        self._object = obstore.open_writer(store, path)

    def writable(self) -> bool:
        return True

    def write(self, buffer: Any, /) -> int:
        return self._object.write(buffer)

    def finish(self) -> None:
        self._object.close()


class _Source(RawIOBase):
    """An object, as pyarrow reads files."""

    def __init__(self, store: ObjectStore, path: str) -> None:
        self._object = obstore.open_reader(store, path)
        self.size = self._object.size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._object.tell()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._object.seek(offset, whence)

    def read(self, size: int = -1, /) -> bytes:
        return bytes(self._object.read(None if size < 0 else size))


class FileWriter:
    """Writes one file; nothing of it is there before `close`. Every method blocks: run it in a thread."""

    def __init__(self, store: ObjectStore, path: str, columns: Sequence[Column]) -> None:
        self._schema = schema_of(columns)
        self._digest = Digest()
        self._sink = _Sink(store, path)
        self._writer = _parquet.ParquetWriter(
            self._sink,
            self._schema,
            compression="zstd",
            write_statistics=[column.name for column in columns if column.name in _PRUNED_BY],
        )

    def add(self, rows: Sequence[Values]) -> None:
        """One row group."""
        self._digest.add(rows)
        arrays = [
            _arrow.array(values, type=field.type)
            for values, field in zip(zip(*rows, strict=True), self._schema, strict=True)
        ]
        self._writer.write_table(_arrow.Table.from_arrays(arrays, schema=self._schema), row_group_size=len(rows))

    def close(self) -> Content:
        self._writer.close()
        self._sink.finish()
        return self._digest.content


class FileReader:
    """Reads one file. Every method blocks: run it in a thread. Raises FileNotFoundError, and obstore's errors."""

    def __init__(self, store: ObjectStore, path: str) -> None:
        source = _Source(store, path)
        self.size = source.size
        self.file = _parquet.ParquetFile(source)
        """As pyarrow reads it, whose `read_row_group` is where all reading happens."""

        self._names: list[str] = self.file.schema_arrow.names

    def content(self) -> Content:
        """What the file holds, read whole, a row group at a time."""
        digest = Digest()
        for group in range(self.file.num_row_groups):
            table = self.file.read_row_group(group)
            columns = [_plain(table.column(name)) for name in self._names]
            digest.add(list(zip(*columns, strict=True)))
        return digest.content

    def rows(
        self, organization_id: str, *, since: datetime, until: datetime, names: Sequence[str] | None = None
    ) -> Iterator[Row]:
        """The organization's rows of calls first seen in [since, until], newest first, with Postgres' own types.

        `names` are the columns wanted (default: all); no other is read. One row group is held at a time.
        """
        seen = "created_at" if "call_created_at" not in self._names else "call_created_at"
        for group in range(self.file.num_row_groups):
            if not self._can_hold(group, {_ORGANIZATION: (organization_id, organization_id), seen: (since, until)}):
                continue
            table = self.file.read_row_group(group, columns=None if names is None else [*{_ORGANIZATION, seen, *names}])
            own = _compute.and_(
                _compute.equal(table.column(_ORGANIZATION), organization_id),
                _compute.and_(
                    _compute.greater_equal(table.column(seen), _arrow.scalar(since, _arrow.timestamp("us", tz="UTC"))),
                    _compute.less_equal(table.column(seen), _arrow.scalar(until, _arrow.timestamp("us", tz="UTC"))),
                ),
            )
            for some in table.filter(own).to_batches(max_chunksize=_ROWS_AT_ONCE):
                for row in some.to_pylist():
                    yield self._as_stored(row)

    def _can_hold(self, group: int, bounds: Mapping[str, tuple[Any, Any]]) -> bool:
        metadata = self.file.metadata.row_group(group)
        for name, (low, high) in bounds.items():
            statistics = metadata.column(self._names.index(name)).statistics
            if statistics is not None and statistics.has_min_max and (statistics.min > high or statistics.max < low):
                return False
        return True

    def _as_stored(self, row: Row) -> Row:
        told: Row = {}
        for field in self.file.schema_arrow:
            if field.name not in row:
                continue
            value, kind = row[field.name], field.metadata[b"postgres_type"]
            if value is not None and kind == b"uuid":
                value = UUID(value)
            elif value is not None and kind == b"jsonb":
                value = orjson.loads(value)
            told[field.name] = value
        return told


def schema_of(columns: Sequence[Column]) -> Any:
    """The Parquet schema: each field tells its type in Postgres and its unit. Raises UnarchivableError."""
    fields: list[Any] = []
    for column in columns:
        if column.type not in _TYPES:
            raise UnarchivableError(
                f"{column.name} is of type {column.type}, for which storage/archive_files.py has no other"
            )
        metadata = {"postgres_type": column.type}
        unit = next((unit for ending, unit in _UNITS.items() if column.name.endswith(ending)), None)
        fields.append(
            _arrow.field(column.name, _TYPES[column.type], metadata=metadata | ({"unit": unit} if unit else {}))
        )
    return _arrow.schema(fields)


def _plain(column: Any) -> list[Any]:
    # A time becomes a number faster than it becomes a datetime, and the encoding wants the number.
    return (column.cast(_arrow.int64()) if _arrow.types.is_timestamp(column.type) else column).to_pylist()


def _canonical(value: Any) -> Any:
    match value:
        case datetime():
            return (value - EPOCH) // _MICROSECOND
        case date():
            return value.isoformat()
        case bytes():
            return value.hex()
        case _:
            return value
