"""An organization's own alarm rules, read and replaced: rules, live owner and audit log in one transaction."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import orjson

from actors.domain.alarm_rules import Rule, rule_facts, rules_from
from actors.domain.commands import ALARM_RULES_CONFIGURED, InboxRow
from actors.slots import slot_of
from storage.errors import StorageError
from storage.inbox_rows import inbox_row
from storage.postgres import Connection, Pool, transaction
from storage.statements import statement
from storage.times import moment


class RulesChangedError(StorageError):
    """Somebody set other rules since the caller read them; nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRules:
    """The rules that the organization set, and the name of this state of them: another state has another."""

    rules: Sequence[Rule]
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """The rules after a change, and what the owner is to be told."""

    own: OwnRules
    row: InboxRow


async def read_alarm_rules(connection: Connection, organization_id: str) -> OwnRules:
    """The organization's own rules; none when it never set any."""
    rules = rules_from(await connection.fetchval(statement("alarm_rules_of_organization"), UUID(organization_id)))
    return _own(rules)


async def replace_alarm_rules(
    pool: Pool,
    *,
    organization_id: str,
    rules: Sequence[Rule],
    actor: str,
    at: int,
    only_from: Collection[str] | None,
) -> Replaced | None:
    """Have `rules` in the place of the organization's own, at `at` (ms); None when there is no such organization.

    With `only_from`, only while they are in one of these versions. Durable on return; the owner judges by what Postgres
    holds once it has the row, at once when it is handed over and within 2 s by its sweep.

    Raises RulesChangedError and StorageUnavailableError.
    """
    async with transaction(pool) as connection:
        if not await connection.fetchval(statement("alarm_rules_lock"), UUID(organization_id)):
            return None
        before = await read_alarm_rules(connection, organization_id)
        if only_from is not None and before.version not in only_from:
            raise RulesChangedError(organization_id)
        record = await connection.fetchrow(
            statement("alarm_rules_replace"),
            UUID(organization_id),
            slot_of(organization_id),
            [rule_facts(rule) for rule in rules],
            f"{ALARM_RULES_CONFIGURED}:{uuid4()}",
            moment(at),
            actor,
            ", ".join(_differing(before.rules, rules)),
        )
        if record is None:
            raise AssertionError("an insert answers its row")
        return Replaced(own=_own(rules), row=inbox_row(record))


def _own(rules: Sequence[Rule]) -> OwnRules:
    told = orjson.dumps([rule_facts(rule) for rule in rules], option=orjson.OPT_SORT_KEYS)
    return OwnRules(rules=rules, version=hashlib.sha256(told).hexdigest()[:32])


def _differing(before: Sequence[Rule], after: Sequence[Rule]) -> Sequence[str]:
    """The names of the rules that were set, changed or taken away."""
    held, told = {rule.name: rule for rule in before}, {rule.name: rule for rule in after}
    return sorted(name for name in held.keys() | told.keys() if held.get(name) != told.get(name))
