"""The simulation is a judge only if it condemns: with any one guard taken out, some seed must fail.

What the domain decides is the judge's law too: test_call_merge.py and test_simulation_domain.py judge it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from actors.domain import organization
from actors.domain.admission import ACCEPTED
from actors.domain.call import Call, Observation
from actors.feed_tail import FeedTail
from actors.organization_actor import OrganizationActor
from actors.requests import Requests
from actors.shard import Shard
from tests.fakes.servers import Servers
from tests.fakes.simulation import Simulation, small_bounds
from tests.unit.test_simulation_domain import Domain

SEEDS = 1_000
ONE_FAILURE = settings(
    max_examples=500, phases=[Phase.generate], report_multiple_bugs=False, deadline=None, database=None
)
_SAVE, _MERGE = Servers.save, Call.merge


async def _nothing(*_: Any) -> None: ...


async def _recalls_nothing(*_: Any) -> dict[str, Call]:
    return {}


async def _believes(actor: Any) -> None:
    actor._doubtful = False


def _same_position(tail: Any, entry: Any) -> None:
    tail._waiting.append((tail._n, entry))


def _all_of(_: Any, items: Sequence[Any]) -> list[Any]:
    return list(items)


def _anybody(*_: Any) -> bool:
    return True


def _says_yes(requests: Any, row_id: int, _: str) -> None:
    for answer in requests._asked.pop(row_id, ()):
        if not answer.done():
            answer.set_result(ACCEPTED)


def _saves_without_arrivals(servers: Any, organization_id: str, snapshot: Any) -> None:
    calls = {call_id: replace(call, arrivals=()) for call_id, call in snapshot.state.calls.items()}
    _SAVE(servers, organization_id, replace(snapshot, state=replace(snapshot.state, calls=calls)))


def _falls(call: Call, seen: Observation) -> Call:
    return replace(_MERGE(call, seen), status=seen.status or call.status)


def _no_calls(*_: Any) -> frozenset[str]:
    return frozenset()


MUTATIONS: dict[str, tuple[object, str, Any]] = {
    "Postgres takes whatever epoch": (Servers, "_holds", _anybody),
    "rows that were applied are taken in again": (OrganizationActor, "_fresh", _all_of),
    "an unanswered commit is believed to have failed": (OrganizationActor, "_catch_up", _believes),
    "a forgotten call begins anew": (OrganizationActor, "_recalled", _recalls_nothing),
    "the feed's position stands still": (FeedTail, "add", _same_position),
    "a day never ends": (OrganizationActor, "_start_day", _nothing),
    "what nobody delivered is not swept up": (Shard, "_sweep_rows", _nothing),
    "a caller is told what was not decided": (Requests, "tell", _says_yes),
    "a snapshot loses a field": (Servers, "save", _saves_without_arrivals),
    "an effect is tried once": (Shard, "_sweep_effects", _nothing),
    "silence changes no figure": (organization, "stale_calls", _no_calls),
}


@pytest.mark.parametrize("guard", MUTATIONS)
def test_a_guard_taken_out_is_noticed(guard: str) -> None:
    owner, name, mutant = MUTATIONS[guard]
    with small_bounds(), patch.object(owner, name, mutant):
        assert any(_fails(seed) for seed in range(SEEDS)), f"{SEEDS} seeds do not notice"


def test_a_status_that_falls_is_noticed() -> None:
    with patch.object(Call, "merge", _falls), pytest.raises(AssertionError):
        run_state_machine_as_test(Domain, settings=ONE_FAILURE)


def _fails(seed: int) -> bool:
    try:
        Simulation(seed).run()
    except Exception:  # noqa: BLE001  # whatever goes wrong is what is looked for
        return True
    return False
