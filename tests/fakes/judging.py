"""What the world must come to once nothing fails any more: boards, clients, Postgres and Redis against the fold."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from actors.domain.call import Call
from actors.domain.conversation import Speech
from actors.domain.local_day import local_date
from actors.domain.replacing import replaced
from actors.domain.views import View, state_view
from actors.ports import UnavailableError
from actors.router import ShardRouter
from tests.fakes.cluster import DEDICATED, Cluster
from tests.fakes.doors import Door
from tests.fakes.feed_follower import FeedFollower
from tests.fakes.servers import Servers, Tenant, pending
from tests.fakes.simulated_loop import SimulatedLoop

MINUTE_MS = 60_000


class Judgement:
    """`start`: what every right clock shows when the loop begins."""

    def __init__(
        self,
        loop: SimulatedLoop,
        *,
        start: int,
        cluster: Cluster,
        servers: Servers,
        router: ShardRouter,
        tenants: Sequence[Tenant],
        doors: Sequence[Door],
        followers: Sequence[FeedFollower],
    ) -> None:
        self._loop = loop
        self._start = start
        self._cluster = cluster
        self._servers = servers
        self._router = router
        self._tenants = tenants
        self._doors = doors
        self._followers = followers

    async def wrong(self) -> str | None:
        """What is not yet as it must be; None when nothing is left."""
        for tenant in self._tenants:
            if tenant.waiting:
                return f"rows {list(tenant.waiting)} of {tenant.organization_id} are not applied"
            if waiting := pending(tenant):
                return f"effects are not confirmed: {waiting}"
        if (wrong := self._wrong_owners()) is not None:
            return wrong
        for tenant, follower in zip(self._tenants, self._followers, strict=True):
            try:
                board = await self._router.snapshot(tenant.organization_id)
            except UnavailableError as away:
                return f"no board: {away}"
            assert board is not None
            if str(follower.board.position) != board.position:
                return f"a client is at {follower.board.position}, the owner at {board.position}"
            if follower.board.state() != board.state:
                theirs, ours = _told(follower.board.state()), _told(board.state)
                return f"at {board.position} a client has {theirs - ours}, the owner {ours - theirs}"
            expected = self._expected(tenant)
            expected["counters"] |= {"stale": self._stale(board.state)}  # pyright: ignore[reportOperatorIssue]
            if told := _difference(board.state, expected) or self._wrong_incidents(tenant):
                return told
        return None

    def _wrong_owners(self) -> str | None:
        """Every slot has one owner, who knows it; nobody else thinks so."""
        cluster, owners = self._cluster, self._servers.owners()
        if any(not stray.ended for stray in cluster.strays) or any(n.process.stopped for n in cluster.nodes.values()):
            return "a process is paused, or goes on under a name that another bears"
        for name, node in cluster.nodes.items():
            status, epochs = (
                node.shard.status(),
                [self._servers.slots[slot].epoch for slot in owners if owners[slot] == name],
            )
            if (status["slots"], status["highest_epoch"]) != (len(epochs), max(epochs, default=0)):
                return f"{name} holds {status['slots']} slots at {status['highest_epoch']}, Postgres says {epochs}"
        for number, slot in self._servers.slots.items():
            home = slot.pinned_to if slot.pinned_to in cluster.nodes else None
            if owners.get(number) != home and (home or str(owners.get(number)).startswith(DEDICATED)):
                return f"slot {number}, pinned to {slot.pinned_to}, is {owners.get(number)}'s"
        strangers = set(owners.values()) - cluster.nodes.keys()
        return f"{strangers} own slots" if strangers or len(owners) != len(self._servers.slots) else None

    def _wrong_incidents(self, tenant: Tenant) -> str | None:
        """Of what follows from the record alone: a call that hangs and goes on has one open incident, no other has."""
        calls = tenant.fold(local_date(self._start, tenant.time_zone)).calls.values()
        hanging = sorted(call.call_id for call in calls if call.is_live and call.hangs)
        opened = sorted(str(each.call_id) for each in tenant.incidents.values() if each.is_open and each.call_id)
        told = sorted(
            str(each.call_id) for each in tenant.incidents.values() if each.is_open and each.rule == "call-hangs"
        )
        live = {call.call_id for call in calls if call.is_live}
        if told != hanging or not live.issuperset(opened):
            return f"calls {hanging} hang, incidents are open of {opened}"
        return None

    def _expected(self, tenant: Tenant) -> View:
        return state_view(tenant.fold(local_date(self._now, tenant.time_zone)))

    def _stale(self, board: View) -> int:
        """By the signs that the board itself shows of its calls, for chatter is nowhere else."""
        calls: Any = board["calls"]
        return sum(_is_stale(call, self._now) for call in calls)

    @property
    def _now(self) -> int:
        """Every clock's moment, once they are right."""
        return self._start + int(self._loop.time() * 1000) + self._cluster.skew

    async def judge_what_is_left(self) -> None:
        """Postgres against the fold; then all shards leave, and what they saved against it, too."""
        left_at = self._loop.time()
        for node in list(self._cluster.nodes.values()):
            self._cluster.stop(node)
        await self._cluster.stopped()
        # A claim that was on its way when its sender ended runs out.
        kept = [slot for slot in self._servers.slots.values() if slot.owner and slot.claimed_at < left_at]
        assert not kept, f"not given back: {kept}"
        for tenant, door in zip(self._tenants, self._doors, strict=True):
            door.judge()
            assert not any(row.type == "state-repaired" for row in tenant.history), "a repair where nothing was broken"
            calls = tenant.fold(local_date(self._start, tenant.time_zone)).calls
            assert {call_id: _record(call) for call_id, call in tenant.calls.items()} == calls, "Postgres"
            caused = {effect.call_id for effect in tenant.ledger}
            assert caused == calls.keys() == tenant.signals.keys(), "effects of every call, all signalled"
            if tenant.snapshot is not None:
                # A stale owner may save into an empty Redis: old, but true of its moment, and rows above make it new.
                state = tenant.snapshot.state
                then = tenant.recalled(state.apply_sequence)
                saved = {call_id: _record(call) for call_id, call in state.calls.items()}
                assert saved.items() <= then.items(), "the snapshot"
                assert {call_id for call_id, call in then.items() if not call.is_ended} <= saved.keys(), "the snapshot"


def _record(call: Call) -> Call:
    """The call without its volatile part."""
    return replaced(call, heard_at=0, utterances=(), speech=Speech())


def _difference(board: View, expected: View) -> str | None:
    """Ended calls may have left memory, and chatter is delivered at most once; everything else is equal."""
    if board["incidents"] != expected["incidents"]:
        return f"the owner shows {board['incidents']}, Postgres has {expected['incidents']}"
    if board["organization"] != expected["organization"]:
        return f"{board['organization']} is not {expected['organization']}"
    told = {call["call_id"]: call for call in map(_durable, board["calls"])}  # pyright: ignore[reportArgumentType]
    for call in map(_durable, expected["calls"]):  # pyright: ignore[reportArgumentType]
        held = told.pop(call["call_id"], None)
        if held != call and not (held is None and call["status"] == "ended"):
            return f"the owner shows {held}, it is {call}"
    if told:
        return f"the owner shows {told}, which nobody called"
    return None if board["counters"] == expected["counters"] else f"{board['counters']} is not {expected['counters']}"


def _is_stale(call: dict[str, Any], now: int) -> bool:
    """A live call that told nothing for a quarter of an hour, or of which its provider has known nothing since."""
    if call["status"] not in {"ringing", "in-progress", "forwarding"} or (call["admission"] or "").startswith(
        "refused:"
    ):
        return False
    sign, absent_at = datetime.fromisoformat(call["evidence_at"]), call["absent_at"]
    is_absent = absent_at is not None and datetime.fromisoformat(absent_at) >= sign
    return is_absent or now - round(sign.timestamp() * 1000) > 15 * MINUTE_MS


def _told(view: View) -> set[str]:
    """What a board says, each value by itself, to be compared by eye."""
    calls: Any = view["calls"]
    values = {f"{call['call_id']}.{name}={value}" for call in calls for name, value in call.items()}
    return values | {f"{name}={view[name]}" for name in ("organization", "counters", "incidents")}


def _durable(call: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in call.items()
        if name not in {"evidence_at", "evidence_kind", "utterances", "conversation"}
    }
