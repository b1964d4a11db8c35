"""One seed: traffic and faults over a cluster of shards, then quiet, then judgement."""

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from random import Random
from typing import Any
from unittest.mock import patch
from uuid import UUID

from actors.domain.call import Utterance
from actors.domain.commands import CALL_TAGGED, INCIDENT_ROWS, Hear, InboxRow
from actors.domain.conversation import SpeechSign
from actors.domain.json_types import JSON
from actors.domain.policy import Policy
from actors.domain.replacing import replaced
from actors.ports import Delivery, UnavailableError
from actors.router import ShardRouter
from actors.slots import slot_of
from tests.fakes.accidents import Accidents
from tests.fakes.cluster import Cluster
from tests.fakes.doors import Door
from tests.fakes.events import call_rows, row
from tests.fakes.feed_follower import FeedFollower
from tests.fakes.judging import Judgement
from tests.fakes.network import Faults, Network, SkewedClock
from tests.fakes.servers import Servers, Tenant
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
        self.followers: list[FeedFollower] = []

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
        accidents = Accidents(
            self.random,
            self.happened,
            cluster=self.cluster,
            servers=self.servers,
            tenants=self.tenants,
            followers=self.followers,
        )
        for _ in range(self.random.randint(1, 2)):
            await accidents.start_one()
        self.followers += [FeedFollower(tenant, self.router.snapshot) for tenant in self.tenants]
        self.following = [self.loop.create_task(follower.run()) for follower in self.followers]
        traffic = self._traffic()
        befalls = [] if self.otherwise_calm else accidents.within(BUSY_SECONDS)
        for at, action in sorted([*traffic, *befalls], key=lambda each: each[0]):
            await asyncio.sleep(max(0.0, at - self.loop.time()))
            await action()
        self.faults.cease()
        accidents.cease()
        for door in self.doors:
            await door.answered()
        judgement = Judgement(
            self.loop,
            start=START,
            cluster=self.cluster,
            servers=self.servers,
            router=self.router,
            tenants=self.tenants,
            doors=self.doors,
            followers=self.followers,
        )
        await self._until_right(judgement)
        self.happened["a call is stale"] += sum(follower.board.counters["stale"] for follower in self.followers)
        if self.cluster.first is not None:
            self.steps_of_first = self.cluster.first.process.steps_told()
        await judgement.judge_what_is_left()
        self.happened["a client starts over"] += sum(follower.snapshots - 1 for follower in self.followers)

    # What happens

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

    async def _until_right(self, judgement: Judgement) -> None:
        deadline = self.loop.time() + PATIENCE_SECONDS
        while wrong := await judgement.wrong():
            assert self.loop.time() < deadline, wrong
            await asyncio.sleep(0.5)
