"""The table of shards, and when the slots are said to be in balance."""

from io import StringIO
from typing import Any

from rich.console import Console

from actors.slots import SLOTS
from serve.shards import COLUMNS, is_balanced, table


def status(name: str, slots: int, *, dedicated: bool = False) -> dict[str, Any]:
    return {**dict.fromkeys(COLUMNS, 0), "name": name, "version": "0123456789", "slots": slots, "dedicated": dedicated}


def test_one_row_a_shard_with_every_column() -> None:
    shown = StringIO()
    rows = [status("organization-shard-0", 128), status("organization-shard-1", 127)]
    Console(width=200, file=shown).print(table(rows))
    text = shown.getvalue()
    assert all(title in text for title in COLUMNS.values())
    assert "organization-shard-1" in text
    assert "01234567 " in text


def test_balanced_when_every_slot_is_held_and_nobody_has_too_many() -> None:
    assert is_balanced([status("a", SLOTS)])
    assert not is_balanced([status("a", SLOTS), status("b", 0)])
    assert not is_balanced([status("a", 100), status("b", 100)])
    assert is_balanced([status("a", 127), status("b", 128), status("c", 1, dedicated=True)])
