"""The schema as it is described in migrations/schema.txt, and how a database differs from that.

`python -m storage.schema` migrates an empty database of its own and writes the description anew.
"""

import asyncio
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from storage.embedded import start_postgres
from storage.migrate import MIGRATIONS, migrate
from storage.postgres import Connection
from storage.statements import statement

DESCRIPTION: Final = MIGRATIONS / "schema.txt"


@dataclass(frozen=True, slots=True)
class Drift:
    """Lines that a database lacks, and lines that it has beside those of the description."""

    missing: Sequence[str]
    unexpected: Sequence[str]

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected)

    def __str__(self) -> str:
        lines = [f"- {line}" for line in self.missing] + [f"+ {line}" for line in self.unexpected]
        return "\n".join(lines)


async def described(connection: Connection) -> Sequence[str]:
    """The schema of the connected database, a line for each thing, in a fixed order."""
    # Names are written out whatever the session looks first.
    async with connection.transaction(readonly=True):
        await connection.execute("set local search_path to public")
        return [row["line"] for row in await connection.fetch(statement("schema_description"))]


async def drift(connection: Connection) -> Drift:
    """How the connected database differs from migrations/schema.txt. Empty when it is as the migrations leave it."""
    wanted, found = DESCRIPTION.read_text().splitlines(), await described(connection)
    return Drift(
        missing=[line for line in wanted if line not in set(found)],
        unexpected=[line for line in found if line not in set(wanted)],
    )


async def _write() -> None:
    with tempfile.TemporaryDirectory(prefix="call-supervisor-schema-") as folder:
        server = start_postgres(Path(folder) / "postgres", password=secrets.token_hex(16), durable=False)
        try:
            await migrate(server.url)
            connection = await asyncpg.connect(server.url)
            lines = await described(connection)
            await connection.close()
        finally:
            server.stop()
    DESCRIPTION.write_text("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    asyncio.run(_write())
