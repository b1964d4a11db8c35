"""One seed: traffic and faults over a cluster of shards, then quiet, then judgement."""

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from random import Random
from typing import Any
from unittest.mock import patch
from uuid import UUID

from actors.domain.call import Call, Utterance
from actors.domain.commands import CALL_TAGGED, INCIDENT_ROWS, Hear, InboxRow
from actors.domain.conversation import Speech, SpeechSign
from actors.domain.json_types import JSON
from actors.domain.local_day import local_date
from actors.domain.policy import Policy
from actors.domain.replacing import replaced
from actors.domain.views import View, state_view
from actors.ports import Delivery, UnavailableError
from actors.router import ShardRouter
from actors.slots import slot_of
from tests.fakes.cluster import DEDICATED, Cluster
from tests.fakes.doors import Door
from tests.fakes.events import call_rows, row
from tests.fakes.feed_follower import FeedFollower
from tests.fakes.network import Faults, Network, SkewedClock
from tests.fakes.servers import Servers, Tenant, pending
from tests.fakes.simulated_loop import SimulatedLoop

SLOTS = 4
BUSY_SECONDS = 8.0
PATIENCE_SECONDS = 60.0
START = 1_790_033_400_000
"""Half an hour before midnight in UTC: a clock that jumps lands in another day."""
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
NOTES = ["call-processed", "report-missing", "provider-absent"]
"""What workflows tell of a call."""

# Bounds made so small that they are met. The map of owners is read less often, so that it is wrong for longer; what
# is done again and again is done less often where that hides nothing.
BOUNDS = {
    "actors.leases.SLOTS": SLOTS,
    "actors.owner_map.FIRST_PAUSE_SECONDS": 0.4,
    "actors.mailboxes.BATCH": 4,
    "actors.mailboxes.MAILBOX": 8,
    "actors.arrivals.LOOKED_UP": 2,
    "actors.call_lookups.REMEMBERED": 2,
    "actors.residents.COMING_UP": 3,
    "actors.shard.CHECK_MS": 3_000,
    "actors.shard.CHECK_SECONDS": 1.5,
    "actors.shard.SAVE_SECONDS": 1.0,
    "actors.shard.TICK_SECONDS": 2.0,
    "actors.shard.JUDGED_AT_ONCE": 1,
    "actors.shard.SWEEP_ROWS": 6,
    "actors.shard.TIDY_SECONDS": 3.0,
    "actors.residents.ACTIVATIONS": 2,
    "actors.shard.SAVES_AT_ONCE": 2,
    "actors.effect_runner.CONCURRENT": 2,
    "actors.effect_runner.QUEUED": 4,
    "actors.effect_runner.LAST_RETRY_MS": 4_000,
    "actors.feed_tail.BUFFERED": 4,
    "actors.organization_actor.APPLIED_REMEMBERED": 3,
}
ORGANIZATIONS = [
    next(each for number in range(1_000) if slot_of(each := str(UUID(int=1_000 * place + number))) == place % SLOTS)
    for place in range(SLOTS + 2)
]


@contextmanager
def small_bounds() -> Generator[None]:
    """Within it simulations run: as many as one likes, for patching takes as long as a tenth of one."""
    with ExitStack() as bounds:
        for name, value in BOUNDS.items():
            bounds.enter_context(patch(name, value))
        yield


class Simulation:
    """`run` raises AssertionError when after the faults the world does not come to what the reference says.

    With `first_dies_before` nothing else goes wrong: the first shard crashes before its step of that number, or never
    when it takes fewer. A step is what a process does from one await to the next.
    """

    def __init__(self, seed: int, *, first_dies_before: int | None = None) -> None:
        self.random = random = Random(seed)
        self.loop = loop = SimulatedLoop(random)
        zones = ["UTC", "America/New_York", "Australia/Lord_Howe"]
        chosen = random.sample(ORGANIZATIONS, random.randint(1, 3))
        self.tenants = [
            Tenant(
                organization_id=each,
                time_zone=random.choice(zones),
                policy=Policy(concurrency_limit=random.choice([None, 1, 2])),
            )
            for each in chosen
        ]
        self.happened: Counter[str] = Counter()
        self.servers = Servers(self.tenants, slots=SLOTS, time=loop.time, happened=self.happened)
        self.faults = Faults(
            unavailable=random.choice([0, 0, 0.03, 0.15]),
            answer_lost=random.choice([0, 0, 0.03, 0.1]),
            slow=random.choice([0, 0, 0.05]),
        )
        self.network = Network(loop, random, self.faults, self.happened)
        self.cluster = Cluster(loop, random, self.servers, self.network, start=START)
        self.cluster.first_dies_before = first_dies_before
        self.otherwise_calm = first_dies_before is not None
        if self.otherwise_calm:
            self.faults.cease()
        self.steps_of_first = 0
        self.jumped = False
        self.started = 0

    def run(self) -> None:
        self.loop.run(self._run())
        # What a server's absence ended, whoever asked being gone, was told to nobody by right.
        unseen = [
            str(each)
            for each in self.loop.faults
            if isinstance(each.get("future"), asyncio.Task) and not isinstance(each.get("exception"), UnavailableError)
        ]
        assert not unseen, f"a task failed unseen: {unseen}"

    def trace(self) -> str:
        """What a run came to. Every request and every timer draws: runs that went apart anywhere differ in it."""
        figures = sorted(self.happened.items())
        return f"{self.loop.now()} {self.random.random()} {figures}"

    async def _run(self) -> None:
        ownership = self.network.ports(self.servers, SkewedClock(START, self.loop.time)).ownership
        self.router = ShardRouter(ownership, self.cluster.find, draw=self.random.random)
        await self.router.start()
        self.doors = [
            Door(
                tenant,
                self.router,
                self.loop,
                self.happened,
                hand_over=self._hand_over,
                unheard=lambda: self.random.random() < self.faults.answer_lost,
                start=START,
            )
            for tenant in self.tenants
        ]
        for _ in range(self.random.randint(1, 2)):
            await self._start_one()
        self.followers = [FeedFollower(tenant, self.router.snapshot) for tenant in self.tenants]
        self.following = [self.loop.create_task(follower.run()) for follower in self.followers]
        for at, action in sorted([*self._traffic(), *self._accidents()], key=lambda each: each[0]):
            await asyncio.sleep(max(0.0, at - self.loop.time()))
            await action()
        await self._calm()
        for door in self.doors:
            await door.answered()
        await self._until_right()
        self.happened["a call is stale"] += sum(follower.board.counters["stale"] for follower in self.followers)
        await self._judge_what_is_left()
        self.happened["a client starts over"] += sum(follower.snapshots - 1 for follower in self.followers)

    # What happens

    async def _start_one(self) -> None:
        self.started += 1
        await self.cluster.start(f"organization-shard-{self.started - 1}")

    def _traffic(self) -> list[tuple[float, Any]]:
        random, actions = self.random, list[tuple[float, Any]]()
        row_id = 0
        for tenant, door in zip(self.tenants, self.doors, strict=True):
            for number in range(random.randint(1, 2)):
                call_id = f"call-{number}"
                rows = call_rows(0, call_id, START, seconds=random.randint(1, 90), report=random.random() < 0.8)
                begins, span = random.random() * BUSY_SECONDS / 2, random.random() * BUSY_SECONDS / 2
                for place, each in enumerate([*rows, row(0, None, "session.created", at=START + number)]):
                    if random.random() < 0.1:
                        self.happened["an event never comes"] += 1
                        continue
                    moved = random.choice([0, 0, 0, -3, 3])
                    self.happened["an event is out of order"] += moved != 0
                    at = begins + span * min(1.0, max(0.0, (place + moved) / len(rows)))
                    for copy in range(random.choice([1, 1, 1, 1, 2])):
                        row_id += 1
                        arrives = at + copy * random.random()
                        actions.append((arrives, self._arrival(tenant, replaced(each, id=row_id))))
                for _ in range(random.randint(0, 3)):
                    actions.append((begins + random.random() * span, self._chatter(tenant, call_id)))
                for _ in range(random.choice([0, 0, 1, 3])):
                    row_id += 1
                    tags: list[JSON] = [tag for tag in ("billing", "vip") if random.random() < 0.5]
                    tagged = row(
                        row_id, call_id, CALL_TAGGED, at=START + row_id, facts={"tags": tags}, provider="internal"
                    )
                    actions.append((begins + random.random() * BUSY_SECONDS / 2, self._arrival(tenant, tagged)))
                for kind in random.sample(NOTES, random.choice([0, 0, 1, 2])):
                    row_id += 1
                    noted = row(row_id, call_id, kind, at=START + row_id, provider="internal")
                    actions.append((begins + random.random() * BUSY_SECONDS / 2, self._arrival(tenant, noted)))
            actions.extend((random.random() * BUSY_SECONDS, self._somebody_acts(tenant)) for _ in range(2))
            for call_id in ["call-0", *(f"caller-{number}" for number in range(random.randint(0, 3)))]:
                row_id += 1
                request = row(row_id, call_id, "assistant-request", at=START + row_id)
                actions.extend(
                    (random.random() * BUSY_SECONDS, partial(door.ask, request))
                    for _ in range(random.choice([0, 1, 1, 2]))
                )
                # Chatter takes a released slot again, and the record, by which doors are judged, knows of no chatter.
                if call_id != "call-0" and random.random() < 0.3:
                    row_id += 1
                    released = row(row_id, call_id, "slot-released", at=START + row_id, provider="internal")
                    actions.append((random.random() * BUSY_SECONDS, self._arrival(tenant, released)))
        return actions

    def _somebody_acts(self, tenant: Tenant) -> Any:
        async def act() -> None:
            opened = [incident for incident in tenant.incidents.values() if incident.is_open]
            if not opened:
                return
            kind = self.random.choice([*INCIDENT_ROWS])
            facts: dict[str, JSON] = {"incident_id": self.random.choice(opened).incident_id, "by": "somebody"}
            now = START + int(self.loop.time() * 1000)
            row_id = 10_000 + len(tenant.keys)
            await self._arrival(tenant, row(row_id, None, kind, at=now, facts=facts, provider="internal"))()

        return act

    def _arrival(self, tenant: Tenant, row: InboxRow) -> Any:
        async def arrive() -> None:
            arrived = replaced(row, received_at=START + int(self.loop.time() * 1000))
            if tenant.accept(arrived):
                self._hand_over(Delivery(organization_id=tenant.organization_id, item=arrived))
            else:
                self.happened["an event comes twice"] += 1

        return arrive

    def _chatter(self, tenant: Tenant, call_id: str) -> Any:
        async def say() -> None:
            now = START + int(self.loop.time() * 1000)
            role, final = self.random.choice(["user", "assistant"]), self.random.random() < 0.5
            said = Utterance(role=role, text=str(now), final=final, at=now)
            sign = SpeechSign(role=role, started=final, at=now)
            utterance, voice = self.random.choice([(None, None), (said, None), (None, sign)])
            heard = Hear(call_id=call_id, at=now, utterance=utterance, sign=voice)
            self._hand_over(Delivery(organization_id=tenant.organization_id, item=heard))

        return say

    def _hand_over(self, delivery: Delivery) -> None:
        fate = self.random.random()
        if fate < 0.15:
            self.happened["a hand-over is lost"] += 1
            return
        if fate < 0.3:
            self.happened["a hand-over is late" if fate > 0.2 else "a hand-over is doubled"] += 1
            self.loop.call_later(self.random.random() * 4, self.router.offer, delivery)
        if not 0.2 < fate < 0.3:
            self.router.offer(delivery)

    def _accidents(self) -> list[tuple[float, Any]]:
        kinds = [
            *(self._crash, self._crash, self._pause, self._pause, self._jump, self._flush),
            *(self._lose_snapshot, self._grow, self._shrink, self._lose_temporal, self._reconnect),
            *(self._dedicate, self._share_again),
        ]
        if self.otherwise_calm:
            return []
        chosen = self.random.choices(kinds, k=self.random.choice([0, 1, 1, 2, 3, 5]))
        # Early, so that there is something going on when a paused one wakes.
        return [(self.random.random() * BUSY_SECONDS * 3 / 4, kind) for kind in chosen]

    async def _crash(self) -> None:
        if (node := self._any()) is not None:
            self.happened["a shard crashes"] += 1
            self.cluster.crash(node)

    async def _pause(self) -> None:
        if (node := self._any()) is not None:
            seconds = self.random.choice([4.0, 11.0, 14.0, 14.0])
            replaced, suspended = self.random.random() < 0.3, self.random.random() < 0.7
            self.happened["a machine is suspended" if suspended else "a shard is paused"] += 1
            self.happened["a paused shard is replaced"] += replaced
            self.cluster.pause(node, seconds, replaced=replaced, suspended=suspended)

    async def _jump(self) -> None:
        if (node := self._any()) is not None:
            self.jumped = True
            self.happened["a clock is wrong by an hour"] += 1
            node.clock.skew = self.random.choice([-HOUR_MS, HOUR_MS])

    async def _flush(self) -> None:
        self.happened["Redis forgets everything"] += 1
        self.servers.flush()

    async def _lose_snapshot(self) -> None:
        self.happened["a snapshot is lost"] += 1
        self.random.choice(self.tenants).snapshot = None

    async def _grow(self) -> None:
        self.happened["a shard is added"] += 1
        await self._start_one()

    async def _shrink(self) -> None:
        strays = {stray.name for stray in self.cluster.strays}
        shared = [node for node in self.cluster.nodes.values() if not node.name.startswith(DEDICATED)]
        living = [node for node in shared if not node.process.stopped and node.name not in strays]
        if len(shared) > 1 and living:
            self.happened["a shard is taken away"] += 1
            self.cluster.stop(self.random.choice(living))

    async def _dedicate(self) -> None:
        self.happened["an organization is dedicated"] += 1
        slot = self.random.choice(self.tenants).slot
        name = f"{DEDICATED}{slot}"
        self.servers.slots[slot].pinned_to = name
        if name not in self.cluster.nodes:
            await self.cluster.start(name)

    async def _share_again(self) -> None:
        for slot in self.servers.slots.values():
            slot.pinned_to = None
        strays = {stray.name for stray in self.cluster.strays}
        for node in list(self.cluster.nodes.values()):
            if node.name.startswith(DEDICATED) and not node.process.stopped and node.name not in strays:
                self.happened["a dedicated shard is taken away"] += 1
                self.cluster.stop(node)

    async def _lose_temporal(self) -> None:
        self.happened["Temporal is away"] += 1
        self.servers.temporal_away = True

    async def _reconnect(self) -> None:
        self.happened["clients reconnect"] += 1
        for follower in self.followers:
            follower.reconnect()

    def _any(self) -> Any:
        """A shard, more often than not the owner of an organization: what befalls the others, nobody notices."""
        living = {name: node for name, node in self.cluster.nodes.items() if not node.process.stopped}
        owner = self.servers.slots[self.random.choice(self.tenants).slot].owner
        if owner in living and self.random.random() < 0.75:
            return living[owner]
        return self.random.choice([*living.values()]) if living else None

    async def _calm(self) -> None:
        """Nothing fails any more; a clock that was wrong is right again, and hours have passed since."""
        self.faults.cease()
        self.servers.temporal_away = False
        if self.jumped:
            self.cluster.move_on(3 * HOUR_MS)

    # Judgement

    async def _until_right(self) -> None:
        deadline = self.loop.time() + PATIENCE_SECONDS
        while wrong := await self._wrong():
            assert self.loop.time() < deadline, wrong
            await asyncio.sleep(0.5)

    async def _wrong(self) -> str | None:
        for tenant in self.tenants:
            if tenant.waiting:
                return f"rows {list(tenant.waiting)} of {tenant.organization_id} are not applied"
            if waiting := pending(tenant):
                return f"effects are not confirmed: {waiting}"
        if (wrong := self._wrong_owners()) is not None:
            return wrong
        for tenant, follower in zip(self.tenants, self.followers, strict=True):
            try:
                board = await self.router.snapshot(tenant.organization_id)
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
        cluster, owners = self.cluster, self.servers.owners()
        if any(not stray.ended for stray in cluster.strays) or any(n.process.stopped for n in cluster.nodes.values()):
            return "a process is paused, or goes on under a name that another bears"
        for name, node in cluster.nodes.items():
            status, epochs = (
                node.shard.status(),
                [self.servers.slots[slot].epoch for slot in owners if owners[slot] == name],
            )
            if (status["slots"], status["highest_epoch"]) != (len(epochs), max(epochs, default=0)):
                return f"{name} holds {status['slots']} slots at {status['highest_epoch']}, Postgres says {epochs}"
        for number, slot in self.servers.slots.items():
            home = slot.pinned_to if slot.pinned_to in cluster.nodes else None
            if owners.get(number) != home and (home or str(owners.get(number)).startswith(DEDICATED)):
                return f"slot {number}, pinned to {slot.pinned_to}, is {owners.get(number)}'s"
        strangers = set(owners.values()) - cluster.nodes.keys()
        return f"{strangers} own slots" if strangers or len(owners) != SLOTS else None

    def _wrong_incidents(self, tenant: Tenant) -> str | None:
        """Of what follows from the record alone: a call that hangs and goes on has one open incident, no other has."""
        calls = tenant.fold(local_date(START, tenant.time_zone)).calls.values()
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
        return START + int(self.loop.time() * 1000) + self.cluster.skew

    async def _judge_what_is_left(self) -> None:
        """Postgres against the fold; then all shards leave, and what they saved against it, too."""
        left_at = self.loop.time()
        if self.cluster.first is not None:
            self.steps_of_first = self.cluster.first.process.steps_told()
        for node in list(self.cluster.nodes.values()):
            self.cluster.stop(node)
        await self.cluster.stopped()
        # A claim that was on its way when its sender ended runs out.
        kept = [slot for slot in self.servers.slots.values() if slot.owner and slot.claimed_at < left_at]
        assert not kept, f"not given back: {kept}"
        for tenant, door in zip(self.tenants, self.doors, strict=True):
            door.judge()
            assert not any(row.type == "state-repaired" for row in tenant.history), "a repair where nothing was broken"
            calls = tenant.fold(local_date(START, tenant.time_zone)).calls
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
