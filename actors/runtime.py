"""Shards as detached Ray actors: names, options, placement, replacement, and handles to reach them by."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar, cast
from uuid import uuid4

import psutil
import ray
import structlog
import xxhash
from ray.exceptions import RayError
from ray.util import list_named_actors

from actors.api_limits import OWNER_SECONDS, Grant
from actors.domain.commands import InboxRow
from actors.domain.json_types import JSON
from actors.domain.views import View
from actors.leases import LEASE_SECONDS
from actors.logs import configure_logs
from actors.organization_actor import BoardSnapshot
from actors.ports import Delivery, OverloadedError, Ports, UnavailableError, UnknownOrganizationError
from actors.process import SHARD_NICENESS, settle_heap, yield_processor
from actors.requests import ADMIT_SECONDS
from actors.router import SNAPSHOT_SECONDS, FindShard
from actors.shard import DeliveryAnswer, Shard
from actors.shard_metrics import export_status

log = structlog.get_logger(__name__)

NAMESPACE: Final = "call-supervisor"
PREFIX: Final = "organization-shard-"
DEDICATED: Final = f"{PREFIX}dedicated-"
DELIVER_SECONDS: Final = 2.0
STATUS_SECONDS: Final = 2.0
START_SECONDS: Final = 60.0
DRAIN_SECONDS: Final = LEASE_SECONDS + 5.0
CPUS: Final = 0.001
"""Next to nothing, so that processes share the cores, but not 0: what asks for nothing Ray places on a node at random,
even if it was told to spread."""

_ray: Final = cast("Any", ray)
"""Ray's own annotations are partial."""

_PROJECT: Final = Path(__file__).parents[1]
_PACKAGES: Final = ("actors", "storage", "workflows", "serve")

T = TypeVar("T")
OpenPorts: TypeAlias = Callable[[], Awaitable[Ports]]
"""Opens a shard's ports in the shard's own process. Has to be picklable and must not fail while servers are away."""


def _repeated(method: T) -> T:
    """A method that is safe to repeat: Ray sends a call again until the shard is up, and it is answered at once then.

    What is sent to a shard that restarts and may not be repeated fails, but only after a second or two, even if the
    shard is long up again.
    """
    return cast("T", _ray.method(max_task_retries=-1)(method))


class OrganizationShard:
    """A `Shard` in a process of its own. Ray restarts it for ever; a restart begins with empty memory.

    Every method may be called at any time; calls run concurrently in one event loop.
    """

    async def __init__(self, *, name: str, shards: int, version: str, open_ports: OpenPorts) -> None:  # pyright: ignore[reportGeneralTypeIssues]  # Ray awaits it
        configure_logs()
        yield_processor(SHARD_NICENESS)
        self._name = name
        self._version = version
        dedicated, incarnation = name.startswith(DEDICATED), str(uuid4())
        ports = await open_ports()
        self._shard = Shard(name=name, incarnation=incarnation, shards=shards, ports=ports, dedicated=dedicated)
        await self._shard.start()
        self._watch = asyncio.create_task(self._end_when_failed())
        self._metrics = asyncio.create_task(export_status(self._shard))
        settle_heap()

    def __repr__(self) -> str:
        return self._name

    async def deliver(self, deliveries: Sequence[Delivery]) -> DeliveryAnswer:
        """Hand hints over; see `Shard.deliver`."""
        return await self._shard.deliver(deliveries)

    @_repeated
    async def admit(self, organization_id: str, request: InboxRow) -> str | None:
        """What was decided of a request; see `Shard.admit`."""
        return await self._shard.admit(organization_id, request)

    @_repeated
    async def slots(self, organization_id: str) -> "View | None":
        """The ledger of concurrency slots; see `Shard.slots`."""
        return await self._shard.slots(organization_id)

    @_repeated
    async def grant(self, organization_id: str, wanted: int) -> Grant | None:
        """Requests that may be made now; see `Shard.grant`."""
        return await self._shard.grant(organization_id, wanted)

    @_repeated
    async def snapshot(self, organization_id: str) -> BoardSnapshot | None:
        """The board, or None when this shard is not the owner. Raises UnavailableError."""
        return await self._shard.snapshot(organization_id)

    @_repeated
    async def status(self) -> dict[str, JSON]:
        """What an operator wants to read of this shard, its process and its code."""
        memory = psutil.Process().memory_info().rss
        process = {"pid": os.getpid(), "node": _node(), "version": self._version, "memory_mb": memory // 2**20}
        return {**self._shard.status(), **process}

    async def drain(self) -> None:
        """Save everything and give the slots back; nothing is accepted afterwards."""
        self._watch.cancel()
        await self._shard.stop()

    async def _end_when_failed(self) -> None:
        try:
            await self._shard.failed()
        except Exception:
            # A fault of the code ended one of the shard's loops. Only a new process is sure to have them all again:
            # `exit_actor` would tell Ray that the end was intended.
            log.exception("a shard failed", shard=self._name)
            os._exit(1)


class RayShardHandle:
    """A shard by its name, wherever Ray runs it now: looked up at the first call, and again after one that failed."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._actor: Any = None

    async def deliver(self, deliveries: Sequence[Delivery]) -> DeliveryAnswer:
        return cast("DeliveryAnswer", await self._call("deliver", deliveries, seconds=DELIVER_SECONDS))

    async def admit(self, organization_id: str, request: InboxRow) -> str | None:
        return cast("str | None", await self._call("admit", organization_id, request, seconds=ADMIT_SECONDS))

    async def slots(self, organization_id: str) -> "View | None":
        return cast("View | None", await self._call("slots", organization_id, seconds=SNAPSHOT_SECONDS))

    async def grant(self, organization_id: str, wanted: int) -> Grant | None:
        return cast("Grant | None", await self._call("grant", organization_id, wanted, seconds=OWNER_SECONDS))

    async def snapshot(self, organization_id: str) -> BoardSnapshot | None:
        return cast("BoardSnapshot | None", await self._call("snapshot", organization_id, seconds=SNAPSHOT_SECONDS))

    async def _call(self, method: str, *arguments: object, seconds: float) -> object:
        try:
            async with asyncio.timeout(seconds):
                if self._actor is None:
                    self._actor = await asyncio.to_thread(_find, self._name)
                return await getattr(self._actor, method).remote(*arguments)
        except (UnknownOrganizationError, OverloadedError):
            raise
        except (RayError, TimeoutError) as failed:
            self._actor = None
            raise UnavailableError(f"{self._name} does not answer: {type(failed).__name__}") from failed


def shard_handles() -> FindShard:
    """Handles for a `ShardRouter` of this process, which must be connected to the cluster."""
    return RayShardHandle


def dedicated_name(slot: int) -> str:
    """The shard that has this slot and no other, when the slot is dedicated."""
    return f"{DEDICATED}{slot}"


def ensure_shards(
    count: int, open_ports: OpenPorts, *, dedicated: Sequence[int] = (), pin: Callable[[], None] = lambda: None
) -> None:
    """Have exactly `count` shards of this release run, and one for each dedicated slot. Safe to repeat.

    Missing ones start at once, then `pin` pins the slots; those of another release, or that do not answer, are drained
    and replaced one by one, surplus ones drained and ended. Returns once all answer. Blocks; raises what Ray raises.
    """
    version = code_version()
    wanted = [*(f"{PREFIX}{number}" for number in range(count)), *map(dedicated_name, dedicated)]
    present = _names()
    statuses = _statuses(present, seconds=DRAIN_SECONDS)
    _start([name for name in wanted if name not in present], count, version, open_ports)
    pin()
    for name in present:
        if name not in wanted:
            _end(name)
    for name in wanted:
        if name in present and statuses.get(name, {}).get("version") != version:
            _end(name)
            _start([name], count, version, open_ports)


def shard_names() -> Sequence[str]:
    """Every shard there is to be, whether it answers or not."""
    return _names()


def shard_statuses() -> Mapping[str, dict[str, JSON]]:
    """The status of every shard that answers within 2 s."""
    return _statuses(_names(), seconds=STATUS_SECONDS)


def shard_pids() -> Mapping[str, int]:
    """The process of every shard that answers within 2 s."""
    return {name: cast("int", status["pid"]) for name, status in shard_statuses().items()}


def code_version() -> str:
    """A digest of the product's sources: detached actors outlive a deployment, so their code has to be compared."""
    digest = xxhash.xxh3_128()
    for package in _PACKAGES:
        for path in sorted((_PROJECT / package).rglob("*")):
            if path.suffix in {".py", ".sql"}:
                digest.update(str(path.relative_to(_PROJECT)).encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def _node() -> str:
    """The address of the node this process runs on."""
    return cast("str", _ray.util.get_node_ip_address())


def _names() -> list[str]:
    named = cast("list[dict[str, str]]", list_named_actors(all_namespaces=True))
    return sorted(each["name"] for each in named if each["namespace"] == NAMESPACE and each["name"].startswith(PREFIX))


def _find(name: str) -> Any:
    """The actor's handle. Raises UnavailableError while Ray knows no such name: not started yet, or ended."""
    try:
        return _ray.get_actor(name, NAMESPACE)
    except ValueError as unknown:
        raise UnavailableError(f"Ray knows no {name}") from unknown


def _statuses(names: Sequence[str], *, seconds: float) -> Mapping[str, dict[str, JSON]]:
    answers: dict[Any, str] = {}
    for name in names:
        try:
            answers[_find(name).status.remote()] = name
        except (RayError, UnavailableError):
            log.info("a shard is gone", shard=name)
    if not answers:
        return {}
    ready, _ = _ray.wait(list(answers), num_returns=len(answers), timeout=seconds)
    statuses: dict[str, dict[str, JSON]] = {}
    for answer in ready:
        try:
            statuses[answers[answer]] = _ray.get(answer)
        except RayError as failed:
            log.info("a shard does not answer", shard=answers[answer], reason=type(failed).__name__)
    return {name: statuses[name] for name in names if name in statuses}


def _start(names: Sequence[str], shards: int, version: str, open_ports: OpenPorts) -> None:
    """Start shards and wait until they answer."""
    actor_class = _ray.remote(OrganizationShard)
    answers = [
        actor_class.options(
            name=name,
            namespace=NAMESPACE,
            lifetime="detached",
            num_cpus=CPUS,
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=1_000,
            scheduling_strategy="SPREAD",
        )
        .remote(name=name, shards=shards, version=version, open_ports=open_ports)
        .status.remote()
        for name in names
    ]
    _ray.get(answers, timeout=START_SECONDS)


def _end(name: str) -> None:
    """Drain a shard if it still answers, end it, and wait until its name is free."""
    try:
        actor = _find(name)
    except UnavailableError:
        return
    try:
        _ray.get(actor.drain.remote(), timeout=DRAIN_SECONDS)
    except RayError as failed:
        log.warning("a shard ends undrained", shard=name, reason=type(failed).__name__)
    _ray.kill(actor)
    deadline = time.monotonic() + START_SECONDS
    while name in _names():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} was ended but Ray keeps its name")
        time.sleep(0.05)
