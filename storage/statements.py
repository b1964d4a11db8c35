"""Named SQL statements, loaded once from storage/sql.

A file holds statements, each under a line `-- name: the_name`, a comment of one sentence, and the statement itself.
"""

from functools import cache
from pathlib import Path

from storage.errors import MissingStatementError

_FOLDER = Path(__file__).parent / "sql"
_HEADER = "-- name: "


@cache
def statements() -> dict[str, str]:
    """Every statement by its name. Raises ValueError when two share one."""
    found: dict[str, str] = {}
    for path in sorted(_FOLDER.glob("*.sql")):
        for block in path.read_text().split(_HEADER)[1:]:
            name, _, text = block.partition("\n")
            if name.strip() in found:
                raise ValueError(f"{path.name}: a statement named {name.strip()} exists already")
            found[name.strip()] = text.strip().rstrip(";")
    return found


def statement(name: str) -> str:
    """The statement named `name`. Raises MissingStatementError."""
    try:
        return statements()[name]
    except KeyError as missing:
        raise MissingStatementError(f"no statement named {name} in storage/sql") from missing
